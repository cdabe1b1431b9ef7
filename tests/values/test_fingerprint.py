"""Fingerprints: a table of edits, each with the parts that it changes; what makes a fingerprint unsound."""

import abc
import collections.abc
import contextlib
import copy
import dataclasses
import enum
import functools
import importlib
import math
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import threading
import typing

import numpy as np
import pytest

from ramify.values import fingerprint_origin
from ramify.values.fingerprint import fingerprint, forget_fingerprints
from ramify.values.fingerprint_code import scan

HELPERS = '''
import other

FACTOR = 2
TABLE = {"a": [1, 2]}


def clean(x, floor=0):
    """Cleans."""
    total = 0
    for item in x:
        total += item * FACTOR
    return max(total, floor)


def unrelated(x):
    return x


class Base:
    def start(self):
        return 1


class Model(Base):
    rate = 0.5

    def __init__(self, size: int):
        self.size = size

    def fit(self, x):
        return self.size * self.rate * TABLE["a"][0]

    @property
    def half(self):
        return self.size / 2

    @staticmethod
    def twice(x):
        return 2 * x


def times(n):
    def decorate(f):
        def inner(*args):
            return f(*args) * n
        return inner
    return decorate


def make(scale):
    return lambda x: x * scale
'''
OTHER = """
def deep(x):
    if x > 0:
        return shallow(x - 1)
    return 0


def shallow(x):
    return deep(x)
"""
FLOW = """
import helpers
import helpers as h
from helpers import Model, make, times
import fakelib

scaled = make(3)


def count(x, start=1):
    # adds up
    return helpers.clean(x) + start


@times(3)
def tripled(x):
    return x


def fitted(x):
    return Model(x).fit(x)


def closing(x):
    return scaled(x)


def late(x):
    from helpers import clean
    return clean(x)


def late_module(x):
    import helpers as here
    return here.clean(x)


def mutual(x):
    return h.other.deep(x)


def libraried(x):
    return fakelib.run(x)


def absent(x):
    import unloaded
    return unloaded.go(x)
"""
UNLOADED = "import inner_unloaded\n\ndef go(x):\n    return inner_unloaded.VALUE\n"
FILES = {
    "helpers": HELPERS,
    "other": OTHER,
    "flow": FLOW,
    "unloaded": UNLOADED,
    "inner_unloaded": "VALUE = 1\n",
}


class Project:
    """Modules in a folder that is on the import path, and loaded afresh each time."""

    def __init__(self, folder):
        self.folder = folder
        self.files = dict(FILES)
        self.version = "1.0"

    def load(self, name):
        for module in [*FILES, "fakelib"]:
            sys.modules.pop(module, None)
        for module, text in self.files.items():
            (self.folder / f"{module}.py").write_text(text)
        self._install()
        importlib.invalidate_caches()
        forget_fingerprints()
        function = importlib.import_module("flow")
        for step in name.split("."):
            function = getattr(function, step)
        return function

    def _install(self):
        site = self.folder / "site-packages"
        site.mkdir(exist_ok=True)
        (site / "fakelib.py").write_text("def run(x):\n    return x\n")
        for info in site.glob("*.dist-info"):
            (info / "RECORD").unlink()
            info.rmdir()
        info = site / f"Fake_Lib-{self.version}.dist-info"
        info.mkdir()
        (info / "RECORD").write_text("fakelib.py,sha256=x,20\n")

    def parts(self, name):
        found = fingerprint(self.load(name))
        assert found.digest is not None, found.unsound
        return found


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file that is written twice in a second is stale
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    yield Project(tmp_path)
    for module in [*FILES, "fakelib"]:
        sys.modules.pop(module, None)
    forget_fingerprints()


