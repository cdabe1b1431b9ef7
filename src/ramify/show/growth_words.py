"""Growth in words: how many nodes came, and who added them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ramify.core.columns import Columns
from ramify.core.graph import GATHER, KIND, RULE
from ramify.show.text import several, visible


def is_shown(engine: Columns, node: int) -> bool:
    """Whether a node does work of the graph: it is neither a gather nor a rule.

    >>> from ramify.core.engine import Engine
    >>> engine = Engine(); a = engine.add("a"); both = engine.add("both", (a,), GATHER)
    >>> is_shown(engine, a), is_shown(engine, both)
    (True, False)
    """
    flags = engine.flags[node]
    return flags & KIND != GATHER and not flags & RULE


def grown_by(engine: Columns, node: int, name_of: Callable[[int], str]) -> str:
    """Who added nodes: a rule, another node, or for -1 nobody, which is "".

    >>> from ramify.core.engine import Engine
    >>> engine = Engine(); rule = engine.add("@rules/map", (), RULE)
    >>> grown_by(engine, rule, str), grown_by(engine, -1, str)
    ('rule map', '')
    """
    if node < 0:
        return ""
    return f"rule {engine.keys[node].partition('/')[2]}" if engine.flags[node] & RULE else name_of(node)


def growth_text(names: Sequence[str], by: Sequence[str]) -> str:
    """Nodes that came, and by whom.

    >>> growth_text(["m0", "m1", "m2", "m3", "m4"], ["rule map"])
    '+ 5 nodes by rule map: m0, m1, m2, and 2 more'
    >>> growth_text(["m0"], ["rule map", "rule mend"]), growth_text([], [])
    ('+ 1 node by rule map and 1 more: m0', '')
    """
    if not names:
        return ""
    nodes = f"+ {len(names)} {'node' if len(names) == 1 else 'nodes'}"
    whom = f" by {visible(by[0])}" + (f" and {len(by) - 1} more" if len(by) > 1 else "") if by else ""
    return f"{nodes}{whom}: {several(list(names), 3)}"
