"""Runs that grew, written by hand: journals as a driver writes them, with half a second per attempt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from written_runs import FAILURE, T0

from ramify.core.engine import Engine
from ramify.core.graph import GROW, KIND, RULE, NewNode
from ramify.journals.file import FileJournal
from ramify.run.record import Recorder
from ramify.run.view import JOURNAL, graph_record


class Growing:
    """A run that is carried out here, one attempt after the other; `folder` is where its journal is."""

    def __init__(self, target: Path, name: str = "calm-otter") -> None:
        folder = target / "run" / name
        self.folder = os.fspath(folder)
        self.engine = Engine()
        self.now = T0
        self.recorder = Recorder(FileJournal(str(folder / JOURNAL)))
        facts = {"name": name, "label": "growing", "kind": "memory", "started": T0, "host": "box"}
        self.recorder.begin(facts)

    def start(self) -> None:
        """The graph so far is written, and wanted."""
        self.recorder.journal.append(graph_record(self.engine))
        self.engine.want(None, "everything was asked for", T0)
        self.flush()

    def flush(self) -> None:
        """Writes what happened."""
        self.recorder.write(self.engine.take())

    def passes(self, fails: Sequence[str] = (), workers: int = 4) -> Iterator[tuple[int, int]]:
        """Carries everything out; gives each pass of a grow node, which the caller ends."""
        engine, running = self.engine, []
        while engine.ready or running:
            while engine.ready and len(running) < workers:
                node = engine.ready.pop(0)
                running.append((node, engine.started(node, self.now)))
            self.now += 0.5
            node, attempt = running.pop(0)
            if engine.flags[node] & KIND == GROW:
                yield node, attempt
                engine.succeeded(node, attempt, None, self.now)
            elif engine.keys[node] in fails:
                engine.failed(node, attempt, FAILURE, self.now)
            else:
                engine.succeeded(node, attempt, "d" * 64, self.now)
            self.flush()

    def grow(self, node: int, attempt: int, nodes: Sequence[NewNode]) -> None:
        """Adds nodes, and wants them."""
        known = len(self.engine)
        self.engine.grew(node, attempt, nodes, self.now, {"rule": "r"})
        self.engine.want(range(known, len(self.engine)), "it was added", self.now)

    def end(self, status: str = "COMPLETED") -> str:
        """Writes the end; returns the folder."""
        self.recorder.end({"status": status, "ended": self.now, "counts": {}, "interrupted": None})
        return self.folder


def write_waves(target: Path, waves: int = 3, each: int = 4, fails: Sequence[str] = ()) -> str:
    """A source, then waves of `map/WAVE/0..` that `reduce/WAVE` gathers, each added by a rule."""
    run = Growing(target)
    engine = run.engine
    engine.add("source")
    engine.add("@rules/wave 0", (0,), GROW | RULE)
    run.start()
    before = 0
    for wave, (node, attempt) in enumerate(run.passes(fails)):
        first = len(engine)
        new: list[NewNode] = [(f"map/{wave}/{i}", (before,), 0, "") for i in range(each)]
        before = first + each
        new.append((f"reduce/{wave}", tuple(range(first, before)), 0, ""))
        if wave + 1 < waves:
            new.append((f"@rules/wave {wave + 1}", (before,), GROW | RULE, ""))
        run.grow(node, attempt, new)
    return run.end("FAILED" if fails else "COMPLETED")


def write_diamond(target: Path, fails: Sequence[str] = ()) -> str:
    """a, then b and c, then d."""
    run = Growing(target)
    a = run.engine.add("a")
    b, c = run.engine.add("b", (a,)), run.engine.add("c", (a,))
    run.engine.add("d", (b, c))
    run.start()
    assert list(run.passes(fails, workers=2)) == []
    return run.end("FAILED" if fails else "COMPLETED")
