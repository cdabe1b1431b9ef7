"""Rules as a person at a terminal meets them: failures, what never fired, why, plans, and stepping."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

pytestmark = pytest.mark.e2e

RAMIFY = [sys.executable, "-m", "ramify"]

FLOW = """
import os
from ramify import DAG, Job, after, closed

def listing() -> list[str]:
    return ["a", "bb"]

def size(text: str) -> int:
    return len(text)

def total(sizes: list[int]) -> int:
    return sum(sizes)

dag = DAG({"files": Job(listing)})

@dag.rule(after("files"), may_add=["part", "size"])
def each(view):
    if os.path.exists("broken"):
        raise ValueError("no such thing")
    for name in view["files"].result:
        view.submit(size, name, name=f"size/{name}", tags=["part"])

@dag.rule(closed("part"), may_add="total")
def merge(view):
    view.submit(total, view.nodes("part"), name="total")

@dag.rule(after("never"), may_add="x")
def idle(view):
    pass
"""

IDLE = "waits for nodes 'never', of which there are none"


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ramify(*words: str, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RAMIFY, *words], capture_output=True, text=True, timeout=60, input=typed)


def document(*words: str) -> Any:
    return json.loads(ramify(*words, "--json").stdout)


def rule_of(name: str) -> Any:
    return next(rule for rule in document("status")["rules"] if rule["name"] == name)


def test_a_rule_that_fails_is_told_like_a_job(flow: Path) -> None:
    (flow / "broken").touch()
    done = ramify("run", "flow.py", "-o", "exp", "--name", "calm-otter")
    assert done.returncode == 1
    block = done.stderr[done.stderr.index("✗ rule each failed") :]
    assert "error  ValueError: no such thing" in block
    assert 'flow.py", line 19, in each' in block and "rule_book" not in block
    assert "next   ramify why each --run calm-otter" in block
    assert "1 of 2 jobs done" not in block and "1 rule failed" in block
    assert "@rules" not in done.stderr + done.stdout
    told = ramify("status", "latest", "--failed").stdout
    assert "✗  rule each  ValueError: no such thing" in told and "@rules" not in told
    assert rule_of("each")["failure"]["type"] == "ValueError" and rule_of("each")["state"] == "failed"
    assert document("status")["failed"] == []
    logs = ramify("logs", "latest", "each")
    assert logs.returncode == 0 and "the rule 'each' failed: ValueError" in logs.stdout
    assert "==> rule each (failed) <==" in ramify("logs").stdout
    assert ramify("why", "each").stdout.splitlines()[1] == "the rule 'each' failed: ValueError: no such thing"


def test_what_a_failed_rule_might_have_fed_goes_on_with_a_warning(flow: Path) -> None:
    (flow / "broken").touch()
    done = ramify("run", "flow.py", "-o", "exp")
    told = "rule 'each' failed: what waits for closed('part') goes on without what it would have added"
    lines = [line for line in done.stderr.splitlines() if told in line]
    assert len(lines) == 1 and lines[0].endswith(f" warning: {told}")
    assert ".py:" not in done.stderr and "RamifyWarning" not in done.stderr


def test_a_failed_rule_is_tried_again(flow: Path) -> None:
    (flow / "broken").touch()
    (flow / "flow.py").write_text(FLOW.replace('@dag.rule(closed("part")', '@dag.rule(after("size/bb")'))
    assert ramify("run", "flow.py", "-o", "exp").returncode == 1
    (flow / "broken").unlink()
    done = ramify("retry", "latest", "each")
    assert done.returncode == 0, done.stderr
    assert rule_of("each")["state"] == "fired" and rule_of("each")["added"] == ["size/a", "size/bb"]
    assert document("show", "latest", "total")["value"] == 3


def test_rules_that_never_fired_are_listed_at_the_end(flow: Path) -> None:
    done = ramify("run", "flow.py", "-o", "exp")
    assert done.returncode == 0
    assert f"warning: 1 rule never fired: 'idle' {IDLE}" in done.stderr
    assert f"rule idle never fired: {IDLE}" in ramify("status").stdout.splitlines()
    assert rule_of("idle") == {
        "name": "idle",
        "state": "unfired",
        "ended": None,
        "added": [],
        "added_rules": [],
        "added_by": None,
        "waits_for": IDLE,
        "failure": None,
    }
    journal = next((flow / "exp/run").glob("*/journal.jsonl")).read_text().splitlines()
    assert json.loads(journal[-1])[1]["unfired"] == {"idle": IDLE}


def test_why_tells_of_rules_and_of_who_added_a_job(flow: Path) -> None:
    assert ramify("run", "flow.py", "-o", "exp", "-q").returncode == 0
    fired = ramify("why", "rule each").stdout.splitlines()
    assert fired[1] == "the rule 'each' has fired: it added size/a and size/bb"
    assert fired[2].split()[0] == "at"
    assert ramify("why", "idle").stdout.splitlines()[1] == f"the rule 'idle' never fired: it {IDLE}"
    assert "  added by rule merge" in ramify("why", "total").stdout.splitlines()
    assert document("why", "total")["jobs"][0]["added_by"] == "rule merge"
    assert document("why", "files")["jobs"][0]["added_by"] is None
    assert document("why", "merge")["jobs"][0]["rule"]["added"] == ["total"]


def test_a_plan_says_what_may_grow(flow: Path) -> None:
    done = ramify("plan", "flow.py", "-o", "exp")
    assert done.stdout.splitlines() == [
        "RUN    files  it has no output",
        "may grow: rules each, merge, idle",
        "",
        "1 RUN",
    ]
    told = document("plan", "flow.py", "-o", "exp")
    assert told["may_grow"] == {"rules": ["each", "merge", "idle"], "jobs": []}
    assert [job["job_id"] for job in told["jobs"]] == ["files"]


def test_a_strict_run_fails_for_a_rule_that_never_fired(flow: Path) -> None:
    done = ramify("run", "flow.py", "-o", "exp", "--strict")
    assert done.returncode == 1
    assert "✗ rule idle failed" in done.stderr and "UnfiredRule: the rule 'idle' never fired" in done.stderr
    assert "4 of 4 jobs done, 1 rule failed" in done.stderr


def test_rules_that_wait_for_each_other_fail_with_both_names(flow: Path) -> None:
    (flow / "flow.py").write_text(
        "from ramify import DAG, Job, closed\n"
        "dag = DAG({'a': Job(int)})\n"
        "dag.add_rule(closed('x'), print, name='one', may_add='y')\n"
        "dag.add_rule(closed('y'), print, name='other', may_add='x')\n"
    )
    done = ramify("run", "flow.py", "-o", "exp")
    assert done.returncode == 1
    assert "✗ rule one failed, and 1 more like it" in done.stderr and "RuleDeadlock" in done.stderr


def test_a_run_with_few_growths_goes_on_with_all(flow: Path) -> None:
    done = ramify("run", "flow.py", "-o", "exp", "--max-growths", "1", "--name", "calm-otter")
    assert done.returncode == 0 and "3 of 3 jobs done" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["grow", "ramify", "step", "calm-otter"]
    assert "rule merge never fired: waits for leave to grow" in ramify("status").stdout
    assert "ramify step" not in ramify("resume").stdout
    assert document("show", "latest", "total")["value"] == 3


def test_so_many_growths_at_a_time(flow: Path) -> None:
    assert ramify("run", "flow.py", "-o", "exp", "--max-growths", "0").returncode == 0
    assert "3 of 3 jobs done" in ramify("step", "-N", "1").stdout
    assert "4 of 4 jobs done" in ramify("step", "-N", "1").stdout
    assert ramify("step", "-N", "1", "--starts").returncode == 2


# ---- step by step, with somebody at the keyboard


def stepped(*answers: str, words: tuple[str, ...] = ()) -> tuple[list[str], str, int]:
    """What was asked, what was said after the last answer, and the exit code; `^C` interrupts."""
    env = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    child = pexpect.spawn(
        RAMIFY[0], [*RAMIFY[1:], "step", *words], env=env, timeout=60, encoding="utf-8", dimensions=(40, 200)
    )
    asked = []
    for answer in answers:
        child.expect(r"([^\r\n]*) \[y/n/l/q\] ")
        asked.append(str(child.match.group(1)))
        if answer == "^C":
            child.sendintr()
        elif answer == "^D":
            child.sendeof()
        else:
            child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    return asked, str(child.before), int(child.exitstatus)


@pytest.fixture
def begun(flow: Path) -> Path:
    assert ramify("run", "flow.py", "-o", "exp", "--max-growths", "0").returncode == 0
    return flow


EACH, MERGE = "each adds size/a, size/bb", "merge adds total"


def test_every_growth_is_asked_about(begun: Path) -> None:
    asked, rest, code = stepped("y", "y")
    assert (asked, code) == ([EACH, MERGE], 0)
    assert "4 of 4 jobs done" in rest and "\x1b[" not in rest


def test_a_growth_that_is_put_off_is_waited_for(begun: Path) -> None:
    asked, rest, code = stepped("l", "l", "what", "y", "y")
    assert (asked, code) == ([EACH, EACH, EACH, EACH, MERGE], 0)
    assert "4 of 4 jobs done" in rest


def test_no_is_for_this_time(begun: Path) -> None:
    asked, rest, code = stepped("n", "n")
    assert (asked, code) == ([EACH, MERGE], 0)
    assert "'each' was refused" in rest
    assert stepped("y", "y")[0] == [EACH, MERGE]


@pytest.mark.parametrize("answer", ["q", "^D"])
def test_to_leave_is_no_refusal(begun: Path, answer: str) -> None:
    asked, rest, code = stepped("y", answer)
    assert (asked, code) == ([EACH, MERGE], 0)
    assert "the rest stays as it is" in rest and "warning" not in rest and "3 of 3 jobs done" in rest
    assert stepped("y")[0] == [MERGE]


def test_an_interrupt_at_a_question(begun: Path) -> None:
    asked, rest, code = stepped("^C")
    assert (asked, code) == ([EACH], 130)
    assert "interrupted" in rest and "Fatal" not in rest and "Traceback" not in rest
    assert stepped("y", "y")[0] == [EACH, MERGE]


def test_starts_are_asked_about_on_request(begun: Path) -> None:
    asked, rest, code = stepped("y", "y", "y", "y", "y", words=("--starts",))
    assert sorted(asked) == sorted([EACH, "start size/a", "start size/bb", MERGE, "start total"])
    assert asked[0] == EACH and asked[-1] == "start total" and code == 0 and "4 of 4 jobs done" in rest


def test_to_leave_at_a_start_leaves_the_job_for_later(begun: Path) -> None:
    asked, rest, code = stepped("y", "q", words=("--starts",))
    assert asked[0] == EACH and code == 1
    assert "the rest stays as it is" in rest and "1 of 3 jobs done, 2 cancelled" in rest
    done = ramify("resume")
    assert done.returncode == 0 and "4 of 4 jobs done" in done.stdout


def test_answers_from_a_pipe(begun: Path) -> None:
    done = ramify("step", typed="y\n")
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if "[y/n/l/q]" in line]
    assert told == [f"{EACH} [y/n/l/q] y", f"{MERGE} [y/n/l/q] "]
    assert ramify("step", typed="").stderr.splitlines()[0] == f"{MERGE} [y/n/l/q] "
    assert document("step", "-N", "5")["counts"]["done"] == 4
