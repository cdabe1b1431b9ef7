"""Arguments that are kept elsewhere: what stands for a task's stored result, and its replacement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ramify.errors import CallFormError, MissingError
from ramify.values.substitution import replace

if TYPE_CHECKING:
    from uuid import UUID

_SHOWN = 5


@dataclass(frozen=True)
class StoredParam:
    """Stands for what the task `task_id` (a `UUID` or its text) came to.

    `decoder` makes the value of what is stored: a function of it, or an object with a `decode`; None where
    the value itself is stored. Two of one task and one decoder are equal.

    Raises `CallFormError` (a `TypeError`), and `ValueError` for a text that is no UUID.
    """

    task_id: UUID
    decoder: Any = field(default=None, hash=False)

    def __post_init__(self) -> None:
        from uuid import UUID

        given: Any = self.task_id
        if isinstance(given, str):
            object.__setattr__(self, "task_id", UUID(given))
        elif not isinstance(given, UUID):
            raise CallFormError(
                f"task_id is {given!r:.60} of type {type(given).__name__}: give a UUID or its text",
                names=["task_id"],
            )
        decoder = self.decoder
        if decoder is not None and not callable(decoder) and not hasattr(decoder, "decode"):
            raise CallFormError(
                f"decoder is {decoder!r:.60}: give a function, or an object with a `decode`",
                names=["decoder"],
            )

    def decode(self, stored: Any) -> Any:
        """The value of what is stored."""
        if self.decoder is None:
            return stored
        decode: Callable[[Any], Any] = getattr(self.decoder, "decode", self.decoder)
        return decode(stored)


class Loader(Protocol):
    """Gives the value of a parameter."""

    def load(self, param: StoredParam) -> Any: ...


class ParamLoader:
    """A store in memory: what is stored, by the UUID of its task or the text of it.

    Each value is decoded once, so equal parameters give the identical object.

    >>> loader = ParamLoader({"0" * 31 + "1": b"[1, 2]"})
    >>> import json
    >>> param = StoredParam("0" * 31 + "1", json.loads)
    >>> loader.load(param), loader.load(param) is loader.load(StoredParam(param.task_id, json.loads))
    ([1, 2], True)
    """

    def __init__(self, stored: Mapping[Any, Any]) -> None:
        from uuid import UUID

        self._stored = {(k if isinstance(k, UUID) else UUID(k)).hex: what for k, what in stored.items()}
        self._values: dict[StoredParam, Any] = {}

    def load(self, param: StoredParam) -> Any:
        """The value; raises what the decoder raises, and `MissingError` (a `KeyError`)."""
        if param not in self._values:
            self._values[param] = param.decode(self._of(param.task_id))
        return self._values[param]

    def _of(self, task_id: UUID) -> Any:
        try:
            return self._stored[task_id.hex]
        except KeyError:
            known = sorted(self._stored)
            more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
            raise MissingError(
                f"nothing is stored of the task {task_id.hex}; there is "
                f"{', '.join(known[:_SHOWN]) or 'nothing at all'}{more}",
                task_id=task_id,
                available=known,
            ) from None


def replace_stored_params(tree: Any, loader: Loader | Mapping[Any, Any]) -> Any:
    """`tree` with the value of each `StoredParam` in its place.

    Looked into are lists, tuples, named tuples, dicts (keys too), sets and dataclasses, at any depth. What
    has no parameter in it is not copied; what stood in two places still is one object. `loader` is a
    `ParamLoader`, or a mapping of one's contents. Raises `MissingError`.

    >>> task = "0" * 31 + "1"
    >>> replace_stored_params({"a": [StoredParam(task), 2]}, {task: "one"})
    {'a': ['one', 2]}
    """
    chosen: Loader = ParamLoader(loader) if isinstance(loader, Mapping) else loader
    return replace(tree, StoredParam, chosen.load)
