"""`ramify logs`: what jobs wrote to their standard output and error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import click

from ramify.cli.find import RUN_HELP, complete_run_or_job, find_run_and_jobs, ids_of
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.core.rule_keys import RULES, called
from ramify.errors import JobIdError
from ramify.files.lock import read_holder
from ramify.run.history import History
from ramify.run.view import LOGS, RunView
from ramify.show.text import visible
from ramify.worker.logs import log_name

_EVERY: Final = 0.2
"""Seconds between two looks at the files that are followed."""


@dataclass(frozen=True)
class Log:
    """One log file of one attempt."""

    job_id: str
    attempt: int
    path: str


@click.command(epilog=RUN_HELP + " JOB is an id, a group, a pattern with `*`, or a part of an id.")
@click.argument("words", nargs=-1, metavar="[RUN] [JOB]...", shell_complete=complete_run_or_job)
@click.option("--attempt", type=click.IntRange(1), help="This attempt [the last].")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run is over.")
@verbose_option
@json_option
def logs(words: tuple[str, ...], attempt: int | None, follow: bool, as_json: bool, **_: Any) -> None:
    """Print what jobs wrote: those that failed first, or the jobs that are named.

    Example: ramify logs latest scores/m1 --follow
    """
    if follow and as_json:
        raise click.UsageError("--follow and --json exclude each other: a document has an end")
    view, jobs = find_run_and_jobs(words)
    chosen = _chosen(view, jobs)
    if follow:
        Follower(view, chosen, attempt).follow()
        return
    found = list(_logs(view, chosen, attempt))
    if as_json:
        from ramify.show.status import rule_document

        whole = History(view.folder)
        told = [_document(whole, log) for log in found]
        rules = [rule_document(rule) for rule in view.rules() if rule.key in chosen and rule.failure]
        put_json({"run": view.name, "folder": view.folder, "logs": told, "rules": rules})
        return
    of_rules = _failed_rules(view, chosen)
    put_lines(of_rules)
    if not of_rules:
        _check_found(view, jobs, chosen, found, attempt)
    for log in found:
        if len(chosen) > 1:
            click.echo(_heading(view, log))
        _pour(log.path, 0)


def _chosen(view: RunView, jobs: list[str]) -> list[str]:
    if jobs:
        return list(dict.fromkeys(job_id for text in jobs for job_id in ids_of(view, text, rules=True)))
    from ramify.show.status import failed_jobs

    failed = [job.job_id for job in (*view.failed_rules(), *failed_jobs(view))]
    return list(dict.fromkeys([*failed, *view.job_ids()]))


def _logs(view: RunView, chosen: Iterable[str], attempt: int | None) -> Iterator[Log]:
    for job_id in chosen:
        node = view.engine.number[job_id]
        number = attempt or view.engine.attempts[node]
        path = view.log_of(node, number) if number else None
        if path is not None:
            yield Log(job_id, number, path)


def _check_found(
    view: RunView, jobs: list[str], chosen: list[str], found: list[Log], attempt: int | None
) -> None:
    """Says why nothing is printed; an attempt that never was is an error."""
    if found:
        return
    if len(chosen) == 1:
        job = view.job(chosen[0])
        if attempt is not None and attempt > job.attempts:
            raise JobIdError(f"{job.job_id} had {job.attempts} attempts, not {attempt}", job_id=job.job_id)
        if job.job_id.startswith(RULES):
            from ramify.run.rule_view import rule_story

            click.echo(visible(rule_story(view.rule(job.job_id))), err=True)
            return
        told = "printed nothing" if job.attempts else "has not run"
        lost = job.state == "running" and view.status != "RUNNING"
        state = "was running when its driver ended" if lost else f"is {job.state}"
        click.echo(f"{visible(job.job_id)} {told} (it {state})", err=True)
        return
    click.echo(f"no job {'of these ' if jobs else ''}printed anything in {visible(view.name)}", err=True)


def _document(view: History, log: Log) -> dict[str, Any]:
    with open(log.path, "rb") as file:
        text = file.read().decode("utf-8", "backslashreplace")
    tried = view.attempts_of(view.engine.number[log.job_id])[log.attempt - 1]
    return {
        "job_id": log.job_id,
        "attempt": log.attempt,
        "path": log.path,
        "cpu_seconds": tried.cpu_seconds,
        "peak_memory": tried.peak_memory,
        "text": text,
    }


def _failed_rules(view: RunView, chosen: list[str]) -> list[str]:
    """What there is to read of rules that failed: they have no logs, as they are asked in the driver."""
    from ramify.run.rule_view import FAILED_RULE, rule_story
    from ramify.show.failure import traceback_lines

    lines, pen = [], paint()
    for key in chosen:
        if key.startswith(RULES) and view.rule(key).state == FAILED_RULE:
            rule = view.rule(key)
            told = [visible(rule_story(rule)), *traceback_lines(rule.failure or {}, pen)]
            head = f"{pen.dim('==>')} {pen.bold(visible(called(key)))} ({pen.red('failed')}) {pen.dim('<==')}"
            lines += [head, *told] if len(chosen) > 1 else told
    return lines


def _heading(view: RunView, log: Log) -> str:
    job = view.job(log.job_id)
    pen = paint()
    state = pen.red(job.state) if job.state == "failed" else job.state
    attempt = f", attempt {log.attempt}" if job.attempts > 1 else ""
    return f"{pen.dim('==>')} {pen.bold(visible(log.job_id))} ({state}{attempt}) {pen.dim('<==')}"


def _pour(path: str, start: int) -> int:
    """Copies a file to standard output as it is; returns where it ended."""
    stream = sys.stdout.buffer
    with open(path, "rb") as file:
        file.seek(start)
        last = b"\n"
        while data := file.read(1 << 16):
            stream.write(data)
            start, last = start + len(data), data
    if not last.endswith(b"\n"):
        stream.write(b"\n")
    stream.flush()
    return start


class Follower:
    """Prints what is added to logs until the run is over: plainly for one job, else with its id in front."""

    def __init__(self, view: RunView, chosen: list[str], attempt: int | None) -> None:
        self.view = view
        self.folder = os.path.join(view.folder, LOGS)
        self.attempt = attempt
        self.many = len(chosen) > 1
        self._names = {log_name(job_id, 1): job_id for job_id in chosen}
        self._read: dict[str, int] = {}
        self._rest: dict[str, bytes] = {}

    def follow(self) -> None:
        """Returns when the run is over and everything was printed."""
        lock_folder = os.path.dirname(self.view.folder)
        while True:
            holder = read_holder(lock_folder)
            self._look()
            if holder is None or holder.get("run") != self.view.name:
                break
            time.sleep(_EVERY)
        for job_id, rest in self._rest.items():
            if rest:
                self._put(job_id, rest + b"\n")

    def _look(self) -> None:
        for path, job_id in sorted(self._files()):
            start = self._read.get(path, 0)
            if os.path.getsize(path) > start:
                with open(path, "rb") as file:
                    file.seek(start)
                    data = file.read()
                self._read[path] = start + len(data)
                self._take(job_id, data)

    def _files(self) -> Iterator[tuple[str, str]]:
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                found = self._job_of(os.path.relpath(path, self.folder).replace(os.sep, "/"))
                if found is not None:
                    yield path, found

    def _job_of(self, name: str) -> str | None:
        """The job whose log has this name: `a.log`, or `a.try2.log` of its second attempt."""
        if name in self._names:
            return self._names[name] if self.attempt in (None, 1) else None
        stem, _, number = name.removesuffix(".log").rpartition(".try")
        job_id = self._names.get(f"{stem}.log")
        if job_id is None or not number.isdecimal():
            return None
        return job_id if self.attempt in (None, int(number)) else None

    def _take(self, job_id: str, data: bytes) -> None:
        if not self.many:
            self._put(job_id, data)
            return
        lines = (self._rest.pop(job_id, b"") + data).split(b"\n")
        self._rest[job_id] = lines.pop()
        for line in lines:
            self._put(job_id, line + b"\n")

    def _put(self, job_id: str, data: bytes) -> None:
        stream = sys.stdout.buffer
        if self.many:
            stream.write(f"{visible(job_id)} | ".encode())
        stream.write(data)
        stream.flush()
