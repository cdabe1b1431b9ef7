"""How the nodes of rules are called."""

from __future__ import annotations

from typing import Final

RULES: Final = "@rules/"
"""How the keys of rules begin; no other key does."""


def called(key: str) -> str:
    """What a node is called in a sentence, by its key.

    >>> called("size/a"), called("@rules/each")
    ('size/a', 'rule each')
    """
    return f"rule {key.removeprefix(RULES)}" if key.startswith(RULES) else key
