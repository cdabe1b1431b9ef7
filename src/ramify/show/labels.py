"""Text in pictures: how wide it is, shortened to fit, and safe in XML.

A picture brings no font, so widths are about those of DejaVu Sans, the widest of the common ones: what is
drawn in a narrower font leaves some room.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape
from typing import Final

SIZE: Final = 12.5
"""Of a name's letters, in pixels."""

_NARROW: Final = frozenset("iljtfrI.,:;'|!()[]{}/ \u202f-`1")
_WIDE: Final = frozenset("mwMWGOQ@%&#—…×")
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAKS: Final = re.compile(r"\s+")
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")


def width(text: str, size: float = SIZE) -> float:
    """About how many pixels a text takes.

    >>> width("model") < width("MODEL") < width("MODELS")
    True
    """
    return size * sum(map(_letter, text))


def _letter(letter: str) -> float:
    if letter in _NARROW:
        return 0.42 if letter != "1" else 0.6
    if letter in _WIDE:
        return 0.95
    if letter < "\x7f":
        return 0.7 if letter.isupper() else 0.6
    if unicodedata.combining(letter):
        return 0.0
    return 1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.68


def shortened(text: str, room: float) -> str:
    """One line of text that is no wider than `room` pixels: its beginning and its end.

    >>> shortened("train", 100), shortened("evaluate_on_the_whole_held_out_set (12)", 150)
    ('train', 'evaluate_o…t_set (12)')
    """
    line = _BREAKS.sub(" ", _BIDI.sub("", plain(text))).strip()
    if width(line) <= room:
        return line
    left = room - width("…")
    head, tail = "", ""
    for step in range(len(line)):
        letter = line[step // 2] if step % 2 == 0 else line[-1 - step // 2]
        if width(head + tail + letter) > left:
            break
        head, tail = (head + letter, tail) if step % 2 == 0 else (head, letter + tail)
    return f"{head}…{tail}"


def plain(text: str) -> str:
    """The text without what XML cannot hold: control characters, halves of surrogate pairs.

    >>> plain("a\\x00b")
    'a\\ufffdb'
    """
    return _FORBIDDEN.sub("\ufffd", text)


def xml(text: str) -> str:
    """The text as it stands in XML and HTML, between tags or in a quoted attribute.

    >>> xml('<a href="x">')
    '&lt;a href=&quot;x&quot;&gt;'
    """
    return escape(plain(text), quote=True)
