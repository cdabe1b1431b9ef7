"""Functions that the tests of Python steps call, in a module that workers import."""

import os
import subprocess
import sys
import time

from ramify.pipeline import python_call

IMPORTED_BY = os.getpid()


@python_call()
def double(x):
    return {"r": x * 2}


@python_call()
def write_repr(r, out):
    with open(out, "w", encoding="utf-8") as file:
        file.write(repr(r + 1))


@python_call()
def surroundings(x, s, __task_key, __task_output_dir):
    found = dict(os.environ)
    print("x is", found["x"], flush=True)
    subprocess.run(["echo", "child", found["s"]], check=True)
    print("error", file=sys.stderr)
    assert os.getcwd() == __task_output_dir == found["__task_output_dir"]
    assert isinstance(x, int) and isinstance(s, str)
    return {"same": f"{__task_key} {found['__task_key']}"}


@python_call()
def rest(x, **kwargs):
    return {"names": ",".join(sorted(kwargs))}


@python_call()
def echo(value):
    return {"value": value}


@python_call()
def unwritable():
    return {"value": "a\ud800"}


@python_call()
def with_nul():
    return {"value": "a\0b"}


@python_call()
def beyond_floats():
    return {"value": 10**400}


@python_call()
def closes_its_output():
    sys.stdout.close()
    return {"n": 1}


@python_call()
def comes_back_twice():
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return {"n": 1 if pid else 2}


@python_call()
def files(found):
    return {"n": len(found()), "names": ",".join(os.path.basename(path) for path in found)}


@python_call()
def anything(kind):
    return {
        "list": [1], "undeclared": {"n": 1, "more": 2}, "text": {"n": "1"}, "none": {"n": None},
        "bool": {"n": True}, "object": {"n": [1]}, "nothing": None, "float": {"n": 1.5},
    }[kind]  # fmt: skip


@python_call()
def fails():
    print("before", flush=True)
    raise KeyError("no such thing")


@python_call()
def leaves(code):
    sys.exit(code)


@python_call()
def needs(absent_one):
    return absent_one


@python_call()
def importer():
    return {"pid": IMPORTED_BY, "own": os.getpid()}


@python_call()
def sleeps(started):
    child = subprocess.Popen(["sleep", "300"])
    with open(started, "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {child.pid}\n")
    time.sleep(300)


@python_call()
def killed():
    os.kill(os.getpid(), 9)


@python_call()
def version():
    return {"where": sys.executable}
