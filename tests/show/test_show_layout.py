"""Layers, orders and places: parents above children, nothing on top of anything, linear cost."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise

import pytest
from graphs_to_draw import random_parents
from hypothesis import given
from hypothesis import strategies as st

from ramify.show.crossings import Ranks, crossings, untangle
from ramify.show.layering import acyclic, components
from ramify.show.layout import Layout, layered, monotone


def check_layout(parents: list[list[int]], layout: Layout, sizes: list[float], gap: float) -> None:
    for node, above in enumerate(parents):
        for parent in above:
            assert layout.rows[parent] < layout.rows[node]
    rows = defaultdict(list)
    for node, row in enumerate(layout.rows):
        rows[row].append(node)
    assert sorted(rows) == list(range(layout.depth))
    for inside in rows.values():
        inside.sort(key=layout.places.__getitem__)
        for one, other in pairwise(inside):
            apart = layout.places[other] - layout.places[one]
            assert apart >= (sizes[one] + sizes[other]) / 2 + gap - 1e-6
    for place, size in zip(layout.places, sizes, strict=True):
        assert place - size / 2 >= -1e-6 and place + size / 2 <= layout.breadth + 1e-6


def check_routes(parents: list[list[int]], layout: Layout, sizes: list[float]) -> None:
    edges = {(parent, node) for node, above in enumerate(parents) for parent in above}
    assert {(route.upper, route.lower) for route in layout.routes} == edges
    assert len(layout.routes) == len(edges)
    for route in layout.routes:
        passed = [row for row, _ in route.bends]
        assert passed == list(range(layout.rows[route.upper] + 1, layout.rows[route.lower]))
        for row, place in route.bends:
            for node, at in enumerate(layout.places):
                if layout.rows[node] == row:
                    assert abs(at - place) >= sizes[node] / 2


@pytest.mark.slow
@given(random_parents(), st.integers(0, 99))
def test_random_graphs(parents: list[list[int]], seed: int) -> None:
    chance = random.Random(seed)
    sizes = [chance.uniform(1, 9) for _ in parents]
    layout = layered(parents, sizes, 2.0)
    check_layout(parents, layout, sizes, 2.0)
    check_routes(parents, layout, sizes)
    assert layered(parents, sizes, 2.0) == layout


@pytest.mark.slow
@given(st.lists(st.lists(st.integers(0, 11), max_size=4), min_size=12, max_size=12))
def test_graphs_with_cycles(parents: list[list[int]]) -> None:
    order, edges = acyclic(parents)
    assert sorted(order) == list(range(12))
    place = {node: at for at, node in enumerate(order)}
    assert all(place[edge.upper] < place[edge.lower] for edge in edges)
    arrows = set()
    for edge in edges:
        if edge.both or not edge.back:
            arrows.add((edge.upper, edge.lower))
        if edge.both or edge.back:
            arrows.add((edge.lower, edge.upper))
    assert arrows == {(p, node) for node, above in enumerate(parents) for p in above if p != node}
    assert len(layered(parents).routes) == len(edges)


def test_nothing_and_one_node() -> None:
    assert layered([]) == Layout([], [], [], 0, 0.0)
    assert layered([[]]) == Layout([0], [0.5], [], 1, 1.0)
    assert layered([[0]]).routes == []  # a loop is no edge of a picture


def test_two_nodes_in_a_chain_are_on_one_line() -> None:
    layout = layered([[], [0]])
    assert layout.rows == [0, 1] and layout.places[0] == layout.places[1]


def test_a_long_edge_beside_a_chain_runs_straight() -> None:
    layout = layered([[], [0], [1], [2], [3, 0]])
    (long,) = [route for route in layout.routes if route.bends]
    assert len({place for _, place in long.bends}) == 1
    assert len({layout.places[node] for node in (1, 2, 3)}) == 1


def test_parents_of_a_tree_are_in_the_middle_of_their_children() -> None:
    layout = layered([[]] + [[(node - 1) // 2] for node in range(1, 31)])
    for parent in range(15):
        below = layout.places[2 * parent + 1] + layout.places[2 * parent + 2]
        assert layout.places[parent] == pytest.approx(below / 2)


def test_a_source_stands_just_above_its_only_child() -> None:
    assert layered([[], [0], [1], [2, 4], []]).rows == [0, 1, 2, 3, 2]


def test_crossings_go_where_they_can() -> None:
    ranks = Ranks([[0, 1, 2], [3, 4, 5]], [[], [], [], [2], [1], [0]], [[5], [4], [3], [], [], []])
    assert crossings(ranks) == 3
    untangle(ranks)
    assert crossings(ranks) == 0 and sorted(ranks.layers[1]) == [3, 4, 5]


def test_a_tangle_is_counted_right() -> None:
    chance = random.Random(4)
    down = [[] for _ in range(20)]
    up = [[] for _ in range(20)]
    for _ in range(40):
        one, other = chance.randrange(10), chance.randrange(10, 20)
        down[one].append(other)
        up[other].append(one)
    edges = [(one, other) for one in range(10) for other in down[one]]
    by_hand = sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(edges) for c, d in edges[:i])
    assert crossings(Ranks([list(range(10)), list(range(10, 20))], up, down)) == by_hand


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.1, 9)), min_size=1, max_size=12))
def test_monotone_is_the_nearest(pairs: list[tuple[float, float]]) -> None:
    targets, weights = [t for t, _ in pairs], [w for _, w in pairs]
    found = monotone(targets, weights)
    assert all(a <= b + 1e-9 for a, b in pairwise(found))

    def cost(row: list[float]) -> float:
        return sum(w * (r - t) ** 2 for r, t, w in zip(row, targets, weights, strict=True))

    for split in range(len(found) + 1):  # no step that keeps the order makes it better
        for step in (-0.01, 0.01):
            moved = [r + step if (i >= split) == (step > 0) else r for i, r in enumerate(found)]
            assert cost(found) <= cost(moved) + 1e-9


def chain(size: int) -> list[list[int]]:
    return [[]] + [[node] for node in range(size - 1)]


def tangled(size: int, edges: int, reach: int) -> list[list[int]]:
    chance = random.Random(1)
    parents: list[list[int]] = [[] for _ in range(size)]
    for _ in range(edges):
        node = chance.randrange(1, size)
        parents[node].append(chance.randrange(max(0, node - reach), node))
    return parents


@pytest.mark.slow
@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "parents",
    [
        pytest.param(chain(5_000), id="chain"),
        pytest.param([[] for _ in range(5_000)] + [list(range(5_000))], id="join"),
        pytest.param([[]] + [[0] for _ in range(5_000)], id="fan"),
        pytest.param([[] for _ in range(5_000)], id="apart"),
        pytest.param(tangled(5_000, 20_000, 500), id="tangle"),
        pytest.param([[], *[[0, node] for node in range(5_000)]], id="ladder"),  # 12 million bends in full
    ],
)
def test_large_graphs(parents: list[list[int]]) -> None:
    layout = layered(parents)
    check_layout(parents, layout, [1.0] * len(parents), 1.0)
    assert sum(len(route.bends) for route in layout.routes) <= 40_000


def test_components_of_a_chain_of_many() -> None:
    assert components(chain(20_000)) == [list(range(20_000))]
    assert components([[5], [], [], [2], [], []]) == [[0, 5], [1], [2, 3], [4]]
