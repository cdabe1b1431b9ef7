"""`dsl.query` on the folder of another instance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ramify import DAGExecutionError
from ramify.errors import UnknownRunError
from ramify.pipeline.flow import plan_pipeline, read_result, run_pipeline


def other(dsl: Any) -> Iterator[Any]:
    one = dsl.task("one").outputs(x=int, f=dsl.file("f.txt")).calls('export x=7; echo seven > "$f"')()
    yield one
    yield dsl.task("fails").calls("false")()


def reader(dsl: Any) -> Iterator[Any]:
    for task in dsl.query("*", "../other"):
        yield (
            dsl.task(f"of-{task.key}")
            .inputs(task.outputs.x, task.outputs.f)
            .outputs(said=str)
            .calls('export said="$x $(cat "$f")"')()
        )


def test_completed_tasks_of_another_instance_are_read_and_count_by_content(tmp_path: Path) -> None:
    with pytest.raises(DAGExecutionError):
        run_pipeline(other, tmp_path / "other")
    run_pipeline(reader, tmp_path / "i")
    assert read_result(tmp_path / "i", "of-one").variables == {"said": "7 seven"}
    assert plan_pipeline(reader, tmp_path / "i").will_run() == []
    (tmp_path / "other/output/one/f.txt").write_text("eight")
    assert plan_pipeline(reader, tmp_path / "i").will_run() == ["of-one"]


def test_another_instance_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownRunError, match=r"other is no folder: `ramify run TARGET -pid DIR` makes one"):
        plan_pipeline(reader, tmp_path / "i")
