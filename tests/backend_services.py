"""Clusters of the tests' own: a Redis with Celery workers, a Dask cluster, an ipyparallel cluster.

Each is real, on this machine, on free ports, and lives as long as the block that starts it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from postgres_server import free_port

from ramify.worker.trees import kill_trees

PASSWORD = "s3cret-of-the-tests"
GUARD = 60.0
SOURCE = str(Path(__file__).resolve().parent.parent / "src")


class Program:
    """A program that runs on: what it prints is kept, and can be waited for."""

    def __init__(self, *command: str, **environ: str) -> None:
        path = os.pathsep.join([SOURCE, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | environ,
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self.lines.append("")  # its end
            self._changed.notify_all()

    def wait_for(self, text: str, times: int = 1) -> str | None:
        """The line with this text, once it has been printed so many times; None if it ended first."""
        with self._changed:
            over = self._changed.wait_for(
                lambda: self._count(text) >= times or self.lines[-1:] == [""], GUARD
            )
        if not over:
            pytest.fail(f"no {text!r} in {GUARD} s:\n{self.log()}")
        return next((line for line in reversed(self.lines) if text in line), None)

    def _count(self, text: str) -> int:
        return sum(text in line for line in self.lines)

    def log(self) -> str:
        return "".join(self.lines)

    def end(self) -> None:
        """Kills the program and what it started."""
        kill_trees([self.process.pid])
        self.process.wait(GUARD)
        self._reader.join(GUARD)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a Redis, with a password that nothing else knows; skips where there is none."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("no Redis here: scripts/services installs it, or says how")
    with tempfile.TemporaryDirectory(prefix="ramify-redis-") as folder:
        for _ in range(3):  # another process may take the port meanwhile
            port = free_port()
            settings = f"bind 127.0.0.1\nport {port}\nsave ''\nappendonly no\nrequirepass {PASSWORD}\n"
            config = Path(folder, "redis.conf")
            config.write_text(f"{settings}dir {folder}\n")
            program = Program(server, str(config))
            try:
                if program.wait_for("eady to accept connections"):
                    yield f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
                    return
            finally:
                program.end()
        pytest.fail(f"Redis did not start:\n{program.log()}")


def celery_worker(url: str, *more: str, name: str = "one", processes: int = 2) -> Program:
    """A worker that has said that it is ready; to be ended by who started it."""
    pytest.importorskip("celery")
    order = [sys.executable, "-m", "celery", "-A", "ramify.executors.celery_app", "worker"]
    order += ["-c", str(processes), "-n", f"{name}@tests", "--loglevel", "INFO", *more]
    program = Program(*order, CELERY_BROKER_URL=url)
    if program.wait_for(" ready.") is None:
        program.end()
        pytest.fail(f"the Celery worker did not start:\n{program.log()}")
    return program


@contextmanager
def dask_cluster(workers: int = 2) -> Iterator[str]:
    """The address of a scheduler with workers of one thread each, under nannies that start them anew."""
    pytest.importorskip("distributed")
    base = [sys.executable, "-m", "dask"]
    with ExitStack() as stack:
        scheduler = Program(*base, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        stack.callback(scheduler.end)
        line = scheduler.wait_for("Scheduler at:")
        if line is None:
            pytest.fail(f"the Dask scheduler did not start:\n{scheduler.log()}")
        address = line.split("Scheduler at:")[1].strip()
        more = ["--nworkers", str(workers), "--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard"]
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ramify-dask-"))
        worker = Program(*base, "worker", address, *more, "--local-directory", folder)
        stack.callback(worker.end)
        if worker.wait_for("Starting established connection", workers) is None:
            pytest.fail(f"the Dask workers did not start:\n{worker.log()}")
        yield address


@contextmanager
def ipyparallel_cluster(engines: int = 2) -> Iterator[Any]:
    """A client of a cluster."""
    ipyparallel = pytest.importorskip("ipyparallel")
    with tempfile.TemporaryDirectory(prefix="ramify-ipp-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", folder)
        patch.setenv("PYTHONPATH", os.pathsep.join([SOURCE, os.environ.get("PYTHONPATH", "")]))
        cluster = ipyparallel.Cluster(
            n=engines, controller_ip="127.0.0.1", log_level=40, profile_dir=f"{folder}/profile_tests"
        )
        cluster.start_cluster_sync()
        try:
            client = cluster.connect_client_sync()
            client.wait_for_engines(engines, timeout=GUARD, interactive=False)
            yield client
            client.close()
        finally:
            cluster.stop_cluster_sync()
