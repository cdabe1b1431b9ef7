"""Kills drivers and workers at random instants, and counts what was lost or done twice: it must be nothing.

    python benchmarks/chaos.py --rounds 100 --seed 7

Each round runs a flow of some forty jobs, kills its driver, one of its workers, or all of them, up to three
times, and goes on each time: with the same flow (`skip`, `auto`) or with the very same run (`resume`). Then:
the outputs equal those of an undisturbed run, no job whose output was complete was executed again, and no
process, part or lock is left. A fault prints the seed that repeats it, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODES = ("thread", "process", "subprocess")
HOWS = ("skip", "auto", "resume")
VICTIMS = ("driver", "worker", "both")
GUARD = 60.0

FLOW = """
import os
import sys
import time

from ramify import DAG, Job, ParametrizedJob, resume


def told(key):
    file = os.open(os.environ["CHAOS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (key + "\\n").encode())
    os.close(file)
    time.sleep(0.001 * (sum(key.encode()) % 8))


def step(key, value):
    told(key)
    return value + 1


def table(key, size):
    told(key)
    return {"rows": list(range(size)), "name": key, "half": {"a": size / 2, "b": [key] * 3}}


def point(n, above):
    told(f"grid/{n}")
    return {"n": n, "sum": n + above, "text": str(n) * 2000}


def join(key, group, more):
    told(key)
    return sum(item["sum"] for item in group.values()) + len(more["rows"])


def flow():
    dag = DAG()
    before = 0
    for number in range(8):
        key = f"chain-{number}"
        dag[key] = Job(step, {"key": key, "value": before})
        before = dag[key]
    dag["table"] = Job(table, {"key": "table", "size": 50})
    dag["grid"] = ParametrizedJob(point, ["n"], [(n,) for n in range(20)], {"above": dag["chain-3"]})
    dag["left"] = Job(join, {"key": "left", "group": dag["grid"], "more": dag["table"]})
    dag["right"] = Job(join, {"key": "right", "group": dag["grid"], "more": dag["table"]})
    inner = DAG()
    for number in range(6):
        inner[f"n{number}"] = Job(step, {"key": f"inner/n{number}", "value": dag["left"]})
    dag["inner"] = inner
    dag["end"] = Job(step, {"key": "end", "value": dag["right"]})
    return dag


if __name__ == "__main__":
    mode, how = sys.argv[1:]
    words = {"execution_mode": mode, "max_workers": 2}
    if how == "resume":
        resume("exp", **words)
    else:
        flow().evaluate("exp", **words, **({"reuse": "auto"} if how == "auto" else {"skip_completed": True}))
"""


@dataclass
class Tally:
    """What happened in all rounds."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    went_on: int = 0
    executed: int = 0
    faults: list[str] = field(default_factory=list)


class Round:
    """One flow in a folder of its own, killed and continued."""

    def __init__(self, folder: Path, seed: int, mode: str, how: str, expected: dict[str, Any]) -> None:
        self.folder = folder
        self.chance = random.Random(f"{seed} {mode} {how}")
        self.mode = mode
        self.how = how
        self.expected = expected
        self.log = folder / "executed"
        self.faults: list[str] = []
        (folder / "ramify.toml").touch()
        (folder / "flow.py").write_text(FLOW)

    def play(self, tally: Tally) -> list[str]:
        """Plays the round; returns the faults."""
        for _ in range(self.chance.randint(1, 3)):
            self._go_on(tally, kill=True)
        self._go_on(tally, kill=False)
        self._look_at_the_end()
        tally.executed += len(self._executed())
        return self.faults

    # ---- one start of a driver

    def _go_on(self, tally: Tally, kill: bool) -> None:
        complete, before = self._complete(), len(self._executed())
        driver = self._start()
        victim = self._kill(driver, tally) if kill else ""
        try:
            _, err = driver.communicate(timeout=GUARD)
        except subprocess.TimeoutExpired:
            driver.kill()
            self.faults.append("the driver hangs")
            return
        if not kill and driver.returncode != 0:
            self.faults.append(f"the last run ended with {driver.returncode}: {err[-1000:]}")
        if (
            victim != "both"
        ):  # a worker that was just being forked or halted may be left: the next run ends it
            self._wait_for_workers()
        repeated = set(self._executed()[before:]) & complete
        if repeated:
            self.faults.append(f"executed again although complete: {sorted(repeated)}")
        tally.went_on += before > 0

    def _start(self) -> subprocess.Popen[str]:
        how = self.how
        if how == "resume" and not self._can_be_resumed():
            how = "skip"
        environ = {**os.environ, "CHAOS_LOG": str(self.log)}
        return subprocess.Popen(
            [sys.executable, "flow.py", self.mode, how],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _can_be_resumed(self) -> bool:
        """Whether a run had begun: its journal and its copy of the plan are there."""
        runs = [p for p in self.folder.glob("exp/run/*") if (p / "journal.jsonl").exists()]
        return any((p / "definitions.jsonl").exists() for p in runs)

    def _kill(self, driver: subprocess.Popen[str], tally: Tally) -> str:
        """At the n-th execution from now, or a moment later, or before there is any; gives the victim."""
        target = len(self._executed()) + self.chance.choice((0, *range(1, 25)))
        _until(lambda: len(self._executed()) >= target or driver.poll() is not None)
        time.sleep(self.chance.random() * 0.004)
        victim = self.chance.choice(VICTIMS) if self.mode != "thread" else "driver"
        workers = self._workers()
        if victim == "worker" and not workers:
            victim = "driver"
        if victim in ("driver", "both"):
            _signal(driver.pid)
        if victim == "both":
            for pid in workers:
                _signal(pid)
        elif victim == "worker":
            _signal(self.chance.choice(workers))
        tally.kills[victim] += 1
        return victim

    # ---- looking

    def _executed(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def _complete(self) -> set[str]:
        """The jobs whose output is complete now: in its place, or as a part with its record."""
        from ramify.stores.folder import FolderStore

        store = FolderStore(self.folder / "exp" / "outputs")
        found = {place for place in store.listing() if store.holds(place) is not None}
        for token, record in store.parts():
            payload = self.folder / "exp" / "outputs" / ".parts" / f"{token}{record['suffix']}"
            if payload.exists():
                found.add(str(record["job_id"]))
        return found

    def _workers(self) -> list[int]:
        from ramify.worker.trees import mark_of, marked

        return marked(mark_of(str(self.folder / "exp" / "plan")))

    def _wait_for_workers(self) -> None:
        """Workers of a dead driver end by themselves, or the next driver has ended them."""
        try:
            _until(lambda: not self._workers())
        except TimeoutError:
            self.faults.append(f"processes are left: {self._workers()}")

    def _look_at_the_end(self) -> None:
        from ramify import deserialize
        from ramify.files.lock import read_holder

        try:
            found = deserialize(self.folder / "exp" / "outputs").to_dict()
        except Exception as error:  # whatever it is, it is what the round has to tell
            self.faults.append(f"the outputs cannot be read: {error!r}")
            return
        if found != self.expected:
            self.faults.append("the outputs are not those of an undisturbed run")
        if (self.folder / "exp" / "outputs" / ".parts").exists():
            self.faults.append("parts are left")
        if read_holder(self.folder / "exp" / "run") is not None:
            self.faults.append("the lock is left")


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.001)


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def undisturbed(folder: Path) -> dict[str, Any]:
    """The outputs of a run that nobody kills."""
    from ramify import deserialize

    whole = Round(folder, 0, "thread", "skip", {})
    driver = whole._start()
    _, err = driver.communicate(timeout=GUARD)
    if driver.returncode:
        raise SystemExit(f"the undisturbed run failed: {err}")
    found: dict[str, Any] = deserialize(folder / "exp" / "outputs").to_dict()
    return found


def play(rounds: int, seed: int, modes: tuple[str, ...], hows: tuple[str, ...]) -> Tally:
    """Plays so many rounds, in every mode and way of going on in turn."""
    tally = Tally()
    base = Path(tempfile.mkdtemp(prefix="chaos-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    try:
        (base / "whole").mkdir()
        expected = undisturbed(base / "whole")
        for number in range(rounds):
            mode = modes[number % len(modes)]
            how = hows[number // len(modes) % len(hows)]
            folder = base / str(number)
            folder.mkdir()
            faults = Round(folder, seed + number, mode, how, expected).play(tally)
            tally.rounds += 1
            again = f"--rounds 1 --seed {seed + number} --mode {mode} --how {how}"
            tally.faults += [f"{again}: {fault}" for fault in faults]
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return tally


def main() -> int:
    """Plays the rounds that the command line asks for, and prints what happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--how", choices=HOWS)
    asked = parser.parse_args()
    modes = (asked.mode,) if asked.mode else MODES
    hows = (asked.how,) if asked.how else HOWS
    began = time.monotonic()
    tally = play(asked.rounds, asked.seed, modes, hows)
    for fault in tally.faults:
        print(fault, file=sys.stderr)
    kills = dict(sorted(tally.kills.items()))
    print(
        json.dumps(
            {
                "rounds": tally.rounds,
                "kills": {**kills, "all": sum(kills.values())},
                "went on": tally.went_on,
                "jobs executed": tally.executed,
                "faults": len(tally.faults),
                "seconds": round(time.monotonic() - began, 1),
            }
        )
    )
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
