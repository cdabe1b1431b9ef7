"""What an earlier run left: its graph, its journal folded, the parts that its workers had finished.

Each run keeps the definitions that it ran beside its journal, as hard links to the plan's files, so what it
did can be told, and what its workers left can be adopted with a true trace, after the plan was replaced.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ramify.core.replay import replay
from ramify.core.table import GOOD, REST, RUNNING
from ramify.core.views import with_bad_parents
from ramify.errors import JournalError, PlanError, StorageError
from ramify.files.local import link_file, write_atomic
from ramify.journals.file import read_journal
from ramify.plan.definition import Definition
from ramify.plan.dependencies import Declared
from ramify.plan.growth import home_of_growth, read_growth
from ramify.plan.opened import Plan
from ramify.plan.paths import CODES, DEFINITIONS, FOLDERS, GROWN, GROWN_NOTES
from ramify.run.view import JOURNAL
from ramify.run.work import PlanWork
from ramify.stores.folder import FolderStore
from ramify.worker.trees import kill_all, mark_of, marked

_KEPT: Final = (DEFINITIONS, FOLDERS, GROWN, GROWN_NOTES)


def keep_definitions(plan: Plan, folder: str) -> None:
    """Keeps what a run executes, and with which code, in the run's own folder."""
    for name in _KEPT:
        source, target = os.path.join(plan.path, name), os.path.join(folder, name)
        if os.path.exists(source) and not os.path.exists(target):
            link_file(source, target)
    write_atomic(os.path.join(folder, CODES), msgspec.json.encode(plan.codes))


def kept_plan(folder: str, outputs: str) -> Plan:
    """The plan that a run executed, as the run's folder keeps it; `PlanError` where it does not."""
    if not os.path.exists(os.path.join(folder, DEFINITIONS)):
        raise PlanError(f"the run {folder} has not kept what it executed", path=folder)
    return Plan(folder, {"outputs": outputs, "run": os.path.dirname(folder)})


def is_same_plan(folder: str, plan: Plan) -> bool:
    """Whether the plan is still the one that the run in this folder executed."""
    one, other = os.path.join(folder, DEFINITIONS), os.path.join(plan.path, DEFINITIONS)
    if not (os.path.exists(one) and os.path.exists(other)):
        return False
    return os.path.samefile(one, other) or _bytes(one) == _bytes(other)


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def fold_run(folder: str, plan: Plan, store: FolderStore, **words: Any) -> PlanWork:
    """The tables of a run as its journal leaves them; `words` as of `PlanWork`.

    Raises `JournalError` where the journal and the plan do not fit each other.
    """
    path = os.path.join(folder, JOURNAL)
    records = list(read_journal(path))
    declared: Declared = {}
    for record in records:
        if record[0] == "declared":
            declared.update(msgspec.convert(record[1], Declared))
    facts: dict[str, Any] = next((record[1] for record in records if record[0] == "run"), {})
    name, reuse = os.path.basename(folder), str(facts.get("reuse", "off"))
    work = PlanWork(plan, store, name, reuse=reuse, declared=declared, **words)
    growths = sum(record[1].count("g") for record in records if record[0] == "rows")
    grown, notes = read_growth(home_of_growth(plan, folder, growths), growths)
    first: dict[str, Definition] = {}
    for definition in grown:
        first.setdefault(definition.id, definition)
    for note in notes:
        plan.take_growth([], note.codes, note.folders)
    plan.take_growth(grown, {}, {})
    for record in records:
        if record[0] == "graph":
            if record[1] != work.engine.keys:
                raise JournalError(f"{path} is of another graph than the plan's", path=path, line=2)
            work.is_written = True
            work.engine.flags[:] = bytes.fromhex(record[3])  # what was forced is not asked about
        if record[0] == "rows":
            replay(work.engine, [(record[1], record[2], record[3], record[4])])
            _take_growth(work, record[1], record[2], record[4], first)
    return work


