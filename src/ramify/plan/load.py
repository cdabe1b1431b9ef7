"""From a plan back to a function and its arguments: what a worker does before the call.

The loader of a definition is compiled once and kept with the plan. It makes every mutable value anew, so two
jobs never share one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ramify.core.keys import decode_key
from ramify.errors import PlanError
from ramify.plan.definition import Definition, FunctionRef, Spec, join
from ramify.plan.folder import read_plan
from ramify.plan.opened import Plan
from ramify.plan.paths import CALLABLES, Location, PlanPaths

Make = Callable[[str | None], Any]
"""Makes an argument, for a point of the grid or None."""

_SCALARS: Final = (str, int, float, bool, type(None))


def load_function(plan: Plan, definition: Definition) -> Callable[..., Any]:
    """The function of a definition; loaded once per plan object.

    An import that fails raises its own error.
    """
    return _function(plan, definition.function)


def load_inputs(plan: Plan, definition: Definition, point: str | None = None) -> dict[str, Any]:
    """The keyword arguments of a job, or of one point of a grid: new objects each time.

    Outputs of other jobs are read, groups are opened as `LazyDict`; a `RamifyDeserializationError` says
    which could not be.
    """
    loader = plan.loaders.get(definition.id)
    if loader is None:
        loader = plan.loaders[definition.id] = _compile(plan, definition)
    return loader(point)


def same_value(value: Any) -> Any:
    """The function of a job that stands under a second key: its value is that of the first.

    >>> same_value(3)
    3
    """
    return value


# ---- for people


def load_job_definition(plan_dir: Location | PlanPaths, job_id: str) -> dict[str, Any]:
    """What the plan says about one job: `id`, `function`, `args`, `dependencies`, `policy`, `plan`.

    For a point of a grid also `group` and `point`; a parameter is the argument `{"key": NAME}`. Raises
    `JobIdError` (a `ValueError`) for an id that is not in the plan.
    """
    plan = read_plan(plan_dir)
    definition, point = plan.locate(job_id)
    told: dict[str, Any] = {"id": job_id, "kind": "job"}
    args: dict[str, Any] = dict(definition.args)
    if point is not None:
        told["group"], told["point"] = definition.id, point
        args = {name: _at_point(spec, point) for name, spec in args.items()}
        if definition.parameters:
            names = zip(definition.parameters, point.split("/"), strict=True)
            args.update((name, {"key": key}) for name, key in names)
    told["function"] = msgspec.to_builtins(definition.function)
    told["args"] = args
    told["dependencies"] = [
        d[:-1] + point if d.endswith("/*") and point else d for d in definition.dependencies
    ]
    told["policy"] = msgspec.to_builtins(definition.policy)
    told["plan"] = plan.path
    return told


def load_callable(
    definition: Mapping[str, Any], plan_dir: Location | PlanPaths | None = None
) -> Callable[..., Any]:
    """The function of what `load_job_definition` gave; `PlanError` (a `ValueError`) where it holds none."""
    try:
        ref = msgspec.convert(definition["function"], FunctionRef)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise PlanError(f"this is no job's definition ({error}): take it from load_job_definition") from error
    return _function(_plan_of(definition, plan_dir), ref)


def load_job_inputs(
    definition: Mapping[str, Any], plan_dir: Location | PlanPaths | None = None
) -> dict[str, Any]:
    """The keyword arguments of what `load_job_definition` gave; `PlanError` for an argument it cannot be."""
    plan = _plan_of(definition, plan_dir)
    args = definition.get("args")
    if not isinstance(args, Mapping):
        raise PlanError("this is no job's definition: it has no 'args'; take it from load_job_definition")
    return {name: _maker(plan, spec)(None) for name, spec in args.items()}


def load_inputs_and_callable(
    plan_dir: Location | PlanPaths, job_id: str
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function of a job and its keyword arguments, `(func, inputs)`: `func(**inputs)` is the job."""
    plan = read_plan(plan_dir)
    definition, point = plan.locate(job_id)
    return load_function(plan, definition), load_inputs(plan, definition, point)


