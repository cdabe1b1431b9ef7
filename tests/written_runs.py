"""Runs written by hand, for tests of what reads them: a journal, logs, and outputs where they are wanted."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ramify.core.engine import Engine
from ramify.journals.file import FileJournal
from ramify.run.record import Recorder
from ramify.run.view import JOURNAL, LOGS, graph_record
from ramify.worker.logs import log_name

T0 = 1_700_000_000.0

FAILURE = {
    "type": "ValueError",
    "message": "no such column\x1b[2J",
    "traceback": 'Traceback (most recent call last):\n  File "flow.py", line 7, in area\n    inner()\n'
    "ValueError: no such column\x1b[2J\n",
    "during": "call",
    "host": "box",
    "pid": 77,
    "seconds": 0.25,
}


def write_run(
    target: Path,
    *,
    name: str = "calm-otter",
    jobs: Sequence[tuple[str, Sequence[str]]] = (("g/1", ()), ("g/2", ()), ("last", ("g/1", "g/2"))),
    fails: Mapping[str, dict[str, Any]] | None = None,
    running: Sequence[str] = (),
    logs: Mapping[str, str] | None = None,
    end: str | None = "COMPLETED",
    started: float = T0,
    **facts: Any,
) -> str:
    """Writes `target/run/NAME` as a driver would have, one second per job; returns the run's folder.

    `fails` maps ids to failures, `running` are ids that started and did not end. What depends on either never
    starts. With `end=None` the driver never came to its end.
    """
    folder = target / "run" / name
    engine = Engine()
    for job_id, parents in jobs:
        engine.add(job_id, tuple(engine.number[p] for p in parents))
    recorder = Recorder(FileJournal(str(folder / JOURNAL)))
    told = {"name": name, "plan": "../../plan", "outputs": "../../outputs", "started": started, "host": "box"}
    recorder.begin({**told, "mode": "thread", "workers": 2, "command": ["ramify", "run", "flow.py"], **facts})
    recorder.journal.append(graph_record(engine))
    engine.want(None, "asked for", started)
    now = _carry_out(engine, started, dict(fails or {}), set(running))
    recorder.write(engine.take())
    for job_id, text in (logs or {}).items():
        path = folder / LOGS / log_name(job_id, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if end is not None:
        counts = {"succeeded": engine.state.count(7), "failed": engine.state.count(9)}
        recorder.end({"status": end, "ended": now, "counts": counts, "interrupted": None})
    return os.fspath(folder)


def _carry_out(engine: Engine, now: float, fails: dict[str, dict[str, Any]], running: set[str]) -> float:
    while engine.ready:
        node = engine.ready.pop(0)
        attempt = engine.started(node, now)
        now += 1.0
        key = engine.keys[node]
        if key in running:
            continue
        if key in fails:
            engine.failed(node, attempt, fails[key], now)
        else:
            engine.succeeded(node, attempt, "d" * 64, now)
    return now
