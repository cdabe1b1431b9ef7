"""One Python step, in whatever interpreter: needs nothing but Python 3.8 and this file.

Called as `python python_child.py REQUEST`, a JSON file; a warm worker calls `run` itself. What the function
returned goes to `record`, a JSON file, before the process ends.
"""

from __future__ import annotations

import base64
import glob
import importlib
import inspect
import json
import os
import sys
import types
from typing import Any

UNUSABLE = 65
"""Exit code where the function could not be found, or what it needs; the reason is in the log."""


class Refused(Exception):
    """What is wrong with a step, said to the one who wrote it."""


class Files:
    """What a function gets for a glob: called or iterated over, it gives the paths that match now, sorted."""

    def __init__(self, root: str, pattern: str) -> None:
        self.root = root
        self.pattern = pattern

    def __call__(self) -> list[str]:
        found = glob.glob(os.path.join(glob.escape(self.root), self.pattern), recursive=True)
        return sorted(found)

    def __iter__(self) -> Any:
        return iter(self())

    def __str__(self) -> str:
        return os.path.join(self.root, self.pattern)


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    for entry in reversed(request["path"]):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    provide_marker()
    sys.exit(run(request))


def run(request: dict[str, Any]) -> int:
    """Calls the function; the exit code. The traceback of what it raises goes to the standard error."""
    process = os.getpid()
    try:
        function = load(request)
        kwargs = arguments(function, request)
        value = function(**kwargs)
        if os.getpid() != process:
            os._exit(0)  # a child that it forked came back from it too: what that returned is not the step's
        if inspect.iscoroutine(value):
            import asyncio

            value = asyncio.run(value)
        write_record(request["record"], check(value, request))
    except Refused as error:
        print(f"ramify: {request['function']}: {error}", file=sys.stderr)
        return UNUSABLE
    except SystemExit as error:
        if error.code in (None, 0):
            write_record(request["record"], {})
            return 0
        if not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
        return error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    finally:
        flush()
    return 0


def flush() -> None:
    """Writes out what was printed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # the function closed or replaced it


def load(request: dict[str, Any]) -> Any:
    """The function itself."""
    if request.get("pickled"):
        try:
            return pickled(request["pickled"])
        except ImportError as error:
            raise Refused(
                f"it travels by value, and {error.name} is not here: put the function into a module"
            ) from error
    module, _, qualname = request["function"].partition(":")
    found = importlib.import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found


def pickled(text: str) -> Any:
    import pickle

    return pickle.loads(base64.b64decode(text))


def arguments(function: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The arguments, by the names of the parameters; `**kwargs` gets the inputs that no parameter takes."""
    given = dict(request["arguments"])
    for name in request["globs"]:
        given[name] = Files(*given[name])
    parameters = inspect.signature(function).parameters
    chosen: dict[str, Any] = {}
    missing = []
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            chosen.update((n, given[n]) for n in request["inputs"] if n not in parameters)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            continue
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise Refused(f"its parameter {name} is positional only: arguments are given by name")
        elif name in given:
            chosen[name] = given[name]
        elif parameter.default is parameter.empty:
            missing.append(name)
    if missing:
        raise Refused(
            f"nothing is called {' or '.join(missing)}: a parameter is an input, an output file, an earlier "
            f"step's output or one of Ramify's variables; there are {', '.join(sorted(given))}"
        )
    return chosen


def check(value: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What was returned, as a dict of values that JSON holds exactly."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"it returned {type(value).__name__}: return a dict of output variables, or None")
    unknown = sorted(str(name) for name in value if name not in request["outputs"])
    if unknown:
        raise Refused(
            f"it returned {', '.join(unknown)}, which {'is' if len(unknown) == 1 else 'are'} not declared: "
            f"declared are {', '.join(request['outputs']) or 'none'}"
        )
    return {name: plain(name, each) for name, each in value.items()}


def plain(name: str, value: Any) -> Any:
    """An int, float, text or None; numbers of libraries become such."""
    if value is None or type(value) in (int, float, str):
        return value
    if not isinstance(value, bool):
        for base in (str, int, float):
            if isinstance(value, base):
                return base(value)
        try:
            return value.__index__()
        except (AttributeError, TypeError):
            pass
        if hasattr(value, "__float__") and hasattr(value, "dtype"):
            return float(value)
    raise Refused(f"{name} is of type {type(value).__name__}: an output variable is an int, a float or a str")


def write_record(path: str, values: dict[str, Any]) -> None:
    """Whole or not at all."""
    with open(path + ".part", "w", encoding="ascii") as file:
        json.dump(values, file)
    os.replace(path + ".part", path)


def provide_marker() -> None:
    """Where Ramify is not installed, or not whole, a module of the user's still finds the names that it
    imports to mark its functions and to declare its tasks.
    """
    try:
        getattr(importlib.import_module("ramify.pipeline"), "TaskConf")  # noqa: B009  # it loads what that needs
    except ImportError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "ramify"]:
            del sys.modules[name]
        top: Any = types.ModuleType("ramify")
        pipeline: Any = types.ModuleType("ramify.pipeline")
        top.__path__ = []
        top.__getattr__ = pipeline.__getattr__ = named
        pipeline.python_call = mark
        top.pipeline = pipeline
        sys.modules["ramify"], sys.modules["ramify.pipeline"] = top, pipeline


def named(name: str) -> Anything:
    if name.startswith("__"):
        raise AttributeError(name)
    return Anything()


def mark(function: Any = None, **_: Any) -> Any:
    return function if function is not None else mark


class Anything:
    """Stands for a name of Ramify's that a function does not use: it can be called, and is nothing."""

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


if __name__ == "__main__":
    main(sys.argv[1])