SAME = ()
EDITS = [
    # name, function, module, old text, new text, the parts that change
    ("comment", "count", "flow", "# adds up", "# sums", SAME),
    ("docstring", "count", "helpers", '"""Cleans."""', '"""Makes it clean."""', SAME),
    ("docstring removed", "count", "helpers", '    """Cleans."""\n', "", SAME),
    ("docstring added", "mutual", "other", "def deep(x):\n", 'def deep(x):\n    "Goes down."\n', SAME),
    ("blank lines", "count", "helpers", "    total = 0\n", "\n\n    total = 0\n\n", SAME),
    ("reformatted", "count", "helpers", "max(total, floor)", "(\n    max(\n        total,\n floor))", SAME),
    ("one line", "mutual", "other", "if x > 0:\n        return", "if x > 0: return", SAME),
    ("moved", "count", "helpers", "FACTOR = 2\n", "def before():\n    pass\n\n\nFACTOR = 2\n", SAME),
    ("unrelated function", "count", "helpers", "def unrelated(x):\n    return x", "", SAME),
    ("unread constant", "count", "helpers", '"a": [1, 2]', '"a": [1, 3]', SAME),
    ("annotation", "count", "flow", "def count(x, start=1)", "def count(x: list, start: int = 1)", SAME),
    ("annotation of a method", "fitted", "helpers", "def fit(self, x)", "def fit(self, x: int)", SAME),
    (
        "method moved",
        "fitted",
        "helpers",
        "    rate = 0.5\n\n",
        "    def zero(self): ...\n\n    rate = 0.5\n",
        "zero",
    ),
    ("own body", "count", "flow", "+ start", "- start", ["code of flow.count"]),
    ("helper's body", "count", "helpers", "total += item", "total -= item", ["code of helpers.clean"]),
    ("local variable", "count", "helpers", "item", "thing", ["code of helpers.clean"]),
    ("constant", "count", "helpers", "FACTOR = 2", "FACTOR = 3", ["constant helpers.FACTOR"]),
    ("type of a constant", "count", "helpers", "FACTOR = 2", "FACTOR = 2.0", ["constant helpers.FACTOR"]),
    ("mutable constant", "fitted", "helpers", '"a": [1, 2]', '"a": [1, 3]', ["constant helpers.TABLE"]),
    ("default", "count", "flow", "start=1", "start=2", ["default of start"]),
    ("helper's default", "count", "helpers", "floor=0", "floor=1", ["default of floor of helpers.clean"]),
    ("method", "fitted", "helpers", "self.size * self", "self.size + self", ["code of helpers.Model.fit"]),
    ("property", "fitted", "helpers", "self.size / 2", "self.size / 3", ["code of helpers.Model.half"]),
    ("static method", "fitted", "helpers", "2 * x", "3 * x", ["code of helpers.Model.twice"]),
    ("class attribute", "fitted", "helpers", "0.5", "0.6", ["class attribute helpers.Model.rate"]),
    ("base class", "fitted", "helpers", "return 1", "return 2", ["code of helpers.Base.start"]),
    (
        "other base",
        "fitted",
        "helpers",
        "class Model(Base)",
        "class Model(dict, Base)",
        ["class helpers.Model"],
    ),
    (
        "field",
        "fitted",
        "helpers",
        "    rate = 0.5\n",
        "    rate = 0.5\n    x: int\n",
        ["class helpers.Model"],
    ),
    ("decorator's argument", "tripled", "flow", "@times(3)", "@times(4)", ["closure value n"]),
    (
        "decorated body",
        "tripled",
        "flow",
        "def tripled(x):\n    return x",
        "def tripled(x):\n    return -x",
        ["code of flow.tripled"],
    ),
    (
        "decorator's body",
        "tripled",
        "helpers",
        "f(*args) * n",
        "f(*args) + n",
        ["code of helpers.times.<locals>.decorate.<locals>.inner"],
    ),
    (
        "closure",
        "closing",
        "flow",
        "make(3)",
        "make(4)",
        ["closure value scale of helpers.make.<locals>.<lambda>"],
    ),
    (
        "closure's body",
        "closing",
        "helpers",
        "x * scale",
        "x - scale",
        ["code of helpers.make.<locals>.<lambda>"],
    ),
    ("late import", "late", "helpers", "total += item", "total -= item", ["source of helpers.clean"]),
    ("late module", "late_module", "helpers", "total += item", "total -= item", ["source of helpers.clean"]),
    ("late unrelated", "late_module", "helpers", "def unrelated(x):\n    return x", "", SAME),
    ("mutual recursion", "mutual", "other", "return deep(x)", "return -deep(x)", ["code of other.shallow"]),
    ("not loaded", "absent", "unloaded", "VALUE", "VALUE + 1", ["source of unloaded.go"]),
    ("not loaded, comment", "absent", "unloaded", "\n\ndef", "\n# x\n\n\ndef", SAME),
    ("not loaded, below", "absent", "inner_unloaded", "1", "2", ["source of inner_unloaded"]),
]