def rerun_snippet(dag_path: Location | PlanPaths, job_id: str) -> str:
    """Python lines that call one job of a plan again, in the interpreter that runs them.

    >>> print(rerun_snippet("/exp/plan", "a"))
    from ramify import load_inputs_and_callable
    <BLANKLINE>
    func, inputs = load_inputs_and_callable('/exp/plan', 'a')
    print(func(**inputs))
    """
    from ramify.plan.paths import plan_root

    where = os.path.abspath(plan_root(dag_path))
    return (
        "from ramify import load_inputs_and_callable\n\n"
        f"func, inputs = load_inputs_and_callable({where!r}, {job_id!r})\n"
        "print(func(**inputs))"
    )


# ---- inside


def _plan_of(definition: Mapping[str, Any], plan_dir: Location | PlanPaths | None) -> Plan:
    where = plan_dir if plan_dir is not None else definition.get("plan")
    if where is None:
        raise PlanError("the definition does not say which plan it is of: pass plan_dir as well")
    return read_plan(where)


def _function(plan: Plan, ref: FunctionRef) -> Callable[..., Any]:
    function = plan.functions.get(ref)
    if function is None:
        function = plan.functions[ref] = _read_function(plan, ref)
    return function


def _read_function(plan: Plan, ref: FunctionRef) -> Callable[..., Any]:
    from ramify.values import code

    _complete_import_path(plan)
    if ref.pickle is not None:
        found = code.CodeRef(str(ref), pickled=_pickle_of(plan, ref.pickle))
    elif ref.module and ref.qualname:
        found = code.CodeRef(str(ref), ref.module, ref.qualname)
    else:
        raise PlanError(f"the plan {plan.path} names no function: make it again with dag.materialize")
    function: Callable[..., Any] = code.load_function(found)
    return function


def _complete_import_path(plan: Plan) -> None:
    """Has modules found that were found where the plan was made; what is found here anyway goes first."""
    for folder in plan.manifest.get("import_path", ()):
        if folder not in sys.path:
            sys.path.append(folder)


def _pickle_of(plan: Plan, digest: str) -> bytes:
    from hashlib import sha256

    from ramify.files.local import read_bytes

    path = os.path.join(plan.path, CALLABLES, f"{digest}.pickle")
    data = read_bytes(path)
    if sha256(data).hexdigest()[: len(digest)] != digest:
        raise PlanError(
            f"{path} is not what was written there: make the plan again with dag.materialize", path=path
        )
    return data


def _compile(plan: Plan, definition: Definition) -> Callable[[str | None], dict[str, Any]]:
    _complete_import_path(plan)
    fixed: dict[str, Any] = {}
    makers: list[tuple[str, Make]] = []
    for name, spec in definition.args.items():
        if "value" in spec and isinstance(spec["value"], _SCALARS):
            fixed[name] = spec["value"]
        else:
            fixed[name] = None  # keeps the order of the arguments
            makers.append((name, _maker(plan, spec)))
    parameters = tuple(definition.parameters)

    def load(point: str | None) -> dict[str, Any]:
        inputs = fixed.copy()
        for name, make in makers:
            inputs[name] = make(point)
        if point is not None and parameters:
            for name, key in zip(parameters, point.split("/"), strict=True):
                inputs[name] = decode_key(key)
        return inputs

    return load


def _maker(plan: Plan, spec: Any) -> Make:
    """What makes the argument that `spec` describes."""
    if isinstance(spec, Mapping):
        for kind, make in _KINDS.items():
            if kind in spec:
                try:
                    return make(plan, dict(spec))
                except (TypeError, ValueError, KeyError) as error:
                    if isinstance(error, PlanError):
                        raise
                    raise PlanError(f"an argument of the plan cannot be: {spec!r} ({error})") from error
    raise PlanError(
        f"{spec!r} describes no argument: make the plan again with dag.materialize", path=plan.path
    )


