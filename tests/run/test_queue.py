"""What may start next, and what has to wait for what it asks for."""

from ramify.run.queue import ReadyQueue
from ramify.run.ranks import heights, ranks


def drain(queue: ReadyQueue) -> list[int]:
    out = []
    while (node := queue.pop()) is not None:
        out.append(node)
    return out


def test_nodes_come_by_rank() -> None:
    queue = ReadyQueue(ranks(["b", "a", "g/10", "g/9"], [(), (), (), ()], by_path=False))
    for node in range(4):
        queue.push(node)
    assert drain(queue) == [1, 0, 3, 2]
    assert not queue


def test_a_node_that_does_not_fit_lets_others_pass_and_comes_when_it_fits() -> None:
    queue = ReadyQueue(limits={"cores": 2.0, "gpu": 1.0})
    queue.demands = {0: (("cores", 2.0),), 1: (("cores", 1.0),), 2: (("gpu", 1.0),), 3: (("gpu", 1.0),)}
    for node in range(5):
        queue.push(node)
    taken = []
    for _ in range(3):
        node = queue.pop()
        assert node is not None
        queue.hold(node)
        taken.append(node)
    assert taken == [0, 2, 4]
    assert queue.pop() is None
    assert queue
    queue.release(0)
    assert drain(queue) == [1]
    queue.release(2)
    assert drain(queue) == [3]


def test_a_resource_without_a_limit_is_free() -> None:
    queue = ReadyQueue(limits={})
    queue.demands = {0: (("licence", 3.0),)}
    queue.push(0)
    assert queue.pop() == 0


def test_nodes_that_came_later_rank_by_number() -> None:
    queue = ReadyQueue([1, 0])
    for node in (3, 2, 1, 0):
        queue.push(node)
    assert drain(queue) == [1, 0, 2, 3]


def test_the_longest_way_goes_first() -> None:
    parents: list[tuple[int, ...]] = [(), (), (1,), (2,)]
    assert heights(parents) == [0, 2, 1, 0]
    assert ranks(["a", "b", "c", "d"], parents, by_path=True) == [2, 0, 1, 3]