def _take_growth(
    work: PlanWork, letters: str, nodes: Sequence[int], data: Sequence[Any], first: dict[str, Definition]
) -> None:
    """Gives the nodes that a batch of rows added their rows in the tables."""
    for letter, node, fact in zip(letters, nodes, data, strict=True):
        if letter == "g":
            facts = fact[1] or {}
            work.take_growth([first[job_id] for job_id in facts.get("definitions", ())])
            work.grown.append((node, [work.engine.number[row[0]] for row in fact[0]], facts))


def adopt_parts(plan: Plan, store: FolderStore) -> list[str]:
    """Makes outputs of what killed runs of a plan left whole; returns their places.

    A part is adopted with the trace of what it was made of, as the run that started it knew.
    """
    runs: dict[str, PlanWork | None] = {}
    adopted = []
    for token, record in store.parts():
        run, node = _run_and_node(token)
        if run not in runs:
            runs[run] = _folded(os.path.join(plan.run_folder, run), plan, store)
        work = runs[run]
        if work is not None and node in range(len(work.engine)) and _is_of(work, node, record):
            work.take_part(node, token, record)
            adopted.append(str(record["job_id"]))
    for work in runs.values():
        if work is not None:
            work.flush()
    return adopted


def _run_and_node(token: str) -> tuple[str, int]:
    run, _, rest = token.rpartition(".")[0].rpartition(".")
    return (run, int(rest)) if rest.isdecimal() else ("", -1)


def _is_of(work: PlanWork, node: int, record: dict[str, Any]) -> bool:
    """Whether the part is this node's; its parents were good when it started, and are so in the fold."""
    engine = work.engine
    return (
        work.kind(node) >= 0
        and work.stored(node) == record.get("job_id")
        and all(GOOD[engine.state[p]] for p in engine.parents[node])
    )


def _folded(folder: str, plan: Plan, store: FolderStore) -> PlanWork | None:
    if not os.path.exists(os.path.join(folder, JOURNAL)):
        return None
    try:
        return fold_run(folder, kept_plan(folder, plan.outputs), store)
    except (JournalError, PlanError, StorageError):
        return None  # nobody can say what the part was made of: its job runs again


def end_orphans(plan: Plan) -> int:
    """Ends the workers of a driver that died on this machine; returns how many there were."""
    pids = [pid for pid in marked(mark_of(plan.path)) if pid != os.getpid()]
    kill_all(pids)
    return len(pids)


def back_to_work(work: PlanWork, t: float, only: Sequence[str] | None = None) -> int:
    """Puts a folded run where a new driver can go on; returns how many jobs are to be done.

    What was under way when the driver died is taken in where its output is whole, else given up; so is what
    had not started. All of that, what had failed, and outputs that are no longer there, go back to the start;
    or `only` jobs of these ids that ended without a value, what blocks them, and what they block.
    """
    engine = work.engine
    why = "its driver died"
    whole = dict(work.store.parts())
    for node in [n for n, state in enumerate(engine.state) if state == RUNNING]:
        attempt = engine.attempts[node]
        if work.kind(node) < 0:  # a rule was being asked, and will be again
            engine.stopped(node, attempt, why, t)
            continue
        token = work.token(node, attempt)
        record = whole.get(token)
        digest = work.made_by(node, token)  # adopted, and the driver died before it wrote that down
        if digest is None and record is not None and _is_of(work, node, record):
            digest = work.take_part(node, token, record)
        if digest is None:
            engine.stopped(node, attempt, why, t)
        else:
            engine.succeeded(node, attempt, digest, t)
    engine.cancelled_all(why, t)
    if only is None:
        again = [n for n in range(len(engine)) if engine.wanted[n] and _is_to_be_done(work, n)]
    else:
        chosen = [engine.number[job_id] for job_id in only]
        again = with_bad_parents(engine, [*chosen, *work.rules])
    engine.reset(again, "resumed", t)
    wanted = [n for n in range(len(engine)) if engine.wanted[n] and not REST[engine.state[n]]]
    engine.want(wanted, "resumed", t)
    return len(wanted)


def _is_to_be_done(work: PlanWork, node: int) -> bool:
    state = work.engine.state[node]
    if not GOOD[state]:
        return True
    return work.kind(node) >= 0 and not work.has(node)
