"""By which UUID a run and its nodes are known: made of names, so the same for everybody who looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from uuid import UUID

_RUNS: Final = "7d3cf2f4-2b0a-5c0e-9f53-6a1d7f0f3f5e"
"""The name space of runs, which says nothing else."""


def run_uuid(facts: Mapping[str, Any]) -> UUID:
    """The UUID of a run, of the facts that its journal begins with: `id` where it has one (a live graph's),
    else made of `name` and `started`. A folder that is moved, and a run that is resumed, keep it.

    >>> str(run_uuid({"name": "calm-otter", "started": 1.5}))
    '3fb0719f-e673-5862-80ec-41e9cf89d66a'
    """
    from uuid import UUID, uuid5

    given = facts.get("id")
    if given is not None:
        return UUID(str(given))
    return uuid5(UUID(_RUNS), f"{facts.get('name')}@{facts.get('started')!r}")


def node_uuid(run: UUID, key: str) -> UUID:
    """The UUID of a node of the run with that UUID.

    >>> node_uuid(run_uuid({"name": "calm-otter", "started": 1.5}), "a").version
    5
    """
    from uuid import uuid5

    return uuid5(run, key)
