"""How functions travel: by reference where a worker can import them, else by value; and who is to blame."""

import functools
import importlib.util
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ramify.errors import RamifyDeserializationError, UnpicklableError
from ramify.values import importable
from ramify.values.code import (
    CodeRef,
    describe_function,
    dump_value,
    find_unpicklable,
    load_function,
    load_value,
    name_of,
)


def plain(x):
    return x + 1


named = lambda x: x + 2


def decorate(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args) * 10

    return wrapper


@decorate
def decorated(x):
    return x


def hidden(x):
    return x


shadowing = decorate(hidden)


class Model:
    def __init__(self, factor=1):
        self.factor = factor

    def scale(self, x):
        return self.factor * x

    @classmethod
    def make(cls, factor):
        return cls(factor)

    @staticmethod
    def static(x):
        return -x

    def __call__(self, x):
        return self.factor + x

    class Inner:
        pass


class Child(Model):
    pass


def travels(function, *args):
    ref = describe_function(function)
    copy = load_function(pickle.loads(pickle.dumps(ref)))
    return ref, copy(*args)


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        (plain, (1,), 2),
        (decorated, (1,), 10),
        (max, (1, 2), 2),
        (os.path.basename, ("a/b",), "b"),
        (Model.static, (1,), -1),
        (dict, (), {}),
    ],
    ids=lambda v: name_of(v) if callable(v) else "",
)
def test_by_reference(function, args, result):
    ref, value = travels(function, *args)
    assert ref.module and ref.pickled is None and ref.source is None
    assert value == result


def test_classes_and_class_methods_by_reference():
    ref, made = travels(Model, 3)
    assert (ref.module, ref.qualname) == (Model.__module__, "Model") and made.factor == 3
    assert describe_function(Model.Inner).qualname == "Model.Inner"
    ref, made = travels(Model.make, 4)
    assert ref.qualname == "Model.make" and made.factor == 4


def test_an_inherited_class_method_keeps_its_class():
    _, made = travels(Child.make, 4)
    assert type(made) is Child


def closure(n):
    def inner(x):
        return x + n

    return inner


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        (lambda x: x * 2, (2,), 4),
        (named, (1,), 3),
        (closure(5), (1,), 6),
        (functools.partial(plain, 5), (), 6),
        (functools.partial(closure(1), 5), (), 6),
        (Model(3).scale, (2,), 6),
        (Model(3), (2,), 5),
        (hidden, (1,), 1),
        (decorate(closure(1)), (1,), 20),
        ([1, 2].index, (2,), 1),
        (str.upper, ("a",), "A"),
        (functools.partial(max, key=lambda x: -x), ([1, 2],), 1),
    ],
    ids=lambda v: name_of(v) if callable(v) else "",
)
def test_by_value(function, args, result):
    ref, value = travels(function, *args)
    if function is not hidden:
        assert ref.pickled and not ref.module
    assert value == result


def test_what_a_module_holds_under_the_name_decides():
    assert describe_function(decorated).qualname == "decorated"
    assert describe_function(shadowing).pickled  # its name leads to `hidden`
    assert travels(shadowing, 1)[1] == 10


def test_the_source_is_for_people():
    assert "return x + n" in describe_function(closure(1)).source
    assert "class Model" in describe_function(Model(1)).source
    assert describe_function(functools.partial(closure(1), 2)).source.startswith("    def inner")
    assert describe_function([].append).source is None


def test_a_module_that_is_loaded_but_cannot_be_found_goes_by_value(tmp_path):
    from importlib import util

    (tmp_path / "flow_x.py").write_text(
        "base = 5\ndef f(x):\n    return g(x) + base\ndef g(x):\n    return x\n"
        "class C:\n    def m(self):\n        return base\n"
    )
    spec = util.spec_from_file_location("flow_x", tmp_path / "flow_x.py")
    module = util.module_from_spec(spec)
    sys.modules["flow_x"] = module
    spec.loader.exec_module(module)
    try:
        refs = [describe_function(f) for f in (module.f, module.C().m, functools.partial(module.f, 1))]
        import cloudpickle

        assert "flow_x" not in cloudpickle.list_registry_pickle_by_value()
    finally:
        del sys.modules["flow_x"]
    assert all(ref.pickled for ref in refs)
    assert load_function(refs[0])(1) == 6
    assert load_function(refs[1])() == 5
    assert load_function(refs[2])() == 6


