"""The functions that the cases run: as little as a function can do."""

from __future__ import annotations


def nothing(*values: object) -> int:
    """One node of a graph in memory."""
    return 1


def point(x: int, y: int) -> int:
    """One point of a grid."""
    return x + y


def increment(x: int) -> int:
    """One call whose result is kept."""
    return x + 1
