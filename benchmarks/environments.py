"""An environment for each of the systems that are measured, in `.envs`, all of the same interpreter.

Ramify is installed as its users have it: a wheel of this source tree, with its base dependencies alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".envs"
PACKAGES: Final = {
    "ramify": ["ramify"],
    "tidyrun": ["tidyrun"],
    "tiledb": ["tiledb-cloud"],
    "dask": ["dask", "distributed"],
    "joblib": ["joblib"],
    "redun": ["redun"],
    "doit": ["doit"],
    "adage": ["adage", "networkx"],
    "drypipe": ["dry-pipe"],
    "snakemake": ["snakemake"],
}
WANTED: Final = {
    "ramify": str(ROOT),
    "tidyrun": "tidyrun==0.0.8",
    "tiledb": "tiledb-cloud==0.14.4",
    "dask": "dask[distributed]",
    "joblib": "joblib==1.6.0",
    "redun": "redun==0.44.1",
    "doit": "doit==0.37.0",
    "drypipe": "dry-pipe==0.8.0",
    "snakemake": "snakemake==9.27.1",
    "adage": "adage==0.11.0",
}


def python_of(name: str) -> str:
    """The interpreter of an environment."""
    return str(FOLDER / name / "bin" / "python")


def prepare(name: str) -> None:
    """Makes an environment where it is not there yet; Ramify is installed anew each time."""
    ready = FOLDER / name / "ready"
    if ready.exists() and name != "ramify":
        return
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if not ready.exists():
        say(f"making {FOLDER.name}/{name}")
        by_uv = [uv, "venv", "-q", "--clear", "--python", sys.executable] if uv else []
        run([*(by_uv or [sys.executable, "-m", "venv", "--clear"]), str(FOLDER / name)])
    if uv:
        run([uv, "pip", "install", "-q", "--python", python_of(name), *fresh(name, "--reinstall-package")])
    else:
        run([python_of(name), "-m", "pip", "install", "-q", *fresh(name, "--no-deps", "--force-reinstall")])
    ready.touch()


def fresh(name: str, *again: str) -> list[str]:
    """What to install; Ramify's own package anew where the environment has an older state of it."""
    if name != "ramify" or not (FOLDER / name / "ready").exists():
        return [WANTED[name]]
    return [*again, *(["ramify"] if again == ("--reinstall-package",) else []), WANTED[name]]


def run(command: list[str]) -> None:
    """Runs a command with uv told what pip is told in this environment."""
    names = {
        "PIP_CERT": "SSL_CERT_FILE",
        "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
        "PIP_FIND_LINKS": "UV_FIND_LINKS",
    }
    told = {uv: os.environ[pip] for pip, uv in names.items() if pip in os.environ}
    subprocess.run(command, check=True, env=told | os.environ)


def versions(name: str) -> dict[str, str]:
    """The versions of what an environment is for."""
    code = "import sys\nfrom importlib.metadata import version\nfor n in sys.argv[1:]: print(version(n))"
    command = [python_of(name), "-c", code, *PACKAGES[name]]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return dict(zip(PACKAGES[name], found, strict=True))


def say(text: str) -> None:
    """Progress, for a person who waits."""
    print(f"benchmarks: {text}", file=sys.stderr, flush=True)