@pytest.mark.parametrize(
    ("_", "name", "module", "old", "new", "changed"), EDITS, ids=[edit[0] for edit in EDITS]
)
def test_an_edit_changes_exactly_these_parts(project, _, name, module, old, new, changed):
    before = project.parts(name)
    assert old in project.files[module]
    project.files[module] = project.files[module].replace(old, new)
    after = project.parts(name)
    if changed == "zero":
        changed = ["class helpers.Model", "code of helpers.Model.zero"]
    names = before.parts.keys() | after.parts.keys()
    assert sorted(n for n in names if before.parts.get(n) != after.parts.get(n)) == sorted(changed)
    assert (before.digest == after.digest) == (not changed)


def test_version_of_a_distribution(project):
    before = project.parts("libraried")
    assert before.parts["package Fake_Lib"] == "1.0"
    project.version = "1.1"
    after = project.parts("libraried")
    assert after.parts["package Fake_Lib"] == "1.1" and before.digest != after.digest


def test_files_in_a_folder_without_records_are_the_users_own(project):
    project.load("libraried")
    info = next((project.folder / "site-packages").glob("*.dist-info"))
    (info / "RECORD").write_text("")
    forget_fingerprints()
    assert "code of fakelib.run" in fingerprint(sys.modules["flow"].libraried).parts


def test_minor_version_of_python(project, monkeypatch):
    function = project.load("count")
    before = fingerprint(function)
    monkeypatch.setattr(fingerprint_origin, "PYTHON", "3.99")
    after = fingerprint(function)
    assert before.digest != after.digest and after.parts["python"] == "3.99"


def test_version_stands_for_the_code(project):
    one = fingerprint(project.load("count"), version="7")
    assert one.parts == {"version": "7"}
    assert one.digest == fingerprint(lambda: threading.Lock(), version="7").digest
    assert one.digest != fingerprint(project.load("count"), version="8").digest


def test_root_is_part_of_the_fingerprint(project):
    project.load("mutual")
    other = sys.modules["other"]
    deep, shallow = fingerprint(other.deep), fingerprint(other.shallow)
    assert deep.parts.items() == shallow.parts.items() and deep.digest != shallow.digest


