"""Targets: what they lead to, and what is said of those that lead to nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ramify.cli.target import load_target
from ramify.dag.draft import DAG
from ramify.dag.grid import ParametrizedJob
from ramify.errors import TargetError

HEAD = "from ramify import DAG, Job, ParametrizedJob\ndef f(x=1): return x\n"


@pytest.fixture(autouse=True)
def own_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith("ramify"):
            del sys.modules[name]


def write(text: str, name: str = "a_flow.py") -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(HEAD + text)
    return name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("only = DAG()", ""),
        ("only = again = DAG()", ""),
        ("dag = DAG(); other = DAG()", ""),
        ("grid = ParametrizedJob(f, ['x'], [(1,)]); d = DAG()", ""),
        ("def dag(): return DAG()", ""),
        ("one = DAG(); two = DAG()", ":two"),
        ("def make(n=3): return DAG()", ":make"),
        ("class Box:\n    dag = DAG()", ":Box.dag"),
    ],
)
def test_a_dag_is_found(text: str, name: str) -> None:
    assert type(load_target(write(text) + name)) is DAG


def test_a_grid_is_found() -> None:
    assert type(load_target(write("g = ParametrizedJob(f, ['x'], [(1,)])"))) is ParametrizedJob


def test_a_module_is_found_in_the_current_folder() -> None:
    write("dag = DAG()", "pack/flows.py")
    assert type(load_target("pack.flows:dag")) is DAG


def test_functions_of_a_file_elsewhere_can_be_imported_by_workers() -> None:
    dag = load_target(write("dag = DAG(nodes={'a': Job(f, {})})", "sub/b_flow.py"))
    assert isinstance(dag, DAG)
    assert dag["a"].func.__module__ == "b_flow"  # type: ignore[union-attr]  # it is a Job
    assert sys.path[0].endswith("sub")


def test_a_file_named_like_a_module_that_is_loaded_still_runs() -> None:
    import json

    dag = load_target(write("dag = DAG(nodes={'a': Job(f, {})})", "json.py"))
    assert dag["a"].func() == 1  # type: ignore[union-attr]  # it is a Job
    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("one = DAG(); two = DAG()", "a_flow.py", "a_flow.py:one or a_flow.py:two"),
        ("dag = DAG()", "a_flow.py:nope", "a_flow.py has no 'nope'; it has dag"),
        ("x = 1", "a_flow.py", "no graph in a_flow.py; it has f"),
        ("", "b_flow.py", "there is no file b_flow.py"),
        ("", "b_flow", "no module 'b_flow'"),
        ("", "a_flow", "there is no graph in a_flow"),
        ("def g(a, *, b): return DAG()", "a_flow.py:g", "needs a, b"),
        ("job = Job(f, {})", "a_flow.py:job", "put the job into a DAG"),
        ("def g(): return 3", "a_flow.py:g", "is a int"),
        ("", "json:dumps", "needs obj"),
    ],
)
def test_what_leads_nowhere_is_told(text: str, target: str, words: str) -> None:
    write(text)
    with pytest.raises(TargetError) as caught:
        load_target(target)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "target", "words", "line"),
    [
        ("def inner(): 1 / 0\ninner()", "a_flow.py", "ZeroDivisionError", "line 3, in inner"),
        ("import nope_not_there", "a_flow.py", "No module named 'nope_not_there'", "line 3"),
        ("import nope_not_there", "a_flow:dag", "No module named 'nope_not_there'", "line 3"),
        ("raise SystemExit(3)", "a_flow.py", "SystemExit: 3", "line 3"),
        ("def g(): return {}['a']", "a_flow.py:g", "calling a_flow.py:g failed: KeyError", "in g"),
        ("oh no", "a_flow.py", "SyntaxError", "line 3"),
    ],
)
def test_errors_in_the_file_are_shown_from_the_users_frame(
    text: str, target: str, words: str, line: str
) -> None:
    write(text)
    with pytest.raises(TargetError, match="failed") as caught:
        load_target(target)
    told = str(caught.value) + caught.value.traceback_text  # type: ignore[attr-defined]  # a fact
    assert words in told and line in told
    assert "importlib" not in told and "cli/target.py" not in told