def _value(plan: Plan, spec: Spec) -> Make:
    value = spec["value"]
    if isinstance(value, _SCALARS):
        return lambda point: value
    data, decode = msgspec.json.encode(value), msgspec.json.decode
    return lambda point: decode(data)


def _key(plan: Plan, spec: Spec) -> Make:
    key = decode_key(spec["key"])
    return lambda point: key


def _file(plan: Plan, spec: Spec) -> Make:
    from ramify.values import deserialize

    stem = os.path.join(plan.path, spec["file"])
    if spec.get("boxed"):
        return lambda point: deserialize(stem)[0]
    return lambda point: deserialize(stem)


def _path(plan: Plan, spec: Spec) -> Make:
    path = os.path.normpath(os.path.join(plan.path, spec["path"]))
    return lambda point: path


def _job(plan: Plan, spec: Spec) -> Make:
    from ramify.values import deserialize

    stem = os.path.join(plan.outputs, spec.get("at") or spec["job"])
    return lambda point: deserialize(stem)


def _same(plan: Plan, spec: Spec) -> Make:
    from ramify.values import deserialize

    base = os.path.join(plan.outputs, spec.get("at") or spec["same"])

    def make(point: str | None) -> Any:
        if point is None:
            raise PlanError(f"{spec!r} describes an argument of a grid's point, and there is no point here")
        return deserialize(join(base, point))

    return make


def _at_point(spec: Any, point: str) -> Any:
    """The spec as a job of its own would have it."""
    if not isinstance(spec, Mapping) or "same" not in spec:
        return spec
    told = {"job": join(spec["same"], point)}
    return {**told, "at": join(spec["at"], point)} if "at" in spec else told


def _group(plan: Plan, spec: Spec) -> Make:
    from ramify.values import LazyDict
    from ramify.values.codec import SIDECAR

    place = spec.get("at") or spec["group"]
    folder = os.path.join(plan.outputs, place)
    known: list[dict[str, Any]] = []

    def make(point: str | None) -> Any:
        if os.path.exists(folder + SIDECAR):
            return LazyDict(folder)
        if not known:
            known.append(plan.members(place))
        return LazyDict(folder, members=known[0])  # not whole yet: what misses must not look as if it were

    return make


def _stored(plan: Plan, spec: Spec) -> Make:
    from ramify.values import LazyDict

    path = os.path.normpath(os.path.join(plan.path, spec["stored"]))
    members, checksum = spec.get("members"), spec.get("checksum")
    return lambda point: LazyDict(path, checksum, members=members)


def _many(build: Callable[[list[Any]], Any], kind: str) -> Callable[[Plan, Spec], Make]:
    def make(plan: Plan, spec: Spec) -> Make:
        items = [_maker(plan, item) for item in spec[kind]]
        return lambda point: build([item(point) for item in items])

    return make


def _dict(plan: Plan, spec: Spec) -> Make:
    pairs = [(_maker(plan, key), _maker(plan, value)) for key, value in spec["dict"]]
    return lambda point: {key(point): value(point) for key, value in pairs}


def _pickle(plan: Plan, spec: Spec) -> Make:
    from ramify.plan.holding import load_holding

    path = os.path.join(plan.path, spec["pickle"])
    held = [_maker(plan, item) for item in spec["holds"]]
    return lambda point: load_holding(path, [item(point) for item in held])


_KINDS: Final[dict[str, Callable[[Plan, Spec], Make]]] = {
    "value": _value,
    "key": _key,
    "file": _file,
    "path": _path,
    "job": _job,
    "same": _same,
    "group": _group,
    "stored": _stored,
    "list": _many(list, "list"),
    "tuple": _many(tuple, "tuple"),
    "set": _many(set, "set"),
    "frozenset": _many(frozenset, "frozenset"),
    "dict": _dict,
    "pickle": _pickle,
}
