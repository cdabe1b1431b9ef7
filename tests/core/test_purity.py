"""The core stays quick to load and free of the world; replay knows every letter."""

import subprocess
import sys

from ramify.core.columns import EVENTS
from ramify.core.replay import _STEPS


def test_replay_knows_every_event() -> None:
    assert set(_STEPS) == set(EVENTS)


def test_the_core_loads_nothing_that_acts() -> None:
    code = (
        "import sys; import ramify.core.engine, ramify.core.replay, ramify.core.keys;"
        "print(*(m for m in ('threading', 'logging', 'subprocess', 'socket', 'asyncio', 'msgspec', 'pathlib',"
        " 'tempfile', 'pickle') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "subprocess" not in done.stdout
    assert "asyncio" not in done.stdout
    assert "msgspec" not in done.stdout
