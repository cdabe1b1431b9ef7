"""What is said of a node beside its arguments: how it is run, and where."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from types import FunctionType
from typing import Any, Final

import msgspec

from ramify.dag.signature import function_name
from ramify.dag.status import Mode, as_mode
from ramify.dag.warned import warn_user
from ramify.errors import ArgumentError, ModeError
from ramify.plan.policy import make_policy, patterns, texts

PLACES: Final = ("threads", "processes")
"""What `on=` may say, beside a `concurrent.futures.Executor`."""


class NodeOptions(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """How one node is run. `on` is `"threads"`, `"processes"` or an executor; times are seconds.

    `mode=Mode.LOCAL` and `local_mode=True` make it a node of `submit_local`. With `download_results=False`
    the value of a node in the graph's pool of processes stays in a file until somebody asks for it: other
    processes read it there. It changes nothing in threads, whose values are in memory, in other executors,
    which may be on another machine, and where values are outputs on disk anyway.
    """

    name: str | None = None
    mode: Mode | None = None
    local_mode: bool | None = None
    on: Any = None
    retry: Any = None
    timeout: float | None = None
    deadline: float | None = None
    resources: dict[str, Any] | None = None
    resource_class: str | None = None
    tags: tuple[str, ...] = ()
    concurrency: int | None = None
    download_results: bool | None = None
    may_add: tuple[str, ...] | None = None

    def check(self) -> NodeOptions:
        """Raises `ModeError` for what cannot be."""
        for name in ("timeout", "deadline"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ModeError(f"{name}={seconds!r}: use seconds above 0", name=name)
        if isinstance(self.on, str) and self.on not in PLACES:
            raise ModeError(
                f"on={self.on!r}: use {' or '.join(map(repr, PLACES))}, or an executor with submit()",
                name="on",
            )
        if (
            self.on is not None
            and not isinstance(self.on, str)
            and not callable(getattr(self.on, "submit", None))
        ):
            raise ModeError(f"on={self.on!r} has no submit(): give a concurrent.futures.Executor", name="on")
        if self.resources is not None and self.resource_class is not None:
            raise ModeError("give resources or resource_class, not both", name="resources")
        if self.resource_class is not None and self.resource_class not in RESOURCE_CLASSES:
            known = " or ".join(map(repr, RESOURCE_CLASSES))
            raise ModeError(f"resource_class={self.resource_class!r}: use {known}", name="resource_class")
        if self.local_mode and self.mode not in (None, Mode.LOCAL):
            raise ModeError(f"local_mode=True and mode={str(self.mode)!r} exclude each other", name="mode")
        if self.is_local and self.on not in (None, "threads"):
            raise ModeError(
                f"a local node runs in a thread of this process, and on={self.on!r:.60} says otherwise",
                name="on",
            )
        self.amounts()
        if self.concurrency is not None and self.concurrency < 1:
            raise ModeError(f"concurrency={self.concurrency!r}: use 1 or more", name="concurrency")
        return self

    @property
    def is_local(self) -> bool:
        """Whether it is asked to be a node of `submit_local`."""
        return bool(self.local_mode) or self.mode is Mode.LOCAL

    def amounts(self) -> dict[str, Any]:
        """What an attempt asks for, as a job's policy says it; `cpu` is the older name of `cores`.

        Raises `ArgumentError` for amounts that cannot be; `memory` without a unit is in bytes, and a few
        bytes are a slip.
        """
        given = self.resources or RESOURCE_CLASSES.get(self.resource_class or "", {})
        if not given:
            return {}
        named = {"cores" if name == "cpu" else name: amount for name, amount in given.items()}
        if isinstance(named.get("cores"), str):
            named["cores"] = _cores(named["cores"])
        memory = named.get("memory")
        if memory is not None and str(memory).isdigit() and len(str(memory)) < 8:
            raise ArgumentError(f"memory={memory!r} is in bytes: give a unit, as in '2Gi'", names=["memory"])
        if isinstance(memory, str) and memory.isdigit():
            named["memory"] = int(memory)
        return dict(make_policy(resources=named).resources)


def _cores(text: str) -> float:
    """Text such as `"2"` or, in thousandths, `"500m"`."""
    try:
        return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    except ValueError:
        raise ArgumentError(f"cpu={text!r} is no number of cores", names=["cpu"]) from None


RESOURCE_CLASSES: Final[Mapping[str, Mapping[str, Any]]] = {
    "standard": {"cores": 2, "memory": "2G"},
    "large": {"cores": 8, "memory": "8G"},
}
"""What the words for `resource_class` ask for."""

RESERVED: Final = frozenset((*NodeOptions.__struct_fields__, "executor", "dag", "expand_node_output"))
"""Keywords of `submit` that are not passed to the function."""

UNUSED: Final = frozenset(
    (
        *("image_name", "http_compressor", "include_source_lines", "task_name", "result_format"),
        *("store_results", "access_credentials_name", "namespace"),
    )
)
"""Keywords of a hosted service that mean nothing here; passed on where the function takes them."""

_SPECIAL: Final = RESERVED | UNUSED
_NONE: Final = NodeOptions()


def split(
    func: Callable[..., Any], kwargs: dict[str, Any], given: NodeOptions | None, verb: str = "submit"
) -> tuple[dict[str, Any], NodeOptions | None]:
    """The function's own keywords, and the options; `given` are those that were said before.

    Raises `ArgumentError` for a keyword that is an option and a parameter of the function as well.

    >>> own, options = split(print, {"sep": "-", "timeout": 3}, None)
    >>> own, options.timeout
    ({'sep': '-'}, 3)
    """
    special = kwargs.keys() & _SPECIAL
    if not special:
        return kwargs, given
    parameters = _parameters(func)
    own = {name: value for name, value in kwargs.items() if name not in _SPECIAL}
    options: dict[str, Any] = {}
    for name in sorted(special):
        if name in UNUSED:
            if name in parameters:
                own[name] = kwargs[name]
            else:
                warn_user(f"{verb}({function_name(func)}): {name}= means nothing here and is ignored")
        elif name in parameters and given is None:
            raise ArgumentError(
                f"{name}= is an option of {verb}() and a parameter of {function_name(func)}() as well: say "
                f"options first, as in dag.options({name}=...).{verb}({function_name(func)}, {name}=...)",
                names=[name],
            )
        elif name in parameters:
            own[name] = kwargs[name]
        else:
            options["on" if name == "executor" else name] = kwargs[name]
    return own, merged(given, options)


def merged(given: NodeOptions | None, options: Mapping[str, Any]) -> NodeOptions | None:
    """The options with others put over them; checked."""
    known = {name: value for name, value in options.items() if name in NodeOptions.__struct_fields__}
    if known.get("mode") is not None:
        known["mode"] = as_mode(known["mode"])
    if "tags" in known:
        known["tags"] = texts("tags", known["tags"])
    if known.get("may_add") is not None:
        known["may_add"] = patterns(known["may_add"])
    if known.get("retry") is not None:
        from ramify.models import as_strategy

        known["retry"] = as_strategy(known["retry"])
    if len(known) < len(options):
        strange = sorted(set(options) - set(known))
        raise ArgumentError(f"{strange[0]}= is no option here", names=strange)
    if not known:
        return given
    return msgspec.structs.replace(given or _NONE, **known).check()


def check_mode(mode: Mode | None, graph: Mode) -> None:
    """Raises `ModeError` where a node is to have another driver than its graph."""
    if mode not in (None, Mode.LOCAL) and (mode is Mode.BATCH) != (graph is Mode.BATCH):
        raise ModeError(
            f"mode={str(mode)!r} of a node in a graph whose mode is {str(graph)!r}: all nodes of a graph "
            f"have one driver, so say DAG(mode=Mode.{'BATCH' if mode is Mode.BATCH else 'REALTIME'})",
            name="mode",
        )


def _parameters(func: Callable[..., Any]) -> Container[str]:
    if type(func) is FunctionType and not func.__dict__:  # as the signature says, at a tenth of its price
        code = func.__code__
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    try:
        return inspect.signature(func).parameters
    except (ValueError, TypeError):  # some builtins have none
        return {}
