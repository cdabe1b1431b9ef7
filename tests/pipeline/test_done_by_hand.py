"""Tasks completed by hand are taken over by the next run; what failed runs again when it is mended."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ramify import DAGExecutionError
from ramify.errors import PlanError
from ramify.pipeline import by_hand
from ramify.pipeline.flow import forget_results, prepare, read_result, run_pipeline

Generator = Callable[[Any], Iterator[Any]]

NOTE = 'echo "$__task_key" >> "$__pipeline_instance_dir/ran"; '
NEEDS_OK = '[ -e "$__pipeline_instance_dir/ok" ] || exit 3; '


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "my run"
    folder.mkdir()
    return folder


def ran(here: Path) -> list[str]:
    """The tasks that have run since this was asked."""
    path = here / "ran"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def do_by_hand(here: Path, key: str, *words: str) -> int:
    return by_hand.main([f"{here}/.ramify/{key}", "run", *words])


def two(*, given: str = "a", body: str = NEEDS_OK) -> Generator:
    """One task that fails until there is a file, and one that needs what it made."""

    def flow(dsl: Any) -> Iterator[Any]:
        first = (
            dsl.task("first")
            .inputs(given=given, source=dsl.file("source"))
            .outputs(n=int, f=dsl.file("f"))
            .calls(NOTE + body + 'cat "$source" > "$f"; export n=20')()
        )
        yield first
        yield dsl.task("second").inputs(first.outputs.n).outputs(m=int).calls(NOTE + "export m=$((n + 1))")()

    return flow


@pytest.fixture
def mended(here: Path) -> Path:
    """An instance whose first task failed, and was completed by hand."""
    (here / "source").write_text("one")
    with pytest.raises(DAGExecutionError):
        run_pipeline(two(), here)
    (here / "ok").touch()
    assert do_by_hand(here, "first") == 0
    assert ran(here) == ["first", "first"]
    return here


def test_the_next_run_takes_it_from_there(mended: Path) -> None:
    run_pipeline(two(), mended)
    assert ran(mended) == ["second"]
    assert read_result(mended, "second").variables == {"m": 21}
    run_pipeline(two(), mended)
    assert ran(mended) == []


@pytest.mark.parametrize("change", ["value", "script", "input file", "output", "output gone", "forced"])
def test_it_is_run_again_where_it_is_another_by_now(mended: Path, change: str) -> None:
    flow = two()
    if change == "value":
        flow = two(given="b")
    elif change == "script":
        flow = two(body="true; ")
    elif change == "input file":
        (mended / "source").write_text("two")
    elif change == "output":
        (mended / "output/first/f").write_text("by another hand")
    elif change == "output gone":
        (mended / "output/first/f").unlink()
    else:
        forget_results(mended, ["first"])
    run_pipeline(flow, mended)
    assert ran(mended) == ["first", "second"]
    assert (mended / "output/first/f").read_text() == (mended / "source").read_text()


def test_what_was_complete_and_came_out_otherwise_counts(mended: Path) -> None:
    run_pipeline(two(body=""), mended)
    ran(mended)
    (mended / "source").write_text("two")
    assert do_by_hand(mended, "first") == 0
    run_pipeline(two(body=""), mended)
    assert ran(mended) == ["first"]
    assert (mended / "output/first/f").read_text() == "two"


def test_what_fails_by_hand_is_not_complete_any_more(mended: Path) -> None:
    run_pipeline(two(), mended)
    (mended / "ok").unlink()
    assert do_by_hand(mended, "first") == 1
    with pytest.raises(DAGExecutionError, match="failed at step 0 in an earlier run"):
        run_pipeline(two(), mended)


def test_tasks_that_were_only_prepared_can_be_run_by_hand(here: Path) -> None:
    (here / "source").write_text("one")
    (here / "ok").touch()
    prepare(two(), here)
    with pytest.raises(PlanError, match="takes n from task 'first', which is not completed"):
        by_hand.task_now(f"{here}/.ramify/second")
    assert do_by_hand(here, "first") == 0
    prepare(two(), here)
    assert do_by_hand(here, "second") == 0
    assert ran(here) == ["first", "second"]
    run_pipeline(two(), here)
    assert ran(here) == []
    assert read_result(here, "second").variables == {"m": 21}


def module_flow(here: Path, body: str) -> Generator:
    """A task whose function is in a module beside the instance.

    Each `body` is of another length, or Python may take the bytecode of one for the other's.
    """
    name = f"stages_{abs(hash(here))}"
    (here.parent / f"{name}.py").write_text(
        f"from ramify.pipeline import python_call\n\n@python_call()\ndef act() -> int:\n{body}"
    )
    importlib.invalidate_caches()
    module = importlib.import_module(name) if name not in sys.modules else importlib.reload(sys.modules[name])

    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("python").outputs(n=int).calls(module.act)()

    return flow


def test_a_python_task_by_hand_is_taken_over(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(here.parent))
    note = f"    open({str(here / 'ran')!r}, 'a').write('python ')\n"
    flow = module_flow(here, note + "    return {'n': 5}\n")
    prepare(flow, here)
    assert do_by_hand(here, "python") == 0
    run_pipeline(flow, here)
    assert ran(here) == ["python"]
    run_pipeline(module_flow(here, note + "    return {'n': 66}\n"), here)
    assert ran(here) == ["python"] and read_result(here, "python").variables == {"n": 66}


# ---- what failed in an earlier run


def test_what_failed_is_not_tried_again_as_it_is(here: Path) -> None:
    (here / "source").write_text("one")
    for _ in range(2):
        with pytest.raises(DAGExecutionError):
            run_pipeline(two(), here)
    assert ran(here) == ["first"]


@pytest.mark.parametrize("change", ["value", "script", "input file"])
def test_what_failed_runs_again_when_it_is_another(here: Path, change: str) -> None:
    (here / "source").write_text("one")
    with pytest.raises(DAGExecutionError):
        run_pipeline(two(), here)
    (here / "ok").touch()
    flow = two()
    if change == "value":
        flow = two(given="b")
    elif change == "script":
        flow = two(body="true; ")
    else:
        (here / "source").write_text("two")
    run_pipeline(flow, here)
    assert ran(here) == ["first", "first", "second"]


def test_what_failed_runs_again_when_what_it_takes_is_another(here: Path) -> None:
    def flow_of(n: int) -> Generator:
        def flow(dsl: Any) -> Iterator[Any]:
            one = dsl.task("one").outputs(n=int).calls(f"export n={n}")()
            yield one
            yield dsl.task("two").inputs(one.outputs.n).calls(NOTE + "[ $n -gt 1 ]")()

        return flow

    with pytest.raises(DAGExecutionError):
        run_pipeline(flow_of(1), here)
    run_pipeline(flow_of(2), here)
    assert ran(here) == ["two", "two"]


@pytest.mark.slow
def test_what_failed_runs_again_when_its_function_is_mended(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(here.parent))
    with pytest.raises(DAGExecutionError):
        run_pipeline(module_flow(here, "    return {'n': 1 // 0}\n"), here)
    run_pipeline(module_flow(here, "    return {'n': 10 // 10}\n"), here)
    assert read_result(here, "python").variables == {"n": 1}
