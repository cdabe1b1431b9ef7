"""Live lines on a terminal: one per group, and one for the whole run, drawn in place with rich."""

from __future__ import annotations

import time
from typing import Any, Final, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ramify.core.columns import Columns
from ramify.core.rule_keys import called
from ramify.show.groups import Counts, GroupOf, NameOf, first_key, fold, summed
from ramify.show.text import duration, rate, visible
from ramify.show.watch import Watch, troubles

_EVERY: Final = 0.1
"""Seconds between two pictures, at least; a picture may take a twentieth of the time."""
_BAR: Final = 24
_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class LiveProgress(Watch):
    """Draws the groups of a run while it goes on; the last picture stays.

    Failures are printed above it as they come. Only the thread that waits for the run draws.
    """

    def __init__(self, stream: TextIO, group_of: GroupOf = first_key, name_of: NameOf = called) -> None:
        super().__init__(stream, group_of, name_of)
        self.console = Console(file=stream, highlight=False, soft_wrap=False)
        self._live: Live | None = None
        self._next = 0.0
        self._bar_width = _BAR
        self._plain = not (self.console.encoding or "").lower().startswith("utf")

    def begin(self, engine: Columns, facts: dict[str, Any]) -> None:
        """Shows the first picture."""
        super().begin(engine, facts)
        self._live = Live(
            self._picture(),
            console=self.console,
            auto_refresh=False,
            transient=False,
            vertical_overflow="crop",
        )
        self._live.start(refresh=True)

    def tell(self, text: str) -> None:
        """Prints a line above the picture."""
        self.console.print(Text("✗ ", style="red") + Text(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Prints a warning above the picture."""
        self.console.print(Text("! ", style="yellow") + Text(text), soft_wrap=True)

    def tick(self) -> None:
        """Draws anew where it is time to."""
        now = time.monotonic()
        self.tell_notes()
        if self._live is None or now < self._next:
            return
        assert self.groups is not None, "begin made them"
        self.groups.update()
        self._live.update(self._picture(), refresh=True)
        took = time.monotonic() - now
        self._next = now + max(_EVERY, 20 * took)

    def ended(self) -> None:
        """Draws the last picture, and leaves the terminal as it was."""
        self._draws = False
        self.tell_notes()
        if self._live is not None:
            assert self.groups is not None, "begin made them"
            self.groups.update()
            self._live.update(self._picture(), refresh=True)
            self._live.stop()
            self._live = None

    # ---- the picture

    def _picture(self) -> Table:
        assert self.groups is not None, "begin made them"
        now = time.monotonic()
        counts = self.groups.all()
        shown, rest = fold(counts, max(1, self.console.height - 4))
        grid = Table.grid(padding=(0, 2, 0, 0))
        wide = self.console.width
        self._bar_width = _BAR if wide >= 90 else _BAR // 2 if wide >= 60 else _BAR // 4
        numbers = 2 * len(str(summed(counts).total)) + 1
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=max(12, wide // 3))
        grid.add_column(no_wrap=True, min_width=self._bar_width)
        grid.add_column(no_wrap=True, justify="right", min_width=numbers)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for name, one in shown:
            self._line(grid, visible(name), one, now)
        if rest:
            whole = summed(dict(rest))
            grid.add_row(f"  {len(rest)} more groups", "", f"{whole.done}/{whole.total}", "", style="dim")
        if len(counts) > 1:
            self._line(grid, "all", summed(counts), now, style="bold", took=now - self.began)
        return grid

    def _line(
        self, grid: Table, name: str, one: Counts, now: float, style: str = "", took: float | None = None
    ) -> None:
        label = Text.assemble(self._mark(one, now), (f" {name}", style))
        count = Text(f"{one.done}/{one.total}", style=style)
        grid.add_row(label, self._bar(one), count, self._words(name, one, now, took))

    def _mark(self, one: Counts, now: float) -> Text:
        if one.failed or one.blocked:
            return Text("x" if self._plain else "✗", style="red")
        if one.done == one.total:
            return Text("+" if self._plain else "✓", style="green")
        if one.running:
            spin = "." if self._plain else _SPINNER[int(now * 10) % len(_SPINNER)]
            return Text(spin, style="cyan")
        return Text("-" if one.cancelled and not one.waiting else " ", style="yellow")

    def _bar(self, one: Counts) -> Text:
        """Reused, done, failed and the rest, as shares of a line."""
        full, empty = ("#", "-") if self._plain else ("━", "─")
        bar = Text()
        used = end = 0
        for number, style in ((one.reused, "cyan"), (one.succeeded, "green"), (one.failed, "red")):
            end += number
            upto = self._bar_width * end // max(1, one.total)
            bar.append(full * (upto - used), style=style)
            used = upto
        return bar.append(empty * (self._bar_width - used), style="dim")

    def _words(self, name: str, one: Counts, now: float, took: float | None) -> Text:
        speed, left = self.pace(name, one, now)
        parts = [f"{one.running} running"] if one.running else []
        parts += troubles(one)
        if speed is not None and one.total > 1 and (took is not None or not one.over):
            parts.append(rate(speed))
        if left is not None:
            parts.append(f"{duration(left)} left")
        took = self.took(name) if took is None and one.over else took
        if took is not None:
            parts.append(duration(took))
        return Text(", ".join(parts), style="dim" if one.over and not one.failed else "")
