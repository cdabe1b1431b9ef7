"""The repository's own rules: what a reader must find, and what must not be in it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "ramify"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_OURS = {"_build", "__pycache__", "build", "dist", "demo"}
MODULES = sorted(SOURCE.rglob("*.py"))
MANUALS = sorted(
    p for p in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")] if not NOT_OURS & set(p.parts)
)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def ident(path: Path) -> str:
    return str(path.relative_to(ROOT))


def texts() -> Iterator[tuple[Path, str]]:
    """Every text file that belongs to the repository."""
    folders = ["src", "tests", "docs", "scripts", "benchmarks", "examples", ".ci"]
    found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    for path in [*ROOT.glob("*"), *found]:
        inside = path.relative_to(ROOT).parts
        if path.is_file() and not NOT_OURS & set(inside) and path.suffix != ".pyc":
            yield path, path.read_text(errors="ignore")


# ---- what must not be in it

BUILD_MACHINE = re.compile(
    r"(?<![\w.~-])/(?:work|farm)/[\w.]|\.\./shared\b|/tmp/(?:bash|brief)|(?<![\w.~/-])/(?:root|home/\w+|Users/\w+)/\w"
)
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|" + "XX" + r"X)\b")
NO_REASON = re.compile(r"#\s*(?:type: ignore(?:\[[\w,\- ]+\])?|noqa(?::\s*[\w, ]+)?)\s*$", re.MULTILINE)
HERE = Path(__file__).resolve()


@pytest.mark.parametrize("pattern", [BUILD_MACHINE, UNFINISHED], ids=["paths", "unfinished"])
def test_no_text_names_a_build_machine_or_what_is_still_to_do(pattern: re.Pattern[str]) -> None:
    found = [
        f"{ident(path)}: {match.group()}"
        for path, text in texts()
        if path != HERE
        for match in pattern.finditer(text)
    ]
    assert not found


def test_every_suppressed_lint_has_its_reason_beside_it() -> None:
    found = [
        f"{ident(path)}: {match.group()}"
        for path, text in texts()
        if path.suffix == ".py" and path != HERE
        for match in NO_REASON.finditer(text)
    ]
    assert not found


@pytest.mark.parametrize("text", ["x = f()  # type: ignore[misc]", "import os  # noqa: E402", "y  # noqa"])
def test_a_suppressed_lint_without_a_reason_is_seen(text: str) -> None:
    assert NO_REASON.search(text)
    assert not NO_REASON.search(text + "  # the stub is wrong")


def test_constraints_name_packages_and_versions_and_nothing_else() -> None:
    line = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*(?: ; [\w.'<>=!* ]+)?")
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [text for text in lines if not line.fullmatch(text)] == []


def test_every_direct_dependency_is_pinned() -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    project = PROJECT["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    lists += PROJECT["dependency-groups"].values()
    names = {re.split(r"[\[><=~! ]", text)[0] for group in lists for text in group} - {"ramify"}
    assert names - pinned == set()


# ---- the source


@pytest.mark.parametrize("path", MODULES, ids=ident)
def test_module_is_small_documented_and_named_for_what_it_holds(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 700
    assert path.stem not in {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "a module says at its top what it is for"


@pytest.mark.parametrize("path", MODULES, ids=ident)
def test_functions_fit_a_reader(path: Path) -> None:
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, FUNCTION) and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert not long


@pytest.mark.parametrize("path", MODULES, ids=ident)
def test_no_module_imports_from_the_facade(path: Path) -> None:
    """`from ramify import Job` inside the package would run the stairs upwards, unseen by the layers."""
    if path.parent == SOURCE:
        return
    found = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and node.module == "ramify" and not node.level)
        and any(not (SOURCE / alias.name).exists() for alias in node.names)
        and any(not (SOURCE / f"{alias.name}.py").exists() for alias in node.names)
    ]
    assert not found


def test_public_names_have_docstrings() -> None:
    ramify = importlib.import_module("ramify")
    missing = [name for name in ramify.__all__ if undocumented(name, getattr(ramify, name))]
    assert not missing


def undocumented(name: str, thing: object) -> bool:
    if not (isinstance(thing, type) or callable(thing)):
        return False
    if not getattr(thing, "__doc__", None):
        return True
    members = vars(thing).items() if isinstance(thing, type) else []
    return any(
        callable(member) and not member_name.startswith("_") and not getattr(thing, member_name).__doc__
        for member_name, member in members
    )


def test_the_pure_rooms_are_in_the_purity_contract() -> None:
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    pure = next(c for c in contracts if c["name"].startswith("core and rebuild"))["source_modules"]
    for room in ("core", "rebuild"):
        if (SOURCE / room).is_dir() and any((SOURCE / room).glob("*.py")):
            assert f"ramify.{room}" in pure
        if (SOURCE / f"{room}.py").exists():
            assert f"ramify.{room}" in pure


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names)), "pytest imports test files by their base names"


# ---- what a reader must find


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/GLOSSARY.md"]
)
def test_root_files_are_there(name: str) -> None:
    assert (ROOT / name).read_text().strip()


def test_changelog_has_a_section_for_what_is_not_released() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", MANUALS, ids=ident)
def test_make_targets_that_a_manual_names_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^\$ )make ([a-z]+)\b", path.read_text(), re.MULTILINE))
    assert named <= targets


def test_make_help_lists_every_target_that_a_person_types() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()) - {"setup"}  # type: ignore[index]  # it is there
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  make (\w+)", listed.stdout, re.MULTILINE)) == phony


def test_ci_runs_everything_and_refuses_skips() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in text
    assert "RAMIFY_REQUIRE_SERVICES=1" in text
    assert "make test" in text


@pytest.mark.parametrize("path", MANUALS, ids=ident)
def test_links_inside_the_repository_lead_somewhere(path: Path) -> None:
    broken = [target for target in links(path) if not leads_somewhere(path, target)]
    assert not broken


def links(path: Path) -> list[str]:
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [t for t in re.findall(r"\]\(([^)\s]+)\)", prose) if not re.match(r"[a-z]+:", t)]


def leads_somewhere(path: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    other = (path.parent / name) if name else path
    if not other.exists():
        return False
    return not anchor or anchor in {
        slug(head) for head in re.findall(r"^#+ (.*)$", other.read_text(), re.MULTILINE)
    }


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def test_pictures_show_what_is_there() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "diagram.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr + "run `make diagrams`"
