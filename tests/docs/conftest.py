"""The manuals are read by people who set nothing."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAMIFY_RECORD", raising=False)
