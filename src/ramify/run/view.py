"""A run, read from its folder: the fold of its journal. For any process, while it runs and after.

Nothing is unpickled and nobody is asked; watching does not disturb the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ramify.core.engine import Engine
from ramify.core.graph import GATHER, KIND, REUSABLE, RULE
from ramify.core.keys import encode_key, sort_key
from ramify.core.replay import Rows, replay
from ramify.core.rule_keys import RULES
from ramify.core.table import BLOCKED, FAILED, GOOD, NAMES, REUSED
from ramify.core.views import STATUS, blocker
from ramify.errors import JobIdError, JournalError, RamifyKeyEncodingError, UnknownRunError
from ramify.files.lock import read_holder
from ramify.journals.file import JournalReader
from ramify.rebuild.trace import Cause
from ramify.run.rule_view import FAILED_RULE, FIRED, OPEN, UNFIRED, Growths, RuleView, split, state_of
from ramify.worker.logs import log_name

JOURNAL: Final = "journal.jsonl"
LOGS: Final = "logs"
IN_MEMORY: Final = "memory"
"""The `kind` of a run whose values were in memory: it has neither plan nor outputs."""


@dataclass(frozen=True, slots=True)
class JobView:
    """One job of a run. Times are seconds since the epoch; `seconds` is how long its last attempt took.

    `cause` is why it ran, or why it did not have to; None where it has not come to that. `failure` holds
    `type`, `message`, `traceback` and, where known, `exit_code`, `signal`, `host`, `pid`. `blocked_by` is the
    id of the job whose failure keeps this one from running. `note` says why it was cancelled. `log` is the
    file with what its last attempt printed, None where it printed nothing. `cpu_seconds` and `peak_memory`
    (bytes) are what its last attempt took, where it had a process to itself.
    """

    job_id: str
    state: str
    status: str
    attempts: int
    started: float | None
    ended: float | None
    cause: Cause | None = None
    failure: dict[str, Any] | None = None
    blocked_by: str | None = None
    note: str | None = None
    log: str | None = None
    cpu_seconds: float | None = None
    peak_memory: int | None = None

    @property
    def seconds(self) -> float | None:
        """How long the last attempt took, or None where it did not run to its end."""
        if self.started is None or self.ended is None:
            return None
        return max(0.0, self.ended - self.started)


class RunView:
    """One run, as its journal tells it at the moment of opening, or of the last `refresh`.

    `facts` are what was known at the start: `name`, `plan`, `outputs`, `mode`, `workers`, `host`, `pid`,
    `started`, `command`. `end` is None until the run is over.
    """

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder)
        path = os.path.join(self.folder, JOURNAL)
        if not os.path.exists(path):
            raise UnknownRunError(f"no run in {folder}: it has no {JOURNAL}", name=folder)
        self.facts: dict[str, Any] = {}
        self.end: dict[str, Any] | None = None
        self.engine = Engine()
        self.labels: dict[int, str] = {}
        self.local: frozenset[int] = frozenset()
        self._grown = Growths()
        self._causes: dict[int, Cause] = {}
        self._started: dict[int, float] = {}
        self._ended: dict[int, float] = {}
        self._use: dict[int, tuple[Any, ...]] = {}
        self._reader = JournalReader(path)
        self.refresh()

    def refresh(self) -> bool:
        """Reads what the journal grew by, and whether the run is still driven; returns whether it grew."""
        grown = False
        while True:
            # asked first: the end is written before the lock goes, the beginning after it was taken
            holder = read_holder(os.path.dirname(self.folder))
            came = self._reader.has_grown() and self._fold()
            grown = grown or came
            self._driven = holder is not None and holder.get("run") == self.name
            if self._driven or self.end is not None or not came:
                return grown

    def _fold(self) -> bool:
        before, path = self._reader.line, self._reader.path
        for record in self._reader.new():
            try:
                self._fold_one(*record)
            except Exception as error:  # whole lines of JSON that make no sense can break a fold in any way
                line = self._reader.line
                raise JournalError(
                    f"line {line} of {path} cannot be folded: {error!r}",
                    path=path,
                    line=line,
                ) from error
        return self._reader.line > before

    def _fold_one(self, what: str, *fields: Any) -> None:
        if what == "rows":
            rows: Rows = (fields[0], fields[1], fields[2], fields[3])
            known = len(self.engine)
            replay(self.engine, [rows])
            if "g" in rows[0]:
                self._grown.take(known, *rows)
            self._keep_times(rows)
        elif what == "graph":
            load_graph(self.engine, [what, *fields])
        elif what == "run":
            self.facts.update(fields[0])
            self.end = None
        elif what == "why":
            for node, *told in fields[0]:
                self._causes[node] = Cause(*told)
        elif what == "end":
            self.end = fields[0]
        elif what == "names":
            self.labels = {int(node): name for node, name in fields[0].get("labels", {}).items()}
            self.local = frozenset(fields[0].get("local", ()))
        elif what == "uses":
            for use in fields[0]:
                self._keep_use(*use)
        elif what == "at":
            self._keep_place(*fields)
        elif what not in ("declared", "control"):
            raise ValueError(f"this version does not know the record {what!r}")

    def _keep_times(self, rows: Rows) -> None:
        letters, nodes, times, _ = rows
        for letter, node, t in zip(letters, nodes, times, strict=True):
            if letter == "s":
                self._started[node] = t
                self._ended.pop(node, None)
            elif letter in "SfrXl":
                self._ended[node] = t

    def _keep_place(self, node: int, attempt: int, place: Any) -> None:
        """Where an attempt runs; a view of more than the last attempts keeps it."""

    def _keep_use(self, node: int, attempt: int, *use: Any) -> None:
        """What a good attempt took, which is the node's last one."""
        self._use[node] = (attempt, *use)

    def _used_by(self, node: int) -> tuple[float | None, int | None]:
        """The CPU seconds and the peak memory of the last attempt."""
        attempt, *use = self._use.get(node, (0,))
        reason = self.engine.reasons.get(node)
        if isinstance(reason, dict):
            return reason.get("cpu_seconds"), reason.get("peak_memory")
        return (use[0], use[1]) if attempt == self.engine.attempts[node] and use else (None, None)

    # ---- the run

    @property
    def is_in_memory(self) -> bool:
        """Whether its values were in memory only: it has no plan and no outputs."""
        return self.facts.get("kind") == IN_MEMORY

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.facts.get("name", os.path.basename(self.folder)))

    @property
    def label(self) -> str:
        """What a person calls it: the graph's own name, else the run's."""
        return str(self.facts.get("label") or self.name)

    @property
    def status(self) -> str:
        """RUNNING, COMPLETED, FAILED or CANCELLED; LOST where its driver died before the end."""
        if self.end is not None:
            return str(self.end["status"])
        return "RUNNING" if self._driven else "LOST"

    @property
    def started(self) -> float | None:
        """When the run began."""
        return self.facts.get("started")

    @property
    def ended(self) -> float | None:
        """When it ended, None while it runs and where its driver died."""
        return None if self.end is None else self.end.get("ended")

    @property
    def plan(self) -> str:
        """The path of its plan."""
        return os.path.normpath(os.path.join(self.folder, str(self.facts.get("plan", "."))))

    @property
    def outputs(self) -> str:
        """The path of its outputs."""
        return os.path.normpath(os.path.join(self.folder, str(self.facts.get("outputs", "."))))

    # ---- its jobs

    def job_ids(self) -> list[str]:
        """All job ids, sorted key by key."""
        engine = self.engine
        found = (k for k, flags in zip(engine.keys, engine.flags, strict=True) if _is_job(flags))
        return self.in_order(found)

    @staticmethod
    def in_order(job_ids: Iterable[str]) -> list[str]:
        """These ids, sorted key by key."""
        return sorted(job_ids, key=_by_key)

    def jobs(self) -> Iterator[JobView]:
        """All jobs, sorted by id."""
        for job_id in self.job_ids():
            yield self._view(self.engine.number[job_id])

    def job(self, job_id: str) -> JobView:
        """One job, by its id, or by a beginning of it that no other job has."""
        return self._view(self.engine.number[self.resolve(job_id)])

    def job_of(self, node: int) -> JobView:
        """One node, by its number: a rule too."""
        return self._view(node)

    def resolve(self, job_id: str) -> str:
        """The whole id of a shortened one, of a name or of a key; `JobIdError` where it fits none or several.

        A rule is meant by its key alone, `@rules/NAME`.
        """
        number = self.engine.number.get(job_id)
        if number is not None and (not job_id.startswith("@") or self.engine.flags[number] & RULE):
            return job_id
        for node, label in self.labels.items():
            if label == job_id:
                return self.engine.keys[node]
        try:
            key = encode_key(job_id)
        except RamifyKeyEncodingError:
            key = job_id  # a part of an id
        if key in self.engine.number:
            return key
        ids = self.job_ids()
        fits = [i for i in ids if i.startswith(job_id)] or [i for i in ids if job_id in i]
        if len(fits) == 1:
            return fits[0]
        if fits:
            some = ", ".join(fits[:5]) + (", ..." if len(fits) > 5 else "")
            raise JobIdError(f"{job_id!r} fits {len(fits)} jobs: {some}", job_id=job_id, fits=fits)
        raise JobIdError(
            f"no job {job_id!r} in the run {self.name}: `ramify status` lists them", job_id=job_id
        )

    def _view(self, node: int) -> JobView:
        engine = self.engine
        state = engine.state[node]
        reason = engine.reasons.get(node)
        cpu_seconds, peak_memory = self._used_by(node)
        return JobView(
            job_id=engine.keys[node],
            state=NAMES[state],
            status=STATUS[NAMES[state]],
            attempts=engine.attempts[node],
            started=self._started.get(node),
            ended=self._ended.get(node),
            cause=self._cause(node),
            failure=reason if isinstance(reason, dict) else None,
            blocked_by=blocker(engine, node) if state == BLOCKED else None,
            note=reason if isinstance(reason, str) else None,
            log=self.log_of(node),
            cpu_seconds=cpu_seconds,
            peak_memory=peak_memory,
        )

    def _cause(self, node: int) -> Cause | None:
        """What was written down; where nothing was, what goes without saying."""
        reuse = self.facts.get("reuse", "off")
        if self.engine.state[node] == REUSED:
            return self._causes.get(node, Cause("exists" if reuse == "exists" else "same"))
        if not self.engine.attempts[node]:
            return None
        plain = "off" if not self.engine.flags[node] & REUSABLE else "no output"
        return self._causes.get(node, Cause(plain))

    # ---- its rules

    def rules(self) -> list[RuleView]:
        """The rules, in the order in which they were added."""
        return [self._rule(n) for n, flags in enumerate(self.engine.flags) if flags & RULE]

    def rule_key(self, name: str) -> str | None:
        """The key of a rule by its name, its key, or `rule NAME`; None where there is none."""
        for key in (name, f"{RULES}{name}", f"{RULES}{name.removeprefix('rule ')}"):
            number = self.engine.number.get(key)
            if number is not None and self.engine.flags[number] & RULE:
                return key
        return None

    def rule(self, name: str) -> RuleView:
        """One rule, by its name; raises `JobIdError` where there is none."""
        key = self.rule_key(name)
        if key is None:
            raise JobIdError(f"no rule {name!r} in the run {self.name}", job_id=name)
        return self._rule(self.engine.number[key])

    def failed_rules(self) -> list[JobView]:
        """The nodes of the rules that failed, in the order in which they were added."""
        engine = self.engine
        if FAILED not in engine.state:
            return []
        numbers = [n for n, state in enumerate(engine.state) if state == FAILED and engine.flags[n] & RULE]
        return [self._view(n) for n in numbers]

    @property
    def unfired(self) -> dict[str, str]:
        """The rules that never fired, by name, and what each waited for; empty before the end of the run."""
        return {} if self.end is None else dict(self.end.get("unfired") or {})

    def added_by(self, job_id: str) -> str | None:
        """The key of the rule or job that added a node; None for one that was there from the start."""
        grown = self._grown.of(self.engine.number[job_id])
        return None if grown is None else self.engine.keys[grown.adder]

    def _rule(self, node: int) -> RuleView:
        key = self.engine.keys[node]
        reason = self.engine.reasons.get(node)
        state = state_of(self.engine.state[node], self.end is not None)
        grown = self._grown.by(node)
        added, rules = split(self.engine, grown)
        if state == UNFIRED and grown:  # it is not meant to end
            state = FIRED
        return RuleView(
            name=key.removeprefix(RULES),
            key=key,
            state=state,
            ended=self._ended.get(node) if state not in (OPEN, UNFIRED) else None,
            added=added,
            added_rules=rules,
            added_by=self.added_by(key),
            waits_for=self.unfired.get(key.removeprefix(RULES)),
            failure=reason if isinstance(reason, dict) and state == FAILED_RULE else None,
        )

    def digest_of(self, job_id: str) -> str | None:
        """The digest of the job's output as this run made or found it; None where it has none."""
        return self.engine.digests.get(self.engine.number[job_id])

    def log_of(self, node: int, attempt: int | None = None) -> str | None:
        """The log file of an attempt (the last, if None), or None where it printed nothing."""
        path = os.path.join(
            self.folder, LOGS, log_name(self.engine.keys[node], attempt or self.engine.attempts[node])
        )
        return path if os.path.exists(path) else None

    def lacks_any(self, job_ids: Iterable[str] | None = None) -> bool:
        """Whether one of these jobs, or of all that were wanted, has no value."""
        engine = self.engine
        if job_ids is not None:
            return any(not GOOD[engine.state[engine.number[job_id]]] for job_id in job_ids)
        return any(wanted and not GOOD[s] for wanted, s in zip(engine.wanted, engine.state, strict=True))

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state of the engine."""
        found: dict[str, int] = {}
        for state, flags in zip(self.engine.state, self.engine.flags, strict=True):
            if _is_job(flags):
                found[NAMES[state]] = found.get(NAMES[state], 0) + 1
        return found


def _is_job(flags: int) -> bool:
    return flags & KIND != GATHER and not flags & RULE


def _by_key(job_id: str) -> Any:
    try:
        return sort_key(job_id)
    except ValueError:
        return ((9, job_id),)


def graph_record(engine: Engine) -> list[Any]:
    """The journal's record of a graph, as columns: keys, parents, flags."""
    return ["graph", engine.keys, engine.parents, engine.flags.hex()]


def load_graph(engine: Engine, record: list[Any]) -> None:
    """Adds the nodes of a `graph_record`."""
    _, keys, parents, flags = record
    for key, above, flag in zip(keys, parents, bytes.fromhex(flags), strict=True):
        engine.add(key, tuple(above), flag)


def runs_in(folder: str) -> list[str]:
    """The folders of the runs below a run folder, the newest first."""
    try:
        names = [e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith(".")]
    except FileNotFoundError:
        return []
    folders = [os.path.join(folder, name) for name in names]
    found = [f for f in folders if os.path.exists(os.path.join(f, JOURNAL))]
    return sorted(found, key=lambda f: os.stat(os.path.join(f, JOURNAL)).st_mtime_ns, reverse=True)
