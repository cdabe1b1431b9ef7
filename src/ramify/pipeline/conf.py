"""How and where a task runs."""

from __future__ import annotations

import msgspec


class TaskConf(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How and where a task runs.

    >>> TaskConf(executer_type="process").executer_type
    'process'
    """

    executer_type: str = "process"
    container: str | None = None
    command_before_task: str | None = None
    python_bin: str | None = None
    extra_env: dict[str, str] | None = None
    strict: bool = False
    label: str | None = None
