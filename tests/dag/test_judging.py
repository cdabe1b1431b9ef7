"""What `plan` says is what `evaluate` does: random graphs, edits, losses, force and reuse, a thousand times.

Always: RUN is a part of what is executed, and that is a part of RUN and MAYBE together; and the values are
those of a run that nothing has happened to.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, Job, ParametrizedJob
from ramify.run.view import RunView, runs_in

SEQUENCES = 125
ROUNDS = 8

TOLD = "TOLD_BY_THE_JOBS"
"""The variable with the file where functions say that they were executed: they travel by value, so a list of
this module would not be theirs."""


def executed() -> list[str]:
    """What was executed since the last call."""
    path = Path(os.environ[TOLD])
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def code(salt: int, narrow: bool) -> Callable[..., int]:
    """A function whose code is another one for another salt; a narrow one often gives the same."""

    def work(me: str, number: int, above: Any, point: int = 0) -> int:
        with open(os.environ[TOLD], "a") as file:
            file.write(f"{me}/{point}\n" if point else f"{me}\n")
        return result(salt, narrow, number, sum(flat(above)), point)

    return work


def result(salt: int, narrow: bool, number: int, above: int, point: int) -> int:
    whole = 31 * salt + 7 * number + 3 * above + point
    return whole % 2 if narrow else whole


def flat(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from flat(item)
    elif value is not None:
        yield from flat(list(value.values()))


@dataclass(frozen=True)
class Spec:
    """One entry of a DAG: a job, or a grid of points; `needs` are names of earlier entries."""

    name: str
    salt: int
    narrow: bool
    number: int
    needs: tuple[str, ...]
    points: tuple[int, ...] = ()
    reuse: str | None = None
    hidden: bool = False


@dataclass
class World:
    """A flow as it is now, and the folder that it is evaluated into."""

    chance: random.Random
    folder: Path
    specs: list[Spec] = field(default_factory=list)

    def draw(self) -> None:
        for number in range(self.chance.randint(3, 9)):
            known = [spec.name for spec in self.specs]
            self.specs.append(
                Spec(
                    name=f"n{number}",
                    salt=self.chance.randint(0, 2),
                    narrow=self.chance.random() < 0.5,
                    number=self.chance.randint(0, 3),
                    needs=tuple(
                        self.chance.sample(known, min(len(known), self.chance.choice((0, 1, 1, 2, 3))))
                    ),
                    points=(1, 2, 3) if self.chance.random() < 0.3 else (),
                    reuse=self.chance.choice((None,) * 12 + ("off", "exists")),
                    hidden=self.chance.random() < 0.15,
                )
            )

    def some(self, names: list[str], counts: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self.chance.sample(names, min(len(names), self.chance.choice(counts))))

    def dag(self) -> DAG:
        """Hidden entries are arguments only; the others stand under their names."""
        dag, made = DAG(), {}
        for spec in self.specs:
            above = [made[name] for name in spec.needs]
            function = code(spec.salt, spec.narrow)
            given = {"me": spec.name, "number": spec.number, "above": above}
            if spec.points:
                points = [(point,) for point in spec.points]
                made[spec.name] = ParametrizedJob(function, ["point"], points, given, reuse=spec.reuse)
            else:
                made[spec.name] = Job(function, given, reuse=spec.reuse)
            if not spec.hidden:
                dag[spec.name] = made[spec.name]
        return dag

    def expected(self) -> dict[str, Any]:
        """The values, computed without Ramify."""
        values: dict[str, Any] = {}
        for spec in self.specs:
            above = sum(flat([values[name] for name in spec.needs]))
            given = spec.salt, spec.narrow, spec.number, above
            if spec.points:
                values[spec.name] = {point: result(*given, point) for point in spec.points}
            else:
                values[spec.name] = result(*given, 0)
        return {spec.name: values[spec.name] for spec in self.specs if not spec.hidden}

    def edit(self) -> None:
        """A few changes to code, arguments, points."""
        for _ in range(self.chance.choice((0, 1, 1, 2))):
            place = self.chance.randrange(len(self.specs))
            spec = self.specs[place]
            self.specs[place] = self.chance.choice(
                (
                    replace(spec, salt=self.chance.randint(0, 2)),
                    replace(spec, number=self.chance.randint(0, 3)),
                    replace(spec, points=self.chance.choice(((1, 2), (1, 2, 3, 4)))) if spec.points else spec,
                    replace(spec, reuse=None if spec.reuse == "exists" else spec.reuse),
                )
            )

    def lose(self) -> None:
        """Outputs get lost, or are damaged; so may what is known of them."""
        outputs = self.folder / "outputs"
        files = sorted(
            p for p in outputs.rglob("*") if p.is_file() and "/." not in str(p.relative_to(outputs.parent))
        )
        for path in self.chance.sample(files, min(len(files), self.chance.choice((0, 0, 1, 2)))):
            harm = self.chance.randrange(3)
            if harm == 0:
                path.unlink()
            elif harm == 1:
                path.write_bytes(path.read_bytes()[:-1])
            else:
                path.write_bytes(path.read_bytes() + b" 1")
        if self.chance.random() < 0.1:
            (outputs / ".index").unlink(missing_ok=True)
        elif self.chance.random() < 0.1 and (outputs / ".index").exists():
            (outputs / ".index").write_bytes((outputs / ".index").read_bytes()[:-7])

    def exists_is_used(self) -> bool:
        return any(spec.reuse == "exists" for spec in self.specs)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*of the earlier plan")
@pytest.mark.parametrize("part", range(5))
def test_what_is_planned_is_what_is_done(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ramify.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(TOLD, str(tmp_path / "told"))
    met: Counter[str] = Counter()
    for number in range(part * SEQUENCES // 5, (part + 1) * SEQUENCES // 5):
        world = World(random.Random(number), tmp_path / "exp")
        world.draw()
        for turn in range(ROUNDS):
            try:
                one_round(world, met)
            except Exception as error:
                error.add_note(f"sequence {number}, round {turn}: {world.specs}")
                raise
        shutil.rmtree(tmp_path / "exp", ignore_errors=True)
        if world.chance.random() < 0.5:
            shutil.rmtree(tmp_path / ".ramify", ignore_errors=True)
    for what in ("RUN", "MAYBE", "LOAD", "REUSE", "cut off", "damaged"):
        assert met[what] > 10, f"{what} came up {met[what]} times: the test shows little"


def one_round(world: World, met: Counter[str]) -> None:
    world.edit()
    world.lose()
    chance = world.chance
    if world.exists_is_used():  # what is kept whatever changed has no value that could be foreseen
        world.specs = [replace(spec, reuse=None) if spec.reuse == "exists" else spec for spec in world.specs]
    dag = world.dag()
    words: dict[str, Any] = chance.choice(
        ({"reuse": "auto"}, {"reuse": "auto"}, {"skip_completed": True}, {"reuse": "auto", "reuse_from": []})
    )
    if chance.random() < 0.3:
        words = {**words, "force": chance.choice([s.name for s in world.specs if not s.hidden] or ["*"])}
    if words.get("force") == "*" and not len(dag):
        return
    plan = dag.plan(world.folder, **words)
    outputs = dag.evaluate(world.folder, execution_mode="thread", **words)
    told = executed()
    view = RunView(runs_in(str(world.folder / "run"))[0])
    ran = {job.job_id for job in view.jobs() if job.attempts}
    assert len(ran) == len(told), "the journal counts what the functions count"
    run, maybe = set(plan.will_run()), set(plan.may_run())
    assert run <= ran <= run | maybe
    if not maybe:
        assert ran == run
    met.update(plan.counts())
    met.update(verdict.cause.kind for verdict in plan)
    met["cut off"] += len(maybe - ran)
    for job_id in run:
        cause = view.job(job_id).cause
        assert cause is not None and cause.kind == plan[job_id].cause.kind, (job_id, cause, plan[job_id])
    assert outputs.to_dict() == world.expected()
    again = {name: word for name, word in words.items() if name != "force"}
    dag.evaluate(world.folder, execution_mode="thread", **again)
    always = {spec.name for spec in world.specs if spec.reuse == "off"}
    assert {name.partition("/")[0] for name in executed()} <= always
