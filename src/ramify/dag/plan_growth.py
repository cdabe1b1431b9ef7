"""What makes the run of a plan grow: its rules, and its jobs that add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ramify.core.table import GOOD
from ramify.dag.plan_ground import PlanGround
from ramify.dag.rule_book import RuleBook
from ramify.dag.rules import PREFIX
from ramify.executors.threads import ThreadExecutor
from ramify.plan.load import load_function

if TYPE_CHECKING:
    from ramify.run.assemble import Settings
    from ramify.run.driver import Driver


class PlanGrowth:
    """The rules of a run, the ground that they grow on, and the thread of growth, which is executor `place`.

    What an earlier driver of the run had come to is taken up.
    """

    def __init__(self, settings: Settings, place: int) -> None:
        self.work = work = settings.work
        self.executor = ThreadExecutor(work.perform_pass, 1, name="ramify-grow")
        self.place = place
        self.ground = PlanGround(work, settings, place)
        self.book = RuleBook(
            self.ground, strict=settings.options.strict, max_growths=settings.options.max_growths
        )
        work.extend = self.ground.extension
        parents = self._parents()
        for node, definition in work.rules.items():
            rule: Any = load_function(work.plan, definition)
            self.ground.enter(definition.id)
            self.book.take_rule(node, rule, parents.get(node))
        self._take_up()

    def take(self, driver: Driver) -> None:
        """The run's driver is there."""
        self.ground.driver = driver
        driver.grow_place = self.place
        driver.grower = self.book
        self.book.approver = driver.approver

    def _parents(self) -> dict[int, int]:
        """Which rule added which, as far as an earlier driver knew."""
        added = [(node, new) for node, new, _ in self.work.grown]
        return {rule: node for node, new in added for rule in new if rule in self.work.rules}

    def _take_up(self) -> None:
        engine, book = self.work.engine, self.book
        for node, new, facts in self.work.grown:
            for key, tags in facts.get("tags", {}).items():
                book.tag(engine.number[key], tags)
            if "job" in facts and not GOOD[engine.state[node]]:
                self.ground.take_up(node, new)
            if engine.keys[node].startswith(PREFIX):
                book.has_fired(node, facts.get("closed", ()), new)
