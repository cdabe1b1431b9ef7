"""The live picture, as a terminal shows it."""

from __future__ import annotations

import io

import pyte
import pytest

from ramify.core.engine import Engine
from ramify.show.live import LiveProgress


class Terminal(io.StringIO):
    """What is written to it appears on an emulated screen."""

    encoding = "utf-8"

    def __init__(self, columns: int = 90, rows: int = 24) -> None:
        super().__init__()
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.screen)

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._stream.feed(text.replace("\n", "\r\n"))
        return len(text)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display if line.strip()]


def play(terminal: Terminal, *keys: str) -> tuple[Engine, LiveProgress]:
    engine = Engine()
    for key in keys:
        engine.add(key)
    live = LiveProgress(terminal)
    live.console.size = (terminal.screen.columns, terminal.screen.lines)  # type: ignore[assignment]  # rich takes a pair
    live.begin(engine, {"name": "calm-otter"})
    engine.want(None, "asked for")
    return engine, live


def succeed(engine: Engine, *nodes: int) -> None:
    for node in nodes:
        engine.succeeded(node, engine.started(node, 0.0), "d", 1.0)


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")


def test_one_line_per_group_and_one_for_all() -> None:
    terminal = Terminal()
    engine, live = play(terminal, *(f"fit/{i}" for i in range(10)), "plot")
    succeed(engine, *range(5))
    engine.started(5, 0.0)
    live._next = 0.0
    live.tick()
    fit, plot, whole = terminal.lines
    assert fit.split()[1:2] == ["fit"] and "5/10" in fit and "1 running" in fit and "━" in fit
    assert "0/1" in plot and "━" not in plot
    assert whole.split()[1] == "all" and "5/11" in whole
    engine.succeeded(5, 1, "d", 1.0)
    succeed(engine, *range(6, 11))
    live.ended()
    assert [line[0] for line in terminal.lines] == ["✓", "✓", "✓"]
    assert "11/11" in terminal.lines[-1]


def test_failures_stand_above_the_picture() -> None:
    terminal = Terminal()
    engine, live = play(terminal, "a", "b")
    node = 0
    engine.failed(node, engine.started(node, 0.0), {"type": "ValueError", "message": "\x1b[2Jno"}, 1.0)
    live.saw(list(zip(*engine.take(), strict=True)))
    live.ended()
    assert terminal.lines[0] == "✗ a FAILED: ValueError: \\x1b[2Jno"
    assert terminal.lines[1].startswith("✗ a") and "1 failed" in terminal.lines[1]
    assert terminal.lines[-1].startswith("✗ all")


def test_many_groups_fit_the_screen() -> None:
    terminal = Terminal(rows=12)
    engine, live = play(
        terminal, *(f"g{i}/{j}" for i in range(50) for j in range(2)), *(f"one{i}" for i in range(30))
    )
    succeed(engine, *range(40))
    engine.started(70, 0.0)
    live._next = 0.0
    live.tick()
    assert len(terminal.lines) <= 11
    assert any("g35" in line and "1 running" in line for line in terminal.lines)
    assert any("more groups" in line for line in terminal.lines)
    live.ended()


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_counts_are_whole_whatever_the_width(columns: int) -> None:
    terminal = Terminal(columns=columns)
    engine, live = play(terminal, *(f"a-group-with-a-long-name/{i}" for i in range(1000)), "x")
    succeed(engine, *range(500))
    live._next = 0.0
    live.tick()
    assert "500/1000" in terminal.lines[0]
    assert all(len(line) <= columns for line in terminal.lines)
    live.ended()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    written: list[str] = []
    terminal = Terminal()
    real = terminal.write
    terminal.write = lambda text: written.append(text) or real(text)  # type: ignore[method-assign, func-returns-value]  # listens
    engine, live = play(terminal, "a")
    succeed(engine, 0)
    live.ended()
    assert not any("\x1b[3" in text for text in written)
    assert "✓ a" in terminal.lines[0]
