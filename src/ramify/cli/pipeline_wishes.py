"""What a person may want of a run of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Wishes:
    """What a person wants of a run of a pipeline; see `run_pipeline`. `sleeps` are seconds."""

    jobs: int | None = None
    until: Sequence[str] = ()
    restart_failed: bool = False
    reset_failed: bool = False
    only: Sequence[str] | None = None
    at_step: dict[str, int] = field(default_factory=dict)
    keep_stale: bool = False
    sleeps: Sequence[float] = ()
    options: dict[str, Any] = field(default_factory=dict)
