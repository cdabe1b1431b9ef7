"""A target, `file.py:name` or `module:name`, and the graph or the pipeline that it leads to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ramify.dag.draft import DAG
from ramify.dag.grid import ParametrizedJob
from ramify.errors import RamifyError, TargetError

if TYPE_CHECKING:
    from ramify.pipeline.pipeline import Pipeline

Draft = DAG | ParametrizedJob


class PipelineTarget(NamedTuple):
    """A pipeline, and what its target calls it: instances are called so where nothing else is said."""

    pipeline: Pipeline
    name: str


def load_target(text: str) -> Draft:
    """The DAG or the grid that a target names; a function without parameters is called for it.

    Without a name it is the only DAG of the file, or the one called `dag`, or the only grid. The current
    folder and the file's are put first on the import path. Raises `TargetError` that lists what is there, and
    one with the user's own frames where the file or the function raises.
    """
    found = load_any(text)
    if isinstance(found, PipelineTarget):
        raise TargetError(
            f"{text} is a pipeline, and a graph is wanted: say its instance, -pid FOLDER", target=text
        )
    return found


def load_pipeline(text: str) -> PipelineTarget:
    """The pipeline that a target names: one, a function without parameters that returns one, or a generator
    function of one parameter.
    """
    found = load_any(text)
    if not isinstance(found, PipelineTarget):
        raise TargetError(
            f"{text} is a {type(found).__name__}, and a pipeline is wanted: a generator function of one "
            "parameter, or a function without parameters that returns create_pipeline(...)",
            target=text,
        )
    return found


def load_any(text: str) -> Draft | PipelineTarget:
    """The graph or the pipeline that a target names."""
    found, name = load_object(text)
    return _as_known(found, text, name)


def load_object(text: str) -> tuple[Any, str]:
    """What stands under a target, nothing called yet, and its name."""
    from ramify.values.sources import import_current_sources

    import_current_sources()
    place, _, name = text.partition(":")
    if place.endswith(".py") or os.path.isfile(place):
        module = _import_file(place)
    else:
        _first_on_path(os.getcwd())
        module = guarded(lambda: _import_module(place, text), f"importing {place}")
    found = _named(module, name, text) if name else _only(module, place)
    return found, name.split(".")[-1] if name else str(getattr(found, "__name__", ""))


def _import_file(path: str) -> ModuleType:
    """Imports a file under its own name, so that workers can import it again."""
    full = os.path.abspath(path)
    if not os.path.isfile(full):
        raise TargetError(f"there is no file {path}: a target is file.py:name or module:name", target=path)
    _first_on_path(os.getcwd())
    _first_on_path(os.path.dirname(full))
    stem = os.path.splitext(os.path.basename(full))[0]
    module: ModuleType = guarded(lambda: _load_file(stem, full), f"importing {path}")
    return module


def _load_file(stem: str, full: str) -> ModuleType:
    """By the ordinary import where that leads to this file; else by its path, under a name of its own."""
    from importlib import import_module
    from importlib.util import find_spec, module_from_spec, spec_from_file_location

    if "." not in stem and stem not in sys.modules:
        found = find_spec(stem)
        if found is not None and found.origin is not None and os.path.samefile(found.origin, full):
            return import_module(stem)
    from ramify.values.sources import CurrentSourceLoader

    loader = CurrentSourceLoader(f"flow:{stem}", full)
    spec = spec_from_file_location(loader.name, full, loader=loader) if full.endswith(".py") else None
    if spec is None:
        raise TargetError(f"{full} is no Python file: a target is file.py:name or module:name", target=full)
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    loader.exec_module(module)
    return module


def _import_module(name: str, text: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        hint = f"; is it {name}.py?" if os.path.isfile(f"{name}.py") else ""
        raise TargetError(
            f"no module {error.name!r} for the target {text!r}: a target is file.py:name "
            f"or module:name{hint}",
            target=text,
        ) from None


def _first_on_path(folder: str) -> None:
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)


@contextmanager
def nothing_written() -> Iterator[None]:
    """Meanwhile imports write no bytecode: who only tells what would be done leaves the disk as it was."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def guarded(act: Callable[[], Any], doing: str) -> Any:
    """Calls the user's code; what it raises becomes one error with the user's own frames."""
    try:
        return act()
    except (RamifyError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: a file that exits is no flow
        from ramify.worker.failure import describe

        told = describe(error, keep=True)
        raise TargetError(
            f"{doing} failed: {told.type_name}: {told.message}", traceback_text=told.traceback
        ) from error


# ---- what is in a module


def _named(module: ModuleType, name: str, text: str) -> Any:
    found: Any = module
    for step in name.split("."):
        if not hasattr(found, step):
            _nothing(module, f"{text!r}: {_title(module)} has no {name!r}", text)
        found = getattr(found, step)
    return found


def _only(module: ModuleType, place: str) -> Any:
    graphs = _of_type(module, DAG)
    for chosen in (graphs, _of_type(module, ParametrizedJob)):
        if "dag" in chosen:
            return chosen["dag"]
        if len({id(thing) for thing in chosen.values()}) == 1:
            return next(iter(chosen.values()))
        if chosen:
            names = " or ".join(f"{place}:{name}" for name in chosen)
            raise TargetError(f"{place} has {len(chosen)} graphs: say which, {names}", target=place)
    pipelines = _pipelines(module)
    if "pipeline" in pipelines:
        return pipelines["pipeline"]
    if len({id(thing) for thing in pipelines.values()}) == 1:
        return next(iter(pipelines.values()))
    if pipelines:
        names = " or ".join(f"{place}:{name}" for name in pipelines)
        raise TargetError(f"{place} has {len(pipelines)} pipelines: say which, {names}", target=place)
    for name in ("dag", "pipeline"):
        found = getattr(module, name, None)
        if callable(found):
            return found
    return _nothing(module, f"there is no graph in {place}", place)


def _pipelines(module: ModuleType) -> dict[str, Any]:
    return {name: thing for name, thing in vars(module).items() if _is_pipeline(thing)}


def _is_pipeline(thing: Any) -> bool:
    if "ramify.pipeline.pipeline" not in sys.modules:  # so nobody can have made one
        return False
    from ramify.pipeline.pipeline import Pipeline

    return isinstance(thing, Pipeline)


def _is_generator(thing: Any) -> bool:
    """Whether this is the generator of a pipeline: it yields, and takes the dsl and nothing else."""
    import inspect

    return inspect.isgeneratorfunction(inspect.unwrap(thing)) and len(_needs(thing)) == 1


def _of_type(module: ModuleType, kind: type) -> dict[str, Any]:
    return {name: thing for name, thing in vars(module).items() if isinstance(thing, kind)}


def _nothing(module: ModuleType, problem: str, target: str) -> NoReturn:
    names = [*_of_type(module, DAG), *_of_type(module, ParametrizedJob), *_pipelines(module)]
    names = names or [name for name, thing in vars(module).items() if _may_make_one(module, name, thing)]
    there = (
        f"it has {', '.join(names)}"
        if names
        else "it has no DAG, no grid and no function that could make one"
    )
    raise TargetError(f"{problem}; {there}", target=target, names=names)


def _may_make_one(module: ModuleType, name: str, thing: Any) -> bool:
    own = getattr(thing, "__module__", None) == module.__name__
    return (
        own
        and not name.startswith("_")
        and callable(thing)
        and not isinstance(thing, type)
        and (not _needs(thing) or _is_generator(thing))
    )


def _needs(function: Callable[..., Any]) -> list[str]:
    """The parameters that must be given."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in variable]


def _title(module: ModuleType) -> str:
    return os.path.basename(getattr(module, "__file__", None) or module.__name__)


def _as_known(found: Any, text: str, name: str) -> Draft | PipelineTarget:
    if callable(found) and not isinstance(found, type | DAG | ParametrizedJob):
        if _is_generator(found):
            from ramify.pipeline.pipeline import create_pipeline

            return PipelineTarget(create_pipeline(found), name)
        needed = _needs(found)
        if needed:
            raise TargetError(
                f"{text} needs {', '.join(needed)}: a target is a graph, or a function without parameters "
                "that returns one",
                target=text,
            )
        found = guarded(found, f"calling {text}")
    if _is_pipeline(found):
        return PipelineTarget(found, name or found.name)
    if isinstance(found, DAG | ParametrizedJob):
        return found
    raise TargetError(
        f"{text} is a {type(found).__name__}: a target is a DAG, a ParametrizedJob, a pipeline, a function "
        "without parameters that returns one, or a generator of tasks"
        + ("; put the job into a DAG" if _is_job(found) else ""),
        target=text,
    )


def _is_job(thing: Any) -> bool:
    from ramify.dag.job import Job

    return isinstance(thing, Job)
