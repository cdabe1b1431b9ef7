"""The logs of graphs: which there were, and what became of each of their nodes.

They are read from the list of runs and from the runs' journals and log files, so any process can, while a
graph runs and after. Nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ramify.errors import ArgumentError, CallFormError, RamifyError, UnknownRunError

if TYPE_CHECKING:
    from uuid import UUID

    from ramify.catalogue.sqlite import SqliteCatalogue
    from ramify.run.history import Attempt, History

MOST_PER_PAGE: Final = 1000

_STATUS: Final = {
    "RUNNING": "running",
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "LOST": "abandoned",
    "SUBMITTED": "submitted",
}
_NODE: Final = {
    "running": "RUNNING",
    "succeeded": "COMPLETED",
    "reused": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
    "blocked": "PARENT_FAILED",
}


@dataclass(frozen=True, slots=True)
class Execution:
    """One attempt of a node. `duration` is in nanoseconds, `cpu_seconds` in seconds, `peak_memory` in bytes;
    None stands for what is not known: a thread's share of its process is not.

    `id` is the node's, with the number of the attempt; `error` is the text of its failure and its traceback.
    """

    id: str
    attempt: int
    status: str
    start_time: datetime | None
    end_time: datetime | None
    duration: int | None
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    host: str | None = None
    pid: int | None = None
    error: str | None = None
    log: str | None = None
    """The file of what it printed; None where it printed nothing."""

    @property
    def logs(self) -> str:
        """What it has printed so far, read from the file at each call."""
        if self.log is None:
            return ""
        with open(self.log, "rb") as file:
            return file.read().decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class NodeLog:
    """One node.

    `status` is QUEUED, RUNNING, COMPLETED, FAILED, CANCELLED, PARENT_FAILED or, where the process that drove
    the graph died, UNKNOWN. `depends_on` are the ids of its parents; `key` is its name on the command line.
    `run_location` is "server", or "client" for a node of `submit_local`.
    """

    client_node_uuid: UUID
    name: str
    key: str
    depends_on: list[UUID]
    run_location: str
    status: str
    status_message: str | None
    executions: list[Execution]


@dataclass(frozen=True, slots=True)
class GraphLog:
    """One graph. `status` is submitted, running, succeeded, failed, cancelled, or abandoned where the process
    that drove it died; `execution_time` is in nanoseconds, None until it is over.

    `status_count` is how many nodes are in each status, and `nodes` are all of them; the entries of
    `list_logs` have neither. `run` is the name on the command line, `folder` where all of it is written down.
    """

    uuid: UUID
    namespace: str | None
    created_by: str | None
    name: str
    created_at: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    status: str
    execution_time: int | None
    run: str
    folder: str
    status_count: dict[str, int] = field(default_factory=dict)
    nodes: list[NodeLog] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Pagination:
    """Where a page is: pages count from 1."""

    page: int
    per_page: int
    total_pages: int
    total_items: int


@dataclass(frozen=True, slots=True)
class GraphLogs:
    """One page of the list of graphs; iterating gives its entries."""

    task_graph_logs: list[GraphLog]
    pagination_metadata: Pagination

    def __iter__(self) -> Iterator[GraphLog]:
        return iter(self.task_graph_logs)

    def __len__(self) -> int:
        return len(self.task_graph_logs)

    def _repr_html_(self) -> str:
        from html import escape

        titles = ("name", "status", "start_time", "end_time", "namespace", "created_by", "uuid")
        head = "".join(f"<th>{title}</th>" for title in titles)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_shown(getattr(log, t)))}</td>" for t in titles) + "</tr>"
            for log in self
        )
        at = self.pagination_metadata
        told = f"page {at.page} of {at.total_pages}, {at.total_items} graphs"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table><p>{told}</p>"


def list_logs(
    namespace: str | None = None,
    created_by: str | None = None,
    search: str | None = None,
    start_time: datetime | None = None,
    end_time: datetime | None = None,
    page: int = 1,
    per_page: int = 10,
) -> GraphLogs:
    """The graphs and runs of this project that fit, the newest first, one page of them.

    `search` is a part of the name, in capitals or not; `start_time` and `end_time` bound when a graph started
    (a time without a zone is local). A page after the last one is empty.

    Raises `CallFormError` (a `TypeError`) for a wrong type and `ArgumentError` (a `ValueError`) for a page
    below 1, and for `per_page` outside 1 to 1000.

    >>> list_logs(search="no such graph", per_page=5).pagination_metadata
    Pagination(page=1, per_page=5, total_pages=0, total_items=0)
    """
    for name, text in (("namespace", namespace), ("created_by", created_by), ("search", search)):
        if text is not None and not isinstance(text, str):
            raise _wrong(name, text, "text or None")
    _check_number("page", page, None)
    _check_number("per_page", per_page, MOST_PER_PAGE)
    from ramify.catalogue.filters import Filter

    wanted = Filter(
        search=search,
        namespace=namespace,
        created_by=created_by,
        since=_seconds("start_time", start_time),
        until=_seconds("end_time", end_time),
    )
    entries, total = _catalogue().page(wanted, _status_of, page, per_page)
    logs = [_light(entry) for entry in entries]
    return GraphLogs(logs, Pagination(page, per_page, -(-total // per_page), total))


def server_logs(dag_or_id: Any, namespace: str | None = None) -> GraphLog | None:
    """Everything that is known of one graph, with its nodes and each of their attempts.

    `dag_or_id` is a DAG, an entry of `list_logs`, the graph's UUID or its text, or the name of a run or of a
    graph (the newest of that name). None for a DAG all of whose nodes are local.

    Raises `UnknownRunError` (a `KeyError`) where there is no such graph in this project, or in `namespace`.
    """
    if namespace is not None and not isinstance(namespace, str):
        raise _wrong("namespace", namespace, "text or None")
    folder = folder_of(dag_or_id)
    if folder is None:
        return None
    from ramify.run.history import History

    view = History(folder)
    log = _whole(view)
    if namespace is not None and log.namespace != namespace:
        raise UnknownRunError(
            f"{log.name!r} is in the namespace {log.namespace!r}, not in {namespace!r}",
            name=log.name,
            fits=[],
        )
    return log


# ---- finding


def folder_of(what: Any) -> str | None:
    """The folder of the run of a DAG, an entry of `list_logs`, an id or a name; None where there can be none.

    Raises `UnknownRunError` where no run is recorded, `CallFormError` for anything else.
    """
    from uuid import UUID

    if isinstance(what, GraphLog):
        return what.folder
    if hasattr(what, "server_graph_uuid"):
        identity = what.server_graph_uuid
        if identity is None:
            return None
        recording = getattr(what, "_recording", None)
        if recording is not None:
            recording.tend()  # it is driven here: what is not written yet is written now
        return _by_uuid(identity, "it was not recorded (record=False, RAMIFY_RECORD=0), or has not begun")
    if isinstance(what, UUID):
        return _by_uuid(what, "`list_logs()` lists the graphs of this project")
    if not isinstance(what, str):
        raise _wrong("dag_or_id", what, "a DAG, an entry of list_logs(), a UUID, its text, or a name")
    try:
        return _by_uuid(UUID(what), "`list_logs()` lists the graphs of this project")
    except ValueError:
        return _by_name(what)


def _by_uuid(identity: UUID, hint: str) -> str:
    from ramify.catalogue.filters import Filter

    entries, _ = _catalogue().page(Filter(id=str(identity)), _status_of, 1, 1)
    if not entries:
        raise UnknownRunError(f"no graph {identity} here: {hint}", name=str(identity), fits=[])
    return str(entries[0]["folder"])


def _by_name(name: str) -> str:
    runs = _catalogue().runs()
    for run in runs:
        if name in (run["name"], run["label"]):
            return str(run["folder"])
    from difflib import get_close_matches

    known = list(dict.fromkeys(text for run in runs for text in (run["label"], run["name"])))
    near = get_close_matches(name, known, 3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`list_logs()` lists them"
    raise UnknownRunError(f"no graph {name!r} here: {hint}", name=name, fits=near)


def _catalogue() -> SqliteCatalogue:
    from ramify.catalogue import open_catalogue
    from ramify.settings import project_home

    return open_catalogue(project_home())


def _status_of(folder: str) -> str:
    """The status of a run of which no end is in the list of runs."""
    from ramify.run.view import RunView

    try:
        return RunView(folder).status
    except RamifyError:
        return "LOST"  # it cannot be read: nobody is going to finish it


# ---- telling


def _light(entry: dict[str, Any]) -> GraphLog:
    from uuid import UUID

    facts, end = entry["facts"], entry["end"] or {}
    return _graph_log(
        facts, end.get("ended"), entry["status"], entry["folder"], entry["name"], UUID(entry["id"])
    )


def _graph_log(
    facts: dict[str, Any], ended: float | None, status: str, folder: str, run: str, identity: UUID
) -> GraphLog:
    started = facts.get("started")
    if status == "RUNNING" and started is None:
        status = "SUBMITTED"
    return GraphLog(
        uuid=identity,
        namespace=facts.get("namespace") or facts.get("created_by"),
        created_by=facts.get("created_by"),
        name=facts.get("label") or run,
        created_at=_moment(facts.get("created") or started),
        start_time=_moment(started),
        end_time=_moment(ended),
        status=_STATUS.get(status, "abandoned"),
        execution_time=_span(started, ended),
        run=run,
        folder=folder,
    )


def _whole(view: History) -> GraphLog:
    from collections import Counter
    from dataclasses import replace

    from ramify.catalogue.identity import run_uuid

    identity = run_uuid({"name": view.name, **view.facts})
    log = _graph_log(view.facts, view.ended, view.status, view.folder, view.name, identity)
    nodes = list(_nodes(view, identity))
    return replace(log, nodes=nodes, status_count=dict(Counter(node.status for node in nodes)))


def _nodes(view: History, identity: UUID) -> Iterator[NodeLog]:
    """All nodes that do work, each after those that it depends on."""
    from ramify.catalogue.identity import node_uuid
    from ramify.core.graph import GATHER, KIND

    engine = view.engine
    ids = {n: node_uuid(identity, key) for n, key in enumerate(engine.keys)}
    is_over = view.status != "RUNNING"
    for node, key in enumerate(engine.keys):
        if engine.flags[node] & KIND == GATHER:
            continue
        job = view.job(key)
        told = job.failure or {}
        message = f"{told.get('type')}: {told.get('message')}" if told else job.note
        if job.blocked_by is not None:
            message = f"{job.blocked_by} has no value"
        status = _NODE.get(job.state, "QUEUED")
        yield NodeLog(
            client_node_uuid=ids[node],
            name=view.labels.get(node, key),
            key=key,
            depends_on=[ids[parent] for parent in _parents(view, node)],
            run_location="client" if node in view.local else "server",
            status="UNKNOWN" if status == "RUNNING" and is_over else status,
            status_message=message if status in ("FAILED", "CANCELLED", "PARENT_FAILED") else None,
            executions=[_execution(view, node, ids[node], one) for one in view.attempts_of(node)],
        )


def _parents(view: History, node: int) -> list[int]:
    """The parents that do work: of a group its members."""
    from ramify.core.graph import GATHER, KIND

    engine = view.engine
    found: dict[int, None] = {}
    walk = list(engine.parents[node])
    for parent in walk:
        if engine.flags[parent] & KIND == GATHER:
            walk.extend(engine.parents[parent])
        else:
            found[parent] = None
    return list(found)


def _execution(view: History, node: int, identity: UUID, one: Attempt) -> Execution:
    facts = one.failure
    error = None
    if facts is not None:
        text = f"{facts.get('type')}: {facts.get('message')}"
        error = f"{text}\n{facts['traceback']}" if facts.get("traceback") else text
    return Execution(
        id=f"{identity}.{one.number}",
        attempt=one.number,
        status="UNKNOWN" if one.status == "RUNNING" and view.status != "RUNNING" else one.status,
        start_time=_moment(one.started),
        end_time=_moment(one.ended),
        duration=_span(one.started, one.ended),
        cpu_seconds=one.cpu_seconds,
        peak_memory=one.peak_memory,
        host=one.host,
        pid=one.pid,
        error=error,
        log=view.log_of(node, one.number),
    )


# ---- checks and words


def _check_number(name: str, number: Any, most: int | None) -> None:
    if not isinstance(number, int) or isinstance(number, bool):
        raise _wrong(name, number, "a whole number")
    if number < 1 or (most is not None and number > most):
        raise ArgumentError(f"{name} is {number}: use 1 {f'to {most}' if most else 'or more'}", names=[name])


def _seconds(name: str, when: Any) -> float | None:
    if when is None:
        return None
    if not isinstance(when, datetime):
        raise _wrong(name, when, "a datetime or None")
    return when.timestamp()


def _wrong(name: str, given: Any, wanted: str) -> CallFormError:
    return CallFormError(
        f"{name} is {given!r:.60} of type {type(given).__name__}: give {wanted}", names=[name]
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds).astimezone()


def _span(began: float | None, ended: float | None) -> int | None:
    if began is None or ended is None:
        return None
    return max(0, round((ended - began) * 1e9))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat(" ", "seconds") if isinstance(value, datetime) else str(value)
