"""A PostgreSQL server of the tests' own: a folder, a free port and a password that nothing else knows."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

PASSWORD = "s3cret/of%the tests"
READY = "ready to accept connections"
FOLDERS = ["/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"]
SETTINGS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB"]


def programs() -> Path:
    """The folder of the newest `initdb` and `postgres`; skips where there is none."""
    found = [path for folder in FOLDERS for path in Path("/").glob(f"{folder[1:]}/initdb")]
    if found:
        return max(found, key=lambda path: [int(part) for part in path.parts if part.isdigit()]).parent
    on_path = shutil.which("initdb")
    if on_path is None:
        pytest.skip("no PostgreSQL here: scripts/services installs it, or says how")
    return Path(on_path).resolve().parent


def as_owner(folder: str) -> dict[str, Any]:
    """How to start its programs: it refuses to run as root."""
    if os.geteuid() != 0:
        return {"cwd": folder}
    owner = pwd.getpwnam("postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return {"cwd": folder, "user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


@contextmanager
def postgres_server() -> Iterator[str]:
    """The URL of a database that lives as long as the block."""
    bin_folder = programs()
    folder = tempfile.mkdtemp(prefix="ramify-postgres-")
    try:
        how = as_owner(folder)
        made = Path(folder, "password")
        made.write_text(PASSWORD)
        made.chmod(0o644)  # the folder itself is its owner's alone
        order = [bin_folder / "initdb", "-D", "data", "-U", "ramify", "-A", "scram-sha-256"]
        order += [f"--pwfile={made}", "-E", "UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(order, capture_output=True, text=True, **how)
        assert done.returncode == 0, done.stdout + done.stderr
        with _running(bin_folder, how) as port:
            password = quote(PASSWORD, safe="")
            yield f"postgresql+psycopg://ramify:{password}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(bin_folder: Path, how: dict[str, Any]) -> Iterator[int]:
    """The port is chosen anew if another process took it meanwhile."""
    logs: list[str] = []
    for _ in range(3):
        port = free_port()
        order = [bin_folder / "postgres", "-D", "data", "-p", str(port), "-k", ""]
        order += [word for one in ["listen_addresses=127.0.0.1", *SETTINGS] for word in ("-c", one)]
        server = subprocess.Popen(order, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **how)
        assert server.stderr is not None
        log: list[str] = []
        if any(READY in line for line in _kept(server.stderr, log)):
            reader = threading.Thread(target=log.extend, args=(server.stderr,))
            reader.start()
            try:
                yield port
            finally:
                server.send_signal(signal.SIGINT)  # it does not wait for who is connected
                server.wait(30)
                reader.join(30)
                server.stderr.close()
            return
        server.wait(30)
        logs += log
    pytest.fail(f"PostgreSQL did not start:\n{''.join(logs)}")


def _kept(lines: Any, log: list[str]) -> Iterator[str]:
    for line in lines:
        log.append(line)
        yield line


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port
