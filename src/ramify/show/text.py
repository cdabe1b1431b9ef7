"""Small pieces of text: what is shown of foreign text, times, counts, and colour where it is wanted."""

from __future__ import annotations

import os
import re
import time
from typing import Any, Final

_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_COLOURS: Final = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36, "bold": 1, "dim": 2}


def visible(text: str) -> str:
    """The text with every control character written out, so that no foreign text can steer a terminal.

    >>> visible("\\x1b[31mred\\r\\n  next"), visible("tab\\there")
    ('\\\\x1b[31mred\\\\r\\n  next', 'tab\\there')
    """
    return _CONTROL.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode()


def one_line(text: str, most: int = 200) -> str:
    """The first line of a foreign text, at most so many characters long.

    >>> one_line("no such column\\nmore"), one_line("abcdefgh", 5)
    ('no such column ...', 'ab...')
    """
    first, _, rest = text.strip().partition("\n")
    first = visible(first) + (" ..." if rest else "")
    return first if len(first) <= most else first[: most - 3] + "..."


def duration(seconds: float) -> str:
    """A time span as a person says it.

    >>> [duration(s) for s in (0.004, 0.42, 8.44, 65, 7500, 200_000)]
    ['4 ms', '0.42 s', '8.4 s', '1 min 05 s', '2 h 05 min', '2 d 7 h']
    """
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def moment(t: float) -> str:
    """A local date and time, to the second.

    >>> len(moment(0.0))
    19
    """
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(t))


def size(number: float) -> str:
    """A number of bytes.

    >>> [size(n) for n in (0, 999, 1500, 5_300_000)]
    ['0 B', '999 B', '1.5 kB', '5.3 MB']
    """
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def rate(per_second: float) -> str:
    """A number of jobs per second, or per minute where they are rare.

    >>> rate(120.4), rate(3.21), rate(0.05)
    ('120/s', '3.2/s', '3.0/min')
    """
    if per_second >= 1:
        return f"{per_second:.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"
    return f"{per_second * 60:.1f}/min"


def several(ids: list[str], most: int = 5) -> str:
    """The first of many ids, and how many more there are.

    >>> several(["a", "b", "c"], 2)
    'a, b, and 1 more'
    """
    told = ", ".join(map(visible, ids[:most]))
    return told if len(ids) <= most else f"{told}, and {len(ids) - most} more"


def table(rows: list[list[str]], right: tuple[int, ...] = (), gap: str = "  ") -> list[str]:
    """Rows as aligned lines; the columns in `right` are aligned to the right.

    >>> table([["a", "1"], ["bcd", "22"]], right=(1,))
    ['a     1', 'bcd  22']
    """
    if not rows:
        return []
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for number, (cell, wide) in enumerate(zip(row, widths, strict=True)):
            space = " " * (wide - width(cell))
            cells.append(space + cell if number in right else cell + space)
        lines.append(gap.join(cells).rstrip())
    return lines


def padded(text: str, cells: int) -> str:
    """A text with blanks behind it, so that it takes so many cells of a terminal.

    >>> padded("日本", 5), padded("abc", 5), padded("abcdef", 5)
    ('日本 ', 'abc  ', 'abcdef')
    """
    return text + " " * (cells - width(text))


def width(text: str) -> int:
    """How many cells of a terminal a text takes, colours not counted.

    >>> width("abc"), width(Paint(True).red("abc")), width("日本")
    (3, 3, 4)
    """
    if text.isascii() and "\x1b" not in text:
        return len(text)
    from unicodedata import combining, east_asian_width

    bare = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in bare)


class Paint:
    """Colours a text, or leaves it as it is.

    >>> Paint(False).red("no"), Paint(True).red("no")
    ('no', '\\x1b[31mno\\x1b[0m')
    """

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def _with(self, text: str, name: str) -> str:
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if self.colour and text else text

    def red(self, text: str) -> str:
        """What went wrong."""
        return self._with(text, "red")

    def green(self, text: str) -> str:
        """What went well."""
        return self._with(text, "green")

    def yellow(self, text: str) -> str:
        """What deserves a look."""
        return self._with(text, "yellow")

    def cyan(self, text: str) -> str:
        """What can be typed."""
        return self._with(text, "cyan")

    def bold(self, text: str) -> str:
        """What names something."""
        return self._with(text, "bold")

    def dim(self, text: str) -> str:
        """What matters less."""
        return self._with(text, "dim")


def wants_colour(stream: Any) -> bool:
    """Whether to colour what goes to this stream: a terminal that is not dumb, without NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream)


def is_terminal(stream: Any) -> bool:
    """Whether the stream is a terminal that can move its cursor."""
    asks = getattr(stream, "isatty", None)
    return asks is not None and bool(asks()) and os.environ.get("TERM") != "dumb"
