"""Code that is installed without being copied is the user's own; so is a library in C beside it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from edited_projects import load, unload, write

from ramify.values.fingerprint import Fingerprint, fingerprint, forget_fingerprints

FLOW = """
from thing.parts import clean
import thing.parts

def run(x): return clean(x) + thing.parts.clean(x)

def late(x):
    from thing.parts import clean
    return clean(x)
"""
THING = {"thing/__init__.py": "", "thing/parts.py": "def clean(x): return x + 1\n"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions, in which `thing` 1.0 has no files of its own."""
    site = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(site))
    write(
        site / "thing-1.0.dist-info",
        {"RECORD": "thing-1.0.dist-info/RECORD,,\n__editable__.thing-1.0.pth,,\n"},
    )
    yield site
    unload(tmp_path)


class Mapped:
    """How setuptools has the modules of such an install found: by a table, outside of the import path."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "thing":
            return None
        file = self.place / "thing" / "__init__.py"
        return importlib.util.spec_from_file_location(
            name, file, submodule_search_locations=[str(file.parent)]
        )


@pytest.mark.parametrize("way", ["path", "table"])
@pytest.mark.parametrize("name", ["run", "late"])
def test_an_editable_install_is_followed(
    folder: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, name: str
) -> None:
    place = tmp_path / "source"
    if way == "path":
        monkeypatch.syspath_prepend(str(place))
    else:
        monkeypatch.setattr(sys, "meta_path", [Mapped(place), *sys.meta_path])
    write(folder, {"flow.py": FLOW})
    write(place, THING)
    before = seen(folder, place, name)
    assert not any(part.startswith("package") for part in before.parts)
    write(place, {**THING, "thing/parts.py": "def clean(x): return x + 2\n"})
    assert seen(folder, place, name).digest != before.digest
    write(place, {**THING, "thing/parts.py": "# moved\ndef clean(x): return x + 1\n"})
    assert seen(folder, place, name) == before


def seen(folder: Path, place: Path, name: str) -> Fingerprint:
    unload(place)
    found = fingerprint(load(folder, name))
    assert found.digest is not None and found.unfollowed == ()
    return found


@pytest.mark.parametrize("name", ["run", "late"])
def test_of_what_is_installed_the_version_counts(folder: Path, site: Path, name: str) -> None:
    write(folder, {"flow.py": FLOW})
    write(site, THING)
    found = {}
    for version, body in (("1.0", "x + 1"), ("1.0", "x + 2"), ("1.1", "x + 2")):
        shutil.rmtree(site)
        record = "thing/__init__.py,,\nthing/parts.py,,\n"
        write(
            site,
            {
                **THING,
                "thing/parts.py": f"def clean(x): return {body}\n",
                f"thing-{version}.dist-info/RECORD": record,
            },
        )
        found[version, body] = seen(folder, site, name)
    assert [one.parts["package thing"] for one in found.values()] == ["1.0", "1.0", "1.1"]
    same, edited, newer = [one.digest for one in found.values()]
    assert same == edited != newer


@pytest.mark.parametrize("name", ["run", "late"])
def test_an_install_from_a_folder_counts_with_its_files(folder: Path, site: Path, name: str) -> None:
    write(folder, {"flow.py": FLOW})
    digests = set()
    for checksum in "ab":
        info = {
            "RECORD": f"thing/__init__.py,,\nthing/parts.py,sha256={checksum},9\n",
            "direct_url.json": "{}",
        }
        write(site, {**THING, **{f"thing-1.0.dist-info/{file}": text for file, text in info.items()}})
        digests.add(seen(folder, site, name).digest)
    assert len(digests) == 2


EXTENSION = importlib.util.find_spec("xxlimited")


@pytest.mark.skipif(EXTENSION is None, reason="platform: this Python has no small library in C to copy")
@pytest.mark.parametrize("late", [False, True])
def test_a_library_in_c_of_the_users_own_counts_by_its_file(folder: Path, late: bool) -> None:
    assert EXTENSION is not None and EXTENSION.origin is not None
    name = os.path.basename(EXTENSION.origin)
    text = "from parts import xxlimited\n"
    body = "def run(x):\n    return xxlimited.foo(x, 1)\n"
    flow = body.replace("    return", f"    {text}    return") if late else text + body
    write(folder, {"flow.py": flow, "parts/__init__.py": ""})
    shutil.copy(EXTENSION.origin, folder / "parts" / name)
    run = load(folder)
    before = fingerprint(run)
    assert "extension module parts.xxlimited" in before.parts and before.unfollowed == ()
    assert run(3) == 4
    forget_fingerprints()
    assert fingerprint(run) == before
    built = folder / "built"
    built.write_bytes(Path(EXTENSION.origin).read_bytes() + b"another build")
    os.replace(built, folder / "parts" / name)
    forget_fingerprints()
    assert fingerprint(run).digest != before.digest


LAZY = """
import importlib

def __getattr__(name):
    return importlib.import_module("thing." + name)
"""


@pytest.mark.parametrize("body", ["thing.parts.clean(x)", "callable(thing.parts)"])
def test_whether_a_part_of_a_library_is_loaded_does_not_count(folder: Path, site: Path, body: str) -> None:
    record = "thing/__init__.py,,\nthing/parts.py,,\n"
    write(site, {**THING, "thing/__init__.py": LAZY, "thing-1.0.dist-info/RECORD": record})
    write(folder, {"flow.py": f"import thing\ndef run(x): return {body}\n"})
    unload(site)
    run = load(folder)
    before = fingerprint(run)
    assert "thing.parts" not in sys.modules and before.parts["package thing"] == "1.0"
    run(3)
    assert fingerprint(run) == before
    forget_fingerprints()
    assert fingerprint(run) == before


def test_a_ufunc_is_that_of_the_library_also_where_ones_own_module_has_it(folder: Path, site: Path) -> None:
    keep = "globals()[expit.__name__] = expit\n"
    parts = f"import numpy\nexpit = numpy.frompyfunc(abs, 1, 1)\n{keep}"
    record = "thing/__init__.py,,\nthing/parts.py,,\n"
    write(site, {**THING, "thing/parts.py": parts, "thing-1.0.dist-info/RECORD": record})
    write(folder, {"flow.py": f"from thing.parts import expit\n{keep}def run(x): return expit(x)\n"})
    unload(site)
    found = fingerprint(load(folder))
    assert found.digest is not None and found.parts["package thing"] == "1.0"
    assert not any(part.startswith("module") for part in found.parts)
