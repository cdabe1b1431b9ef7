"""Skips count where everything is there."""

from __future__ import annotations

from typing import Any


def refuse_skip(report: Any) -> None:
    """Turns a skip into a failure, unless the platform is its reason."""
    if not report.skipped:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not reason.removeprefix("Skipped: ").startswith("platform:"):
        report.outcome = "failed"
        report.longrepr = f"RAMIFY_REQUIRE_SERVICES=1 allows no skip, but: {reason}"
