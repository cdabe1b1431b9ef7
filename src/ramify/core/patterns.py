"""Which nodes a text means: a tag, a key and what lies below it, or a glob of keys.

In a glob `*` is any text within one part of a key, `**` any text at all, `?` one character of a part, and
`[ab]` one of these; a key that reads just so is meant as well. A text without any of them is a tag, a key,
and everything below that key.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

_WILD: Final = re.compile(r"\*\*|\*|\?|\[!?[^\]/]+\]")
_TOKENS: Final = re.compile(r"\*\*|\*|\?|\[!?[^\]/]+\]|.", re.DOTALL)
_ANY: Final = ("*", "**", "?")


def is_glob(pattern: str) -> bool:
    """Whether the text has wild cards.

    >>> is_glob("map/*"), is_glob("pdf")
    (True, False)
    """
    return _WILD.search(pattern) is not None


def prefix_of(glob: str) -> str:
    """What every key that fits a glob begins with.

    >>> prefix_of("map/*/stage1")
    'map/'
    """
    found = _WILD.search(glob)
    return glob if found is None else glob[: found.start()]


def fits(pattern: str, key: str, tags: Collection[str] = ()) -> bool:
    """Whether a node of this key and these tags is meant.

    >>> fits("map/*", "map/0"), fits("map/*", "map/0/a"), fits("map/**", "map/0/a"), fits("map", "map/0")
    (True, False, True, True)
    >>> fits("pdf", "plots/3", ["pdf"])
    True
    >>> fits("part[1]", "part1"), fits("part[1]", "part[1]")
    (True, True)
    """
    if is_glob(pattern):
        return key == pattern or _compiled(pattern).fullmatch(key) is not None
    return pattern in tags or key == pattern or key.startswith(f"{pattern}/")


@lru_cache(maxsize=4096)
def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile("".join(map(_as_regex, _TOKENS.findall(glob))), re.DOTALL)


def _as_regex(token: str) -> str:
    if token == "**":
        return ".*"
    if token == "*":
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if len(token) > 1:
        negated = token[1] == "!"
        inside = token[2 if negated else 1 : -1].replace("\\", "\\\\")
        return f"[{'^/' if negated else ''}{inside.replace('^', chr(92) + '^')}]"
    return re.escape(token)


@lru_cache(maxsize=65536)
def overlap(one: str, other: str) -> bool:
    """Whether some node may be meant by both texts.

    >>> overlap("pdf", "pdf"), overlap("pdf", "png"), overlap("map/*", "*/3"), overlap("map", "map/*")
    (True, False, True, True)
    """
    if fits(one, other) or fits(other, one):
        return True
    return any(_meet(a, b) for a in _shapes(one) for b in _shapes(other))


def _shapes(pattern: str) -> tuple[str, ...]:
    return (pattern,) if is_glob(pattern) else (pattern, f"{pattern}/**")


def _meet(one: str, other: str) -> bool:
    """Whether two globs have a text in common: a walk over the pairs of places in both."""
    a, b = _TOKENS.findall(one), _TOKENS.findall(other)
    seen = {(0, 0)}
    stack = [(0, 0)]
    while stack:
        i, j = stack.pop()
        if i == len(a) and j == len(b):
            return True
        for pair in _steps(a, b, i, j):
            if pair not in seen:
                seen.add(pair)
                stack.append(pair)
    return False


def _steps(a: list[str], b: list[str], i: int, j: int) -> list[tuple[int, int]]:
    x = a[i] if i < len(a) else ""
    y = b[j] if j < len(b) else ""
    steps = []
    if x in ("*", "**"):
        steps.append((i + 1, j))
    if y in ("*", "**"):
        steps.append((i, j + 1))
    if x and y and _share(x, y):
        steps.append((i if x in ("*", "**") else i + 1, j if y in ("*", "**") else j + 1))
    return steps


def _share(x: str, y: str) -> bool:
    """Whether one character may be of both tokens; that of a bracket may be any but a slash."""
    if len(x) == 1 and len(y) == 1 and x not in _ANY and y not in _ANY:
        return x == y
    return not (x == "/" and y != "**") and not (y == "/" and x != "**")
