"""What every test stands on: a clean environment, and skips that count where everything is there."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings
from skips import refuse_skip

REQUIRED = os.environ.get("RAMIFY_REQUIRE_SERVICES") == "1"
"""Whether a missing outside service, or optional package, is a failure. A skip whose reason begins with
`platform:` stays a skip: what another operating system lacks cannot be started here."""

settings.register_profile("ramify", deadline=None, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ramify"))


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Nothing of the user's settings comes in, and nothing is written to the user's own folders."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("RAMIFY_")]:
            patch.delenv(name)
        for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"):
            patch.delenv(name, raising=False)
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        patch.setenv("RAMIFY_RECORD", "0")  # a test that wants its graphs recorded says so
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
    report = yield
    if REQUIRED and not hasattr(report, "wasxfail"):
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    report = yield
    if REQUIRED:
        refuse_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints what a test wants to be read without failing for it: `record_property("note", text)`."""
    reports = terminalreporter.stats.get("passed", [])
    notes = [text for report in reports for name, text in report.user_properties if name == "note"]
    for note in notes:
        terminalreporter.write_line(note)
