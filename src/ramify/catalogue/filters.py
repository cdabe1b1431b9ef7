"""Which runs are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_TOLD: Final = ("label", "name", "folder", "command", "coalesce(status, '')")


@dataclass(frozen=True)
class Filter:
    """Runs that fit everything that is not None.

    `search` is a text in the label (a graph's own name) or the name, in capitals or not, `text` one in these,
    the folder, the command or the status; `since` and `until`
    are seconds since the epoch, both included, of the start; `status` is in capitals.

    >>> Filter(search="Sales", since=1.0).where()
    ('(instr(fold(label), ?) OR instr(fold(name), ?)) AND started >= ?', ['sales', 'sales', 1.0])
    """

    search: str | None = None
    text: str | None = None
    namespace: str | None = None
    created_by: str | None = None
    since: float | None = None
    until: float | None = None
    status: str | None = None
    id: str | None = None

    def where(self) -> tuple[str, list[Any]]:
        """What SQL says of it, and the values; all but `status`, which the table has only of what is over."""
        conditions: list[str] = []
        values: list[Any] = []
        if self.search:
            conditions.append("(instr(fold(label), ?) OR instr(fold(name), ?))")
            values += [self.search.casefold()] * 2
        if self.text:
            conditions.append(f"({' OR '.join(f'instr(fold({name}), ?)' for name in _TOLD)})")
            values += [self.text.casefold()] * len(_TOLD)
        plain: Mapping[str, Any] = {
            "namespace = ?": self.namespace,
            "created_by = ?": self.created_by,
            "started >= ?": self.since,
            "started <= ?": self.until,
            "id = ?": self.id,
        }
        for condition, value in plain.items():
            if value is not None:
                conditions.append(condition)
                values.append(value)
        return " AND ".join(conditions) or "1", values