@pytest.mark.slow
def test_the_same_in_every_process_however_it_is_started(project):
    project.load("count")
    text = project.files["flow"] + (
        "\nWORDS = {'b', 'a', 'c'}\nclass Odd:\n    names = {'x', 'y', 'z'}\n"
        "def words(x):\n    return x in {'p', 'q', 'r'} or x in WORDS or Odd.names\n"
        "if __name__ == '__main__':\n    from ramify.values.fingerprint import fingerprint\n"
        "    print([fingerprint(f).digest for f in (count, tripled, fitted, closing, words)])\n"
    )
    (project.folder / "flow.py").write_text(text)
    printed = set()
    for seed in "012":
        done = subprocess.run(
            [sys.executable, "flow.py"],
            cwd=project.folder,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(done.stdout.strip())
    sys.modules.pop("flow")
    forget_fingerprints()
    flow = importlib.import_module("flow")
    names = ("count", "tripled", "fitted", "closing", "words")
    assert printed == {str([fingerprint(getattr(flow, name)).digest for name in names])}


# ---- what is looked at again

KNOB = 1
LIST = [1]


def knobbed():
    return KNOB


def listed():
    return LIST


def calls_knobbed():
    return knobbed()


@pytest.mark.parametrize("function", [knobbed, calls_knobbed])
def test_a_changed_global_is_seen(function, monkeypatch):
    before = fingerprint(function)
    assert fingerprint(function) is before
    monkeypatch.setitem(globals(), "KNOB", 2)
    assert fingerprint(function).parts["constant test_fingerprint.KNOB"] == "=2"


def test_a_changed_list_is_seen(monkeypatch):
    before = fingerprint(listed)
    assert fingerprint(listed) is before
    LIST.append(2)
    try:
        assert fingerprint(listed).digest != before.digest
    finally:
        LIST.pop()
    assert fingerprint(listed).digest == before.digest


def test_changed_code_defaults_and_cells_are_seen():
    def make():
        held = 1

        def get(x=1):
            return held

        def put(value):
            nonlocal held
            held = value

        return get, put

    get, put = make()
    seen = [fingerprint(get).digest]
    put(2)
    seen.append(fingerprint(get).digest)
    get.__defaults__ = (2,)
    seen.append(fingerprint(get).digest)
    assert len(set(seen)) == 3


def test_a_new_name_that_hides_a_builtin_is_seen(monkeypatch):
    def f(x):
        return len(x)

    before = fingerprint(f)
    monkeypatch.setitem(globals(), "len", 3)
    assert fingerprint(f).digest != before.digest


# ---- forms of callables


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def method(self, x):
        return self.factor + x

    @classmethod
    def make(cls):
        return cls(1)


def add(x, y):
    return x + y


@pytest.mark.parametrize(
    ("one", "two", "part"),
    [
        (functools.partial(add, 1), functools.partial(add, 2), "argument 0"),
        (functools.partial(add, y=1), functools.partial(add, y=2), "argument y"),
        (Scale(1), Scale(2), "self"),
        (Scale(1).method, Scale(2).method, "self"),
    ],
    ids=["partial", "keyword", "object", "bound method"],
)
def test_state_of_callables(one, two, part):
    first, second = fingerprint(one), fingerprint(two)
    assert {n for n in first.parts if first.parts[n] != second.parts[n]} == {part}
    assert first.digest is not None and first.digest != second.digest
    assert any(name.startswith("code of test_fingerprint.") for name in first.parts)


def test_forms_differ():
    forms = [
        add,
        functools.partial(add),
        Scale,
        Scale(1),
        Scale(1).method,
        Scale.make,
        math.sqrt,
        math.sin,
        np.sum,
    ]
    digests = [fingerprint(form).digest for form in forms]
    assert None not in digests and len(set(digests)) == len(forms)


def test_two_lambdas_on_one_line():
    one, two = (lambda x: x + 1), (lambda x: x + 2)
    assert fingerprint(one).digest != fingerprint(two).digest


def test_functions_in_containers_are_followed_and_kept_apart():
    def made(n):
        return lambda x: knobbed() * n

    handlers = {"a": made(1), "b": made(2)}

    def run(x):
        return handlers[x](1)

    before = fingerprint(run)
    assert "constant test_fingerprint.KNOB" in before.parts
    handlers.update(a=handlers["b"], b=handlers["a"])
    assert fingerprint(run).digest != before.digest


def test_code_made_by_exec_is_followed():
    space = {"K": 1}
    exec("def g(x):\n    return x + K\ndef f(x):\n    return g(x)", space)
    before = fingerprint(space["f"])
    space["K"] = 2
    assert fingerprint(space["f"]).digest != before.digest


@functools.lru_cache
def cached(x):
    return knobbed()


def test_what_a_cache_wraps_is_followed():
    assert "code of test_fingerprint.knobbed" in fingerprint(cached).parts


# ---- what is named

LOCK = threading.Lock()
NESTED = {"a": [LOCK]}


def locks():
    return LOCK


def nests():
    return NESTED


def evaluates(x):
    return eval(x) + importlib.import_module("os")


def reads_environment():
    return os.environ["HOME"]


def reaches_nothing():
    return not_there_yet  # noqa: F821  # that is what is tested


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (locks, "constant test_fingerprint.LOCK: a _thread.lock"),
        (nests, "constant test_fingerprint.NESTED['a'][0]: a _thread.lock"),
    ],
)
def test_unsound(function, named):
    found = fingerprint(function)
    assert found.digest is None
    assert [why.startswith(named) for why in found.unsound] == [True]


def test_unfollowed():
    assert fingerprint(evaluates).unfollowed == (
        "eval() in test_fingerprint.evaluates",
        "importlib.import_module() in test_fingerprint.evaluates",
    )
    assert "not_there_yet" in fingerprint(reaches_nothing).unfollowed[0]


@functools.singledispatch
def dispatched(x):
    return knobbed()


@dispatched.register
def _(x: int):
    return x


