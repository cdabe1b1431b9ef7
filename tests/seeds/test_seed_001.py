"""What the page of the system for graphs that are not known beforehand tells, in four stories and two laws.

The page has no code. Each story is told here in words of this package, once in memory and once on disk, where
the story has an end that can be looked at. The stories are the page's, the functions are ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, CycleError, Extend, GraphError, GrowthError, Job, Rule, Status, after, closed

GUARD = 30.0

Ending = Callable[[DAG], dict[str, Any]]


def in_memory(dag: DAG) -> dict[str, Any]:
    """Runs the graph in this process; what came of it, by key."""
    dag.compute()
    dag.wait(GUARD)
    return {node.key: node.result() for node in dag.nodes.values()}


@pytest.fixture(params=["memory", "disk"])
def ending(request: pytest.FixtureRequest, tmp_path: Path) -> Ending:
    """How a story is run, both ways."""
    if request.param == "memory":
        return in_memory

    def on_disk(dag: DAG) -> dict[str, Any]:
        found = dag.evaluate(tmp_path / "run", execution_mode="thread")
        return dict(flat(found, ""))

    return on_disk


def flat(outputs: Any, above: str) -> Any:
    """The outputs of a run by whole keys."""
    for key, value in outputs.items():
        if hasattr(value, "items"):
            yield from flat(value, f"{above}{key}/")
        else:
            yield f"{above}{key}", value


# ---- "node A could be downloading a list of files, which can be processed in parallel"


def download(count: int) -> list[str]:
    return [f"file-{n}.txt" for n in range(count)]


def process(file: str) -> int:
    return len(file)


def reduce_all(sizes: list[int]) -> int:
    return sum(sizes)


def one_node_per_file(view: Any) -> None:
    sizes = [
        view.submit(process, file, name=f"node_file/{n}", depends_on=view["A"])
        for n, file in enumerate(view["A"].result, 1)
    ]
    view.submit(reduce_all, sizes, name="reduce")


@pytest.mark.parametrize("count", [0, 1, 12])
def test_a_list_of_files_is_mapped_and_reduced(count: int, ending: Ending) -> None:
    """How many files there are is known when A has run; the reduce step comes with the map step."""
    dag = DAG({"A": Job(download, {"count": count})})
    dag.add_rule(after("A"), one_node_per_file)
    found = ending(dag)
    files = download(count)
    assert found["A"] == files and found["reduce"] == sum(map(len, files))
    assert {key for key in found if key.startswith("node_file/")} == {
        f"node_file/{n}" for n in range(1, count + 1)
    }


def test_each_file_depends_on_the_list() -> None:
    dag = DAG({"A": Job(download, {"count": 3})})
    dag.add_rule(after("A"), one_node_per_file)
    in_memory(dag)
    nodes = dag.nodes_by_name
    for n in (1, 2, 3):
        assert [p.name for p in nodes[f"node_file/{n}"].parents.values()] == ["A"]
        assert [c.name for c in nodes[f"node_file/{n}"].children.values()] == ["reduce"]


# ---- "merges all these individual PDF files": wait until none is possible any more


def write_pdf(page: str) -> str:
    return f"%PDF {page}"


def merge_pdfs(pages: list[str]) -> str:
    return "+".join(sorted(page.removeprefix("%PDF ") for page in pages))


def chapters() -> list[str]:
    return ["intro", "results"]


def plots_of_chapters(view: Any) -> None:
    """A producer that the merge knows nothing of. It adds another one, of which nobody else knows."""
    for chapter in view["chapters"].result:
        view.submit(write_pdf, chapter, name=f"print/{chapter}", tags=["pdf"], depends_on=view["chapters"])
    view.add_rule(after("print/results"), add_appendix, name="appendix", may_add="pdf")


def add_appendix(view: Any) -> None:
    view.submit(write_pdf, "appendix", name="appendix", tags=["pdf"], depends_on=view["print/results"])


def merge_them(view: Any) -> None:
    view.submit(merge_pdfs, view.nodes("pdf"), name="merged")


@pytest.mark.parametrize("merge_is_first", [True, False])
def test_all_pdfs_are_merged_once_no_more_can_come(merge_is_first: bool, ending: Ending) -> None:
    """No node knows where else PDFs are made, and the merge has all of them, wherever its rule stands."""
    dag = DAG({"cover": Job(write_pdf, {"page": "cover"}, tags=["pdf"]), "chapters": Job(chapters)})
    rules = [
        Rule(after("chapters"), plots_of_chapters, name="producer", may_add="pdf"),
        Rule(closed("pdf"), merge_them, name="merge", may_add="merged"),
    ]
    for rule in reversed(rules) if merge_is_first else rules:
        dag.add_rule(rule)
    assert ending(dag)["merged"] == "appendix+cover+intro+results"


def test_no_pdf_at_all_is_merged_too(ending: Ending) -> None:
    dag = DAG({"chapters": Job(chapters)})
    dag.add_rule(closed("pdf"), merge_them, name="merge", may_add="merged")
    assert ending(dag)["merged"] == ""


# ---- "wait until a certain number of nodes are present in the DAG"


def test_a_certain_number_of_nodes() -> None:
    """The rule holds as soon as there are so many, whoever added them. It does not wait for their ends."""
    dag = DAG({"seed": Job(int)})

    def grow(number: int) -> Rule:
        def body(view: Any) -> None:
            view.submit(int, name=f"sample/{number}")
            if number < 4:
                view.add_rule(grow(number + 1))

        return Rule(after(f"sample/{number - 1}" if number else "seed"), body, name=f"grow {number}")

    seen: list[int] = []
    dag.add_rule(grow(0))
    dag.add_rule(lambda view: view.count("sample") >= 3, lambda view: seen.append(view.count("sample")))
    in_memory(dag)
    assert len(seen) == 1 and 3 <= seen[0] <= 5
    assert dag.nodes_by_name["sample/4"].status is Status.COMPLETED


# ---- "select a certain set of nodes by their unique id (useful to attach a sub-DAG to a existing node ...)"


def double(x: int) -> int:
    return 2 * x


def test_a_sub_dag_is_attached_to_a_node_by_its_id() -> None:
    dag = DAG()
    existing = dag.submit(double, 4, name="existing")
    other = dag.submit(double, 1, name="other")
    inside = DAG({"first": Job(double, {"x": 1})})
    inside["second"] = Job(double, {"x": inside["first"]})
    wanted = (existing.id, other.id)

    def has_both(view: Any) -> bool:
        return all(one in view and view[one].succeeded for one in wanted)

    dag.add_rule(has_both, lambda view: view.attach(inside, under=view[existing.id].key))
    assert in_memory(dag)["existing/second"] == 4
    first, second = dag.nodes_by_name["existing/first"], dag.nodes_by_name["existing/second"]
    assert list(first.parents.values()) == [existing] and list(second.parents.values()) == [first]


def attach_from_within(x: int) -> Extend:
    inside = DAG({"half": Job(double, {"x": x})})
    return Extend(inside, inside["half"])


def test_a_sub_dag_is_attached_from_within_the_node(ending: Ending) -> None:
    dag = DAG({"node": Job(attach_from_within, {"x": 5}, may_add=())})
    dag["next"] = Job(double, {"x": dag["node"]})
    assert ending(dag)["next"] == 20


# ---- "we can only allow queries on the structure of the DAG as well as append operations"


def test_nodes_are_queried_and_appended_and_never_removed() -> None:
    asked: list[Any] = []

    def query(view: Any) -> bool:
        asked.append((sorted(view.edges()), [node.key for node in view.nodes()], view.open_rules))
        return bool(view.succeeded("b"))

    def remove(view: Any) -> None:
        view.submit(int, name="c")
        del view["a"]

    dag = DAG()
    a = dag.submit(int, name="a")
    dag.submit(double, a, name="b")
    dag.add_rule(query, remove, name="remover")
    dag.compute()
    with pytest.raises(GrowthError, match="a graph only grows"):
        dag.wait(GUARD)
    assert asked[-1] == ([("a", "b")], ["a", "b"], ["remover"])
    assert set(dag.nodes_by_name) == {"a", "b"}, "of the body that tried nothing is left"
    for name in ("__delitem__", "pop", "clear", "remove", "remove_node"):
        assert not hasattr(dag, name)


# ---- "the only valid edges that you can dynamically add are ones that point away from existing nodes"


def to_a_running_node(view: Any) -> None:
    view["running"].depends_on(view.submit(int, name="new"))


def in_a_circle(view: Any) -> None:
    one = view.submit(int, name="one")
    one.depends_on(view.submit(double, one, name="two"))


@pytest.mark.parametrize(("body", "error"), [(to_a_running_node, GraphError), (in_a_circle, CycleError)])
def test_edges_point_away_from_nodes_that_are_there(
    body: Callable[[Any], None], error: type[Exception]
) -> None:
    reader, writer = os.pipe()
    dag = DAG()
    dag.submit(int, name="there")
    dag.submit(os.read, reader, 1, name="running")

    def attempt(view: Any) -> None:
        try:
            body(view)
        finally:
            os.write(writer, b".")

    dag.add_rule(after("there"), attempt, name="wrong")
    dag.compute()
    try:
        with pytest.raises(error):
            dag.wait(GUARD)
    finally:
        os.close(reader)
        os.close(writer)
    assert set(dag.nodes_by_name) == {"there", "running"}


# ---- "the list of rules is iterated to extend the DAG where possible": append-only rules


def test_rules_are_an_append_only_record() -> None:
    dag = DAG()
    dag.submit(int, name="first")
    never = dag.add_rule(after("nobody"), lambda view: None, name="never")
    second = dag.add_rule(
        after("first"),
        lambda view: view.add_rule(after("first"), lambda view: view.submit(int, name="last"), name="third"),
        name="second",
    )
    with pytest.warns(UserWarning, match="'never' waits for nodes 'nobody'"):
        dag.compute()
        dag.wait(GUARD)
    assert [rule.name for rule in dag.applied_rules] == ["second", "third"]
    assert dag.applied_rules[0] is second and list(dag.rules) == [never]
    assert dag.nodes_by_name["last"].result() == 0
