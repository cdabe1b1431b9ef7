"""What there is to draw of a graph: its nodes as they are now, or its draft, a grid as one shape."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ramify.dag.draft import DAG
from ramify.dag.job import Job
from ramify.dag.logs import folder_of
from ramify.dag.members import Members
from ramify.dag.node import Node
from ramify.dag.status import Status
from ramify.errors import UnknownRunError
from ramify.plan.definition import join
from ramify.run.view import RunView
from ramify.show.film import Film, film_of
from ramify.show.live_picture import LiveView, live_view
from ramify.show.picture import Shape
from ramify.values.substitution import find

if TYPE_CHECKING:
    from ramify.dag.submitted import Submitted

_SECONDS: Final = 0.25
"""Between two pictures of a graph that runs."""


def shapes_of(dag: DAG) -> list[Shape]:
    """The nodes of a graph that has started, else those of its draft."""
    graph = dag._graph()
    return _of_run(graph) if graph.run is not None else _of_draft(dag, graph)


def visualize(dag: DAG, notebook: bool, auto_update: bool, force_plotly: bool) -> Any:
    """See `DAG.visualize`."""
    kind = "plotly" if force_plotly else "auto" if notebook else "html"
    view = live_view(shapes_of(dag), kind, title=dag.name)  # type: ignore[arg-type]  # one of its kinds
    if auto_update:
        follow = _Following(dag, view)
        dag.add_update_callback(follow.sometimes)
        if not dag.done():
            dag.add_done_callback(follow.now)
    return view.figure


def film(dag: DAG, count: int | None, at: Iterable[float | str] | None) -> Film:
    """See `DAG.frames`."""
    folder = folder_of(dag)
    if folder is None:
        raise UnknownRunError("nothing was run: a graph without nodes has no frames", name=dag.name, fits=[])
    return film_of(RunView(folder), count=count, at=at)


class _Following:
    """Keeps a picture up to date, a few times a second at most."""

    def __init__(self, dag: DAG, view: LiveView) -> None:
        self._dag = dag
        self._view = view
        self._last = 0.0

    def sometimes(self, _: object) -> None:
        if time.monotonic() - self._last >= _SECONDS:
            self.now()

    def now(self, _: object = None) -> None:
        self._view.update(shapes_of(self._dag))
        self._last = time.monotonic()


def _of_run(graph: Submitted) -> list[Shape]:
    run = graph.run
    assert run is not None, "it has started"
    parents = run.engine.parents
    keys = graph.keys
    return [
        Shape(
            keys[n],
            graph.name_of(n),
            str(graph.status_of(n)),
            tuple(keys[p] for p in parents[n] if p not in graph.hidden),
        )
        for n in graph.visible()
    ]


def _of_draft(dag: DAG, graph: Submitted) -> list[Shape]:
    members = Members()
    members.add(dag, "")
    shapes = []
    for number, key in enumerate(graph.keys):
        node = graph._draft(number)
        held = find((node._args, node._kwargs), graph.stands)
        parents = [graph.keys[p] for p in (*node._parents, *node._after)]
        parents += _homes(members, graph, held, key)
        status = str(graph.status_of(number))
        shapes.append(Shape(key, graph.name_of(number), status, tuple(dict.fromkeys(parents))))
    done = 0
    while done < len(members.members):  # grows while hidden ones are met
        member = members.members[done]
        done += 1
        job = member.node
        count = 1 if isinstance(job, Job) else len(job._points)
        held = find(job.kwargs, graph.stands)
        home = members.home(job)
        if home is not None and home.place != done - 1:
            parents = [home.id]
        else:
            parents = list(dict.fromkeys(_homes(members, graph, held, member.id)))
        status = str(Status.NOT_STARTED)
        shapes.append(Shape(member.id, member.id, status, tuple(parents), count, {status: count}))
    return shapes


def _homes(members: Members, graph: Submitted, held: Iterable[Any], owner: str) -> list[str]:
    """The ids of what stands for these."""
    found = []
    for one in held:
        if isinstance(one, Node):
            found.append(graph.keys[one._number])
        elif isinstance(one, DAG):
            found += _homes(members, graph, one._nodes.values(), owner)
        else:
            if members.home(one) is None:
                members.add(one, join(owner, f"arg/{len(members.members)}"), owner=owner)
            home = members.home(one)
            assert home is not None, "it was added"
            found.append(members.members[home.place].id)
    return found