@dispatched.register(collections.abc.Sized)
def _(x):
    return 3


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Square(Shape):
    side: int

    def area(self):
        return self.side

    @functools.singledispatchmethod
    def grow(self, x):
        return x

    @functools.cached_property
    def double(self):
        return 2


class Typed(typing.NamedTuple):
    a: int = 1

    def next(self):
        return self.a + 1


class Keyed(typing.TypedDict):
    a: int


class Speaks(typing.Protocol):
    def speak(self) -> int: ...


class Box(typing.Generic[typing.TypeVar("T")]):
    held: object


@dataclasses.dataclass(slots=True, frozen=True, order=True)
class Slots:
    a: int = 3
    b: list = dataclasses.field(default_factory=lambda: [1])


@functools.total_ordering
class Ordered:
    def __eq__(self, other):
        return True

    def __lt__(self, other):
        return True


class Word(enum.StrEnum):
    X = enum.auto()
    Y = "y"

    @classmethod
    def first(cls):
        return cls.X


@contextlib.contextmanager
def opened():
    yield Word.first()


PATTERN = re.compile("a+")
HERE = pathlib.Path("somewhere")


async def everything(x, *, key=PATTERN):
    class Local:
        def own(self):
            return HERE

    with opened() as value:
        dispatched(value)
    Square().area(), Typed().next(), Slots(), Ordered(), Keyed(a=1), Box, Speaks
    return [sorted(x, key=lambda item: Local().own()) async for _ in x]


def test_common_things_of_the_standard_library_are_followed_soundly():
    found = fingerprint(everything)
    assert found.unsound == () and found.unfollowed == ()
    expected = [
        "_",
        "_ #2",
        "knobbed",
        "Square.double",
        "Typed.next",
        "Word.first",
        "opened",
        "Slots.<lambda>",
    ]
    assert {f"code of test_fingerprint.{name}" for name in expected} <= found.parts.keys()
    dispatched(1), isinstance(1, Shape)
    Square().double, hash(Word.X), Slots() < Slots(), copy.copy(Square()), Square().grow(1)
    forget_fingerprints()
    assert fingerprint(everything) == found


def where():
    return __file__, __name__


def test_where_a_module_is_does_not_count(monkeypatch):
    before = fingerprint(where)
    monkeypatch.setitem(globals(), "__file__", "/elsewhere.py")
    forget_fingerprints()
    assert fingerprint(where) == before and "__file__ in test_fingerprint.where" in before.unfollowed


def test_a_logger_is_its_name():
    import logging

    log = logging.getLogger("some.name")

    def f():
        log.info("x")

    assert fingerprint(f).digest is not None


# ---- bytecode


def code_of(text):
    return compile(textwrap.dedent(text), "x.py", "exec").co_consts[0]


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ("def f():\n    return {1, 'a', 2.0}", "def f(): return {1, 'a', 2.0}", True),
        ("def f():\n    x = 1\n    return x", "def f():\n    x = True\n    return x", False),
        ("def f():\n    return 0.0", "def f():\n    return -0.0", False),
        ("def f():\n    class A:\n        'doc'", "def f():\n\n\n    class A:\n        'other'", True),
        (
            "def f():\n    try:\n        a()\n    except E:\n        b()",
            "def f():\n    try: a()\n    except E: b()",
            True,
        ),
        ("def f():\n    try:\n        a()\n    except E:\n        b()", "def f():\n    a()\n    b()", False),
        ("def f(*a):\n    return a", "def f(a):\n    return a", False),
        ("def f(a):\n    yield a", "def f(a):\n    return a", False),
    ],
)
def test_codes(one, two, equal):
    assert (scan(code_of(one)).token == scan(code_of(two)).token) == equal


def test_chains_and_imports():
    found = scan(
        code_of(
            "def f():\n    import a.b as c, d\n    from .e import g as k\n    c.x.y(); d.z; k\n    m.n.o()"
        )
    )
    assert found.chains == (("m", "n", "o"),)
    assert [(i.module, i.level, i.name, i.chains) for i in found.imports] == [
        ("a.b", 0, None, (("x", "y"),)),
        ("d", 0, None, (("z",),)),
        ("e", 1, "g", ((),)),
    ]
