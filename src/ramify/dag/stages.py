"""Stages: a call for every element of another node's list, made when the list is there.

A stage is a grow node. Its first pass, when what it expands is known, adds one node per element and sleeps
until those are at rest; its second pass is the list of their values, in order. A stage of a stage goes
element by element: its elements wait for those of the first, not for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ramify.core.table import BAD, GOOD, REST
from ramify.errors import ArgumentError, ParentFailed
from ramify.run.live import LiveRun
from ramify.run.memory import Ref
from ramify.values.substitution import find, replace

if TYPE_CHECKING:
    from ramify.dag.node import Node
    from ramify.dag.submitted import Submitted


@dataclass(slots=True)
class Stage:
    """What is known of one stage; `over` is the number of what it expands, `number` its own.

    `elements` are the nodes of the elements, None before the first pass.
    """

    number: int
    over: int
    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    concurrency: int | None
    elements: list[int] | None = None
    options: Any = None


class Stages:
    """The stages of one live graph."""

    def __init__(self, owner: Submitted, run: LiveRun) -> None:
        self.owner = owner
        self.run = run
        self.stages: dict[int, Stage] = {}
        self._stage_of: dict[int, int] = {}
        self._place = run.place("grow", run.make_grow_executor)

    def add(self, node: Node[Any]) -> int:
        """Adds a stage to the run; called where nodes are handed over."""
        over = node.expand_node_output
        assert over is not None, "a stage expands a node"
        first = self.stages.get(over._number)
        others = [p for p in node._parents if p != over._number]
        parents = [over._number] if first is None else self._roots(first)
        number = self.run.add_grow(
            self.owner.keys[node._number],
            partial(self._pass, node._number),
            [*parents, *others, *node._after],
            self._place,
        )
        concurrency = None if node._options is None else node._options.concurrency
        self.stages[number] = Stage(
            number, over._number, node.func, node._args, node._kwargs, concurrency, options=node._options
        )
        if concurrency is not None:
            self.run.queue.limits[f"stage {number}"] = self.run.queue.free[f"stage {number}"] = concurrency
        return int(number)

    def _roots(self, stage: Stage) -> list[int]:
        """What the first stage of a chain of stages waits for: its own elements are not waited for."""
        return list(self.run.engine.parents[stage.number])

    # ---- passes, in the thread of growth

    def _pass(self, number: int) -> Any:
        stage = self.stages[number]
        if stage.elements is None:
            return self._expand(stage)
        engine = self.run.engine
        open_ones = [n for n in stage.elements if not REST[engine.state[n]]]
        if open_ones:
            return self.run.grow_and_sleep(lambda: open_ones)
        return self._collect(stage)

    def _expand(self, stage: Stage) -> Any:
        before = self.stages.get(stage.over)
        if before is None:
            items: Sequence[Any] = as_list(self.run.fetch(stage.over), self.owner.name_of(stage.over))
        elif before.elements is None:
            raise ParentFailed(
                f"{self.owner.name_of(stage.over)!r} was not expanded",
                job_id=self.owner.keys[stage.number],
                cause_id=self.owner.keys[stage.over],
                cause=self.run.error(stage.over),
                node=self.owner.handle(stage.over),
            )
        else:
            items = [Ref(n) for n in before.elements]
        if not items:
            stage.elements = []
            return []
        return self.run.grow_and_sleep(partial(self._add_elements, stage, items))

    def _add_elements(self, stage: Stage, items: Sequence[Any]) -> list[int]:
        """Called by whoever drives: all elements, or none."""
        stage.elements = [self._add_element(stage, index, item) for index, item in enumerate(items)]
        return stage.elements

    def _add_element(self, stage: Stage, index: int, item: Any) -> int:
        owner, run = self.owner, self.run
        args, kwargs = replace(
            (stage.args, stage.kwargs), Ref, lambda ref: item if int(ref) == stage.over else ref
        )
        key = f"{owner.keys[stage.number]}/{index}"
        number = len(run.engine)
        run.add(key, stage.func, args, kwargs, nested=[int(r) for r in find((args, kwargs), Ref)])
        owner.keys.append(key)
        owner.nodes.append(None)
        owner.hidden.add(number)
        self._stage_of[number] = stage.number
        if stage.options is not None:
            owner.dag._place(run, number, stage.options)
        if stage.concurrency is not None:
            own = (f"stage {stage.number}", 1.0)
            run.queue.demands[number] = tuple(sorted((*run.queue.demands.get(number, ()), own)))
        return number

    def _collect(self, stage: Stage) -> Any:
        engine = self.run.engine
        assert stage.elements is not None, "it was expanded"
        bad = next((n for n in stage.elements if BAD[engine.state[n]]), None)
        if bad is None:
            return [self.run.fetch(n) for n in stage.elements]
        error = self.run.error(bad)
        assert error is not None, "what ended badly says why"
        raise error

    def completed(self, number: int) -> None:
        """The list is there: the values of the elements are no results any more."""
        for element in self.stages[number].elements or ():
            self.run.large.no_result(element)

    # ---- retries

    def to_retry(self, nodes: list[int]) -> list[int]:
        """These nodes, the elements of stages that ended badly, and the stages of such elements."""
        state = self.run.engine.state
        found = dict.fromkeys(nodes)
        walk = list(nodes)
        for number in walk:
            stage = self.stages.get(number)
            more = [] if stage is None else [n for n in stage.elements or () if not GOOD[state[n]]]
            if stage is not None and stage.over in self.stages:
                more.append(stage.over)
            if number in self._stage_of:
                more.append(self._stage_of[number])
            more += [s.number for s in self.stages.values() if s.over == number]
            for one in more:
                if one not in found and BAD[state[one]]:
                    found[one] = None
                    walk.append(one)
        return list(found)


def as_list(value: Any, name: str) -> Sequence[Any]:
    """What can be expanded: a list, a tuple, an array of one dimension, text that is a JSON list.

    Raises `ArgumentError` that names the node.
    """
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, str | bytes | bytearray):
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = None
        if isinstance(parsed, list):
            return parsed
    elif getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):
        return list(value)
    raise ArgumentError(
        f"the value of {name!r} cannot be expanded: it is a {type(value).__name__} ({value!r:.60}), and a "
        "stage needs a list, a tuple, an array of one dimension, or text that is a JSON list",
        names=["expand_node_output"],
    )
