"""Failures by kind, and restarting one kind of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_calls import Call
from pipeline_project import states

from ramify.show.triage import by_signature, mask

MANY = """
def flow(dsl):
    for i in range(60):
        word = ["missing file '/data/in.%d.txt'", "bad value 0x%xff at line 3", "exit"][i % 3]
        text = word % i if "%" in word else f"code {i}"
        yield dsl.task(f"t.{i}").outputs(n=int).calls(f'''
            export n=1
            if [ ! -e "$__pipeline_instance_dir/mended.{i % 3}" ]; then
              echo "{text}"
              exit {3 if i % 3 < 2 else 4}
            fi
        ''')()
    yield dsl.task("good").calls("true")()
"""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no '/a/b c.txt' here", "no '/x/y z.txt' here"),
        ("line 17, column 3", "line 4, column 123"),
        ("cannot open /data/run1/in.txt: no", "cannot open /other/x: no"),
        ("object at 0x7f00ab", "object at 0x1234ff"),
        ("commit 1f2e3d4c5b is bad", "commit abcdef0123 is bad"),
        ('key "left" unknown', 'key "right" unknown'),
        ("took 1.5e-3 s", "took 20 s"),
    ],
)
def test_what_differs_from_job_to_job_is_masked(one: str, other: str) -> None:
    assert mask(one) == mask(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("exit code 3", "exit code 4"), ("SIGKILL", "SIGTERM"), ("no such file", "no such value")],
)
def test_what_is_another_failure_stays_another(one: str, other: str) -> None:
    assert mask(one) != mask(other)


def test_the_most_frequent_kind_is_the_first() -> None:
    kinds = by_signature([("a", "x"), ("b", "y 1"), ("c", "y 2"), ("d", "w")])
    assert [(kind.number, kind.keys) for kind in kinds] == [(1, ("b", "c")), (2, ("d",)), (3, ("a",))]


@pytest.mark.slow
def test_one_kind_alone_is_restarted(call: Call, project: Path) -> None:
    (project / "many.py").write_text(MANY)
    ended = call("run", "many.py:flow", "-pid", "i", "-q")
    assert ended.code == 1 and ended.err.count("and 19 more failed alike") == 3
    told = call("status", "-pid", "i", "--json").document
    assert [(kind["number"], kind["count"]) for kind in told["signatures"]] == [(1, 20), (2, 20), (3, 20)]
    by_text = {kind["signature"]: kind for kind in told["signatures"]}
    (bad,) = [kind for text, kind in by_text.items() if "bad value <hex> at line <n>" in text]
    assert sorted(bad["keys"]) == sorted(f"t.{i}" for i in range(60) if i % 3 == 1)
    report = call("status", "-pid", "i", "--failed").out
    assert report.count("✗ ") == 3 and f"--signature {bad['number']}" in report
    before = _begun(project / "i")
    (project / "i" / "mended.1").touch()
    again = call("restart", "-pid", "i", "--signature", str(bad["number"]))
    assert again.code == 0, again.err
    now = states(project / "i")
    assert {key for key, state in now.items() if state == "completed"} == {"good", *bad["keys"]}
    begun = _begun(project / "i")
    assert {key for key in begun if begun[key] > before[key]} == set(bad["keys"])
    left = call("status", "-pid", "i", "--json").document["signatures"]
    assert [kind["count"] for kind in left] == [20, 20]
    assert call("restart", "-pid", "i", "--signature", "3").code == 2


def _begun(instance: Path) -> dict[str, int]:
    """How often each task has begun."""
    logs = instance.glob(".ramify/*/ramify.log")
    return {log.parent.name: log.read_text().count("step-started.0") for log in logs}


def test_failures_of_a_graph_are_told_by_kind_too(call: Call, project: Path) -> None:
    (project / "graph.py").write_text(
        "from ramify import DAG, Job\n"
        "def bad(i):\n    raise [ValueError, KeyError][i % 2](f'no {i} in /x/{i}')\n"
        "dag = DAG({str(i): Job(bad, {'i': i}) for i in range(6)})\n"
    )
    assert call("run", "graph.py", "-k", "--mode", "thread").code == 1
    kinds = call("status", "latest", "--json").document["signatures"]
    assert [kind["count"] for kind in kinds] == [3, 3]
    assert "✗ 2  3 jobs" in call("status", "latest", "--failed").out
