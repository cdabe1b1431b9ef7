"""Every example of the reference of task graphs (`dag.DAG`, `dag.Node`), which has five.

The reference lost its line breaks: what stands on one line there are two statements. Only the import is
changed. What an example lacks in itself (a function for `Node()`, a `compute()` before results are asked for)
is put in, and that what was there is refused by name is tested beside it.
"""

from __future__ import annotations

from typing import Any

import pytest

from ramify import NotStartedError, dag
from ramify.dag import DAG, Mode, Node, Status

GUARD = 30.0


def one() -> int:
    return 1


def test_end_nodes() -> None:
    """`dag = DAG() dag.add_node(Node())`, then `end_nodes = dag.end_nodes()`."""
    graph = DAG()
    with pytest.raises(TypeError, match="func"):
        graph.add_node(Node())  # type: ignore[call-arg]  # as it stands there
    node: Node[int] = Node(one)
    assert graph.add_node(node) is node and node.dag is graph
    assert graph.end_nodes() == [node] == graph.find_end_nodes()


def test_end_results() -> None:
    """`dag.add_node(Node())`, then `end_results = dag.end_results()`: it would wait for a graph that nobody
    started.
    """
    graph = DAG()
    node: Node[int] = graph.add_node(Node(one))
    with pytest.raises(NotStartedError, match=r"compute\(\)"):
        graph.end_results()
    graph.compute()
    assert graph.end_results() == {node.id: 1}


def test_end_results_by_name() -> None:
    """`dag.add_node(Node())`, then `end_results = dag.end_results_by_name()`."""
    graph = DAG()
    graph.add_node(Node(one, name="first"))
    graph.add_node(one, name="second")
    with pytest.raises(NotStartedError, match=r"compute\(\)"):
        graph.end_results_by_name()
    graph.compute()
    assert graph.end_results_by_name() == {"first": 1, "second": 1}


def test_a_stage() -> None:
    """`NodeA = graph.submit()` and `NodeB = graph.submit_udf_stage(..., expand_node_output=NodeA,
    str_arg=NodeA)`: `submit` lacks its function, and `...` stands for one.
    """

    def names() -> list[str]:
        return ["north", "south"]

    def shout(mark: str, str_arg: str) -> str:
        return str_arg.upper() + mark

    graph = DAG(max_workers=4)
    with pytest.raises(TypeError, match="func"):
        graph.submit()  # type: ignore[call-arg]  # as it stands there
    node_a = graph.submit(names)
    node_b = graph.submit_udf_stage(shout, "!", expand_node_output=node_a, str_arg=node_a)
    graph.compute()
    assert node_b.result(GUARD) == ["NORTH!", "SOUTH!"]
    assert list(node_b.parents.values()) == [node_a] and graph.end_nodes() == [node_b]


def test_submit_on_the_class() -> None:
    """`NodeA = DAG.submit(...)`, in the text: a method of a graph is meant, which lacks an argument then."""
    with pytest.raises(TypeError, match="func"):
        DAG.submit("north".upper)  # type: ignore[call-arg,arg-type]  # as it stands there
    graph = DAG()
    node_a = DAG.submit(graph, "north".upper)
    graph.compute()
    assert node_a.result(GUARD) == "NORTH"


# ---- what the reference says of the rest

ATTRIBUTES = """
cancelled_nodes completed_nodes deadline failed_nodes id max_workers mode name namespace nodes nodes_by_name
not_started_nodes retry_strategy running_nodes server_graph_uuid status use_processes visualization
workflow_retry_strategy
"""
METHODS = """
add_done_callback add_node add_node_obj add_update_callback cancel compute end_nodes end_results
end_results_by_name find_end_nodes get_tiledb_plot_node_details initial_setup report_node_complete retry_all
stats submit_array_udf submit_local submit_sql submit_udf submit_udf_stage visualize wait
"""
NODE_ATTRIBUTES = "args children dag error future id kwargs mode name parents status"
NODE_METHODS = """
add_done_callback cancel cancelled depends_on exception result retry running task_id wait
"""


def test_every_name_of_the_reference_is_there() -> None:
    graph = DAG()
    node = graph.submit(one)
    assert [name for name in ATTRIBUTES.split() if not hasattr(graph, name)] == []
    assert [name for name in METHODS.split() if not callable(getattr(graph, name))] == []
    assert [name for name in NODE_ATTRIBUTES.split() if not hasattr(node, name)] == []
    assert [name for name in NODE_METHODS.split() if not callable(getattr(node, name))] == []


def test_the_constructor_takes_its_arguments_in_that_order() -> None:
    told: list[str] = []

    def tell_done(_: Any) -> None:
        told.append("done")

    def tell_update(_: Any) -> None:
        told.append("update")

    graph = DAG(2, False, tell_done, tell_update, "mine", "sales", Mode.REALTIME, None, None, 60)
    assert (graph.max_workers, graph.use_processes, graph.namespace) == (2, False, "mine")
    assert (graph.name, graph.mode, graph.deadline) == ("sales", Mode.REALTIME, 60)
    assert (graph.retry_strategy, graph.workflow_retry_strategy, graph.visualization) == (None, None, None)
    graph.submit(one)
    graph.compute()
    graph.wait(GUARD)
    assert told == ["update", "update", "done"] and graph.status is Status.COMPLETED


def test_the_module_has_the_names_of_the_module() -> None:
    assert (dag.DAG, dag.Node, dag.Mode, dag.Status) == (DAG, Node, Mode, Status)
