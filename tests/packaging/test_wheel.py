"""The wheel: what is in it, and that it works with the base dependencies alone."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
UV = Path(sys.executable).with_name("uv")
OPTIONAL = ["numpy", "pandas", "pyarrow", "h5py", "tables", "polars"]
pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def call(*command: str | Path) -> str:
    environment = {
        name: text for name, text in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    if "PIP_CERT" in environment:
        environment.setdefault("SSL_CERT_FILE", environment["PIP_CERT"])
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not UV.exists():
        pytest.skip("uv is not installed here: `make setup` found no way to get it")
    folder = tmp_path_factory.mktemp("wheel")
    call(UV, "build", "-q", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", folder)
    return next(folder.glob("ramify-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel and its base dependencies, and nothing else."""
    venv = tmp_path_factory.mktemp("base") / "venv"
    call(UV, "venv", "-q", "--python", sys.executable, venv)
    call(UV, "pip", "install", "-q", "--python", venv / "bin" / "python", "-c", "constraints.txt", wheel)
    return venv / "bin" / "python"


def test_the_wheel_has_the_package_its_types_and_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    source = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "ramify").rglob("*.py")}
    assert source <= set(names)
    assert "ramify/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_the_command_is_installed(python: Path) -> None:
    assert "Usage: ramify" in call(python.with_name("ramify"), "--help")


def test_importing_brings_in_no_optional_package(python: Path) -> None:
    code = "import sys; from ramify import DAG, Job; print([n for n in sys.argv[1:] if n in sys.modules])"
    assert call(sys.executable, "-c", code, *OPTIONAL).strip() == "[]"


def test_a_job_runs_with_the_base_dependencies_alone(python: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from ramify import DAG, Job; dag = DAG(); "
        "dag['a'] = Job(func=pow, kwargs={'base': 3, 'exp': 2}); print(dag.evaluate(sys.argv[1])['a'])"
    )
    assert call(python, "-c", code, tmp_path / "exp").strip() == "9"


def test_the_import_is_timed(python: Path, record_property: Callable[[str, object], None]) -> None:
    lines = call(python, ROOT / "scripts" / "import_time.py", python).splitlines()
    assert lines
    for line in lines:
        record_property("note", line)