def test_a_module_beside_the_script_goes_by_reference(tmp_path):
    (tmp_path / "beside.py").write_text("def f():\n    return 'beside'\n")
    (tmp_path / "script.py").write_text(
        "import sys, beside\n"
        "from ramify.values.code import describe_function\n"
        "ref = describe_function(beside.f)\n"
        "print(ref.module, ref.qualname, ref.pickled)\n"
    )
    assert run_script(tmp_path / "script.py") == "beside f None"


def test_another_file_of_that_name_first_on_the_path_means_by_value(tmp_path, monkeypatch):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "twice_x.py").write_text(f"def f():\n    return {folder!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "one"))
    import twice_x

    assert describe_function(twice_x.f).module == "twice_x"
    importable._found.clear()
    monkeypatch.syspath_prepend(str(tmp_path / "two"))
    assert load_function(describe_function(twice_x.f))() == "one"
    del sys.modules["twice_x"]
    importable._found.clear()


MAIN = """
import functools, pickle, subprocess, sys, dataclasses
from ramify.values.code import describe_function, load_function, dump_value, load_value

LIMIT = 7

@dataclasses.dataclass
class Point:
    x: int
    def double(self):
        return Point(self.x * 2)

def helper(x):
    return x + LIMIT

def f(x):
    return helper(x), Point(x)

loader = '''
import sys
from ramify.values.code import load_value
value = load_value(sys.stdin.buffer.read())
f, double, both, again = value
result, point = f(1)
assert result == 8, result
assert double().x == 6
assert type(both[0]) is both[1]
assert again(3)[0] == 10
print("ok")
'''
ref = describe_function(f)
assert ref.pickled and "def f" in ref.source, ref
assert load_function(ref)(1)[0] == 8
assert describe_function(Point(3).double).pickled
assert describe_function(Point).pickled
data = dump_value((f, Point(3).double, (Point(1), Point), functools.partial(f)))
done = subprocess.run([sys.executable, "-c", loader], input=data, capture_output=True, timeout=30)
print(done.stdout.decode().strip(), done.stderr.decode().strip())
"""


def run_script(path):
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=30, check=False, cwd=path.parent
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_functions_and_classes_of_a_script_travel_whole(tmp_path):
    (tmp_path / "script.py").write_text(MAIN)
    assert run_script(tmp_path / "script.py") == "ok"


def test_import_errors_are_told_as_they_are(tmp_path, monkeypatch):
    (tmp_path / "broken_x.py").write_text("import no_such_module_x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_module_x"):
        load_function(CodeRef("f", "broken_x", "f"))
    with pytest.raises(RamifyDeserializationError, match="has no 'nothing'"):
        load_function(CodeRef("f", "os", "nothing"))


class Holder:
    __slots__ = ("lock",)

    def __init__(self):
        self.lock = threading.Lock()


class Plain:
    def __init__(self):
        self.deep = {"k": [threading.Lock()]}


LOCK = threading.Lock()


def uses_default(x=LOCK, *, y=1):
    return x


def make_culprits():
    lock = threading.Lock()
    inner = lambda: lock

    def outer():
        return inner

    return [
        (lambda: lock, "closure variable 'lock'"),
        (outer, "closure variable 'lock' of closure variable 'inner'"),
        (functools.partial(plain, {"k": lock}), ".args[0]['k']"),
        (functools.partial(plain, x=[lock]), ".keywords['x'][0]"),
        ([0, {"k": (lock,)}], "[1]['k'][0]"),
        (Holder(), ".lock"),
        (Plain(), ".deep['k'][0]"),
        (Plain().__init__, ".__self__.deep['k'][0]"),
        ({1: {"a": threading.RLock}, 2: lock}, "[2]"),
        (lock, ""),
    ]


@pytest.mark.parametrize(("value", "path"), make_culprits(), ids=lambda v: v if isinstance(v, str) else "")
def test_the_culprit_is_named(value, path):
    said = find_unpicklable(value, "argument x")
    assert path in said and "argument x" in said and "lock" in said


def test_a_default_and_a_global_of_a_script_are_named(tmp_path):
    (tmp_path / "script.py").write_text(
        "import threading\n"
        "from ramify.values.code import describe_function\n"
        "from ramify.errors import UnpicklableError\n"
        "LOCK = threading.Lock()\n"
        "def f():\n    return LOCK\n"
        "def g(x, y=LOCK):\n    return x\n"
        "def h(x, *, y=[LOCK]):\n    return x\n"
        "for function in (f, g, h):\n"
        "    try:\n        describe_function(function)\n"
        "    except UnpicklableError as error:\n        print(error.path)\n"
    )
    assert run_script(tmp_path / "script.py").splitlines() == [
        "global variable 'LOCK' of f (a _thread.lock)",
        "default of parameter 'y' of g (a _thread.lock)",
        "default of parameter 'y'[0] of h (a _thread.lock)",
    ]


def test_a_function_that_cannot_travel_says_why():
    lock = threading.Lock()

    def job():
        return lock

    with pytest.raises(UnpicklableError, match="closure variable 'lock'") as caught:
        describe_function(job)
    assert caught.value.path.startswith("closure variable 'lock' of ")
    assert isinstance(caught.value, TypeError)
    pickle.loads(pickle.dumps(caught.value))


def test_names():
    assert name_of(functools.partial(functools.partial(plain, 1), 2)) == "plain"
    assert name_of(Model(1)) == "Model"
    assert name_of(Model(1).scale) == "Model.scale"


def test_values_keep_identity_inside_one_payload():
    function = closure(1)
    one, two = load_value(dump_value((function, function)))
    assert one is two and one(1) == 2


CACHED = """
import functools, sys
from ramify.values.code import describe_function, dump_value

@functools.lru_cache(maxsize=7)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

@functools.cache
def twice(n):
    return 2 * fib(n)

sys.stdout.buffer.write(dump_value([describe_function(f).pickled for f in (fib, twice, lambda n: fib(n))]))
"""


def test_cached_functions_of_a_script_travel(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(CACHED)
    done = subprocess.run([sys.executable, path], capture_output=True, check=True)
    fib, twice, through = map(load_value, load_value(done.stdout))
    assert (fib(30), twice(30), through(30)) == (832040, 1664080, 832040)
    assert fib.cache_parameters() == {"maxsize": 7, "typed": False}
    assert fib.cache_info().hits


@functools.lru_cache
def cached(x):
    return x


def test_a_cached_function_of_a_module_goes_by_reference():
    assert describe_function(cached).pickled is None
    assert load_value(dump_value([cached, lambda: cached]))[0] is cached


def test_a_value_of_a_module_that_was_loaded_by_its_path(tmp_path, monkeypatch):
    path = tmp_path / "my-flow.py"
    path.write_text("class Thing:\n    x = 3\n")
    spec = importlib.util.spec_from_file_location("by_path_x", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "by_path_x", module)
    spec.loader.exec_module(module)
    assert module in importable.modules_astray()
    data = dump_value([module.Thing()])
    load = "from ramify.values.code import load_value; print(load_value(sys.stdin.buffer.read())[0].x)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {load}"], input=data, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"3"


def test_a_module_that_another_thread_imports_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In `sys.modules` it is as soon as the import begins."""
    (tmp_path / "slowly_imported.py").write_text(
        "import threading\n"
        "begun, go_on = __import__('builtins').ramify_events\n"
        "begun.set()\n"
        "assert go_on.wait(30)\n"
        "def late():\n    return 'here'\n"
    )
    begun, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr("builtins.ramify_events", (begun, go_on), raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    code = CodeRef("late", "slowly_imported", "late")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(load_function, code)
        assert begun.wait(30)
        second = pool.submit(load_function, code)
        go_on.set()
        assert first.result(30)() == second.result(30)() == "here"
