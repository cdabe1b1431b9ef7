"""The front end: deferred jobs, grids of them, and graphs of both, compiled to plans, evaluated to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ramify.dag.draft import DAG
    from ramify.dag.grid import ParametrizedJob
    from ramify.dag.job import Job
    from ramify.dag.logs import list_logs, server_logs
    from ramify.dag.node import Node
    from ramify.dag.status import Mode, Status
    from ramify.dag.stored import replace_stored_params

__all__ = [
    "DAG",
    "Job",
    "Mode",
    "Node",
    "ParametrizedJob",
    "Status",
    "list_logs",
    "replace_stored_params",
    "server_logs",
]

_HOMES = {
    "DAG": "draft",
    "Job": "job",
    "Mode": "status",
    "Node": "node",
    "ParametrizedJob": "grid",
    "Status": "status",
    "list_logs": "logs",
    "replace_stored_params": "stored",
    "server_logs": "logs",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"ramify.dag.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
