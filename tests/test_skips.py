"""The tests' own rule: where every service must be there, a skip is a failure."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from skips import refuse_skip


@pytest.mark.parametrize("reason", ["Skipped: no Redis here", "Skipped: could not import 'pandas'"])
def test_a_skip_becomes_a_failure_that_gives_its_reason(reason: str) -> None:
    report = SimpleNamespace(skipped=True, outcome="skipped", longrepr=("file.py", 3, reason))
    refuse_skip(report)
    assert report.outcome == "failed"
    assert reason in report.longrepr


def test_what_the_platform_lacks_stays_a_skip() -> None:
    report = SimpleNamespace(
        skipped=True, outcome="skipped", longrepr=("f.py", 3, "Skipped: platform: no fork")
    )
    refuse_skip(report)
    assert report.outcome == "skipped"


def test_a_failure_is_left_as_it_is() -> None:
    report = SimpleNamespace(skipped=False, outcome="failed", longrepr="AssertionError")
    refuse_skip(report)
    assert (report.outcome, report.longrepr) == ("failed", "AssertionError")
