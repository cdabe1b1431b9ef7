"""A plan that was opened: its definitions by id, parsed only as far as somebody asks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ramify.errors import JobIdError, PlanError
from ramify.files.local import read_bytes, read_if_there
from ramify.plan.definition import CodeNote, Definition, Growth, hidden_at, join
from ramify.plan.graph import GraphBuilder, GraphNode
from ramify.plan.paths import CODES, DEFINITIONS, FOLDERS, GROWN, GROWN_NOTES

_decoder: Final = msgspec.json.Decoder(Definition)
_points: Final = msgspec.json.Decoder(list[str])
_notes: Final = msgspec.json.Decoder(dict[str, CodeNote])
_growth: Final = msgspec.json.Decoder(Growth)
_encode: Final = msgspec.json.Encoder().encode

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError)

_PATIENCE: Final = 4
"""So many points of a grid are looked for in its text; then all of them are parsed, once."""


class Plan:
    """A plan on disk, read-only.

    `path`, `outputs` and `run_folder` are absolute paths; `manifest` is what `plan.json` says. One object may
    be used by many threads: what it caches can be made twice, and is the same.
    """

    def __init__(self, path: str, manifest: Mapping[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self.outputs = os.path.normpath(os.path.join(path, manifest["outputs"]))
        self.run_folder = os.path.normpath(os.path.join(path, manifest["run"]))
        self.loaders: dict[str, Callable[[str | None], dict[str, Any]]] = {}
        self.functions: dict[Any, Callable[..., Any]] = {}
        self._bytes: bytes | None = None
        self._all: dict[str, Definition] | None = None
        self._base: dict[str, Definition] | None = None
        self._some: dict[str, Definition] = {}
        self._rows: dict[str, list[str]] = {}
        self._sets: dict[str, frozenset[str]] = {}
        self._asked: dict[str, int] = {}
        self._folders: dict[str, list[str]] | None = None
        self._codes: dict[str, CodeNote] | None = None
        self._drafted: dict[str, list[str]] | None = None
        self._later: dict[str, list[str]] | None = None
        self._driven = False
        self._has_looked = False
        """Whether somebody has looked for definitions that came since the plan was made."""
        self._grown = bytearray()
        self._builder = GraphBuilder()

    def __repr__(self) -> str:
        return f"Plan({self.path!r})"

    # ---- definitions and points

    @property
    def definitions(self) -> dict[str, Definition]:
        """Every definition by its id, parents before children; with what was added while a run went on."""
        if self._all is None:
            self._all = self.drafted()
            grown = read_if_there(os.path.join(self.path, GROWN)) or b""
            for line in grown.splitlines(keepends=True):
                if line.endswith(b"\n"):
                    definition = _decoder.decode(line)
                    self._all[definition.id] = definition
        return self._all

    def drafted(self) -> dict[str, Definition]:
        """The definitions that the plan was made with."""
        if self._base is None:
            lines = self._text().splitlines()
            try:
                parsed = [_decoder.decode(line) for line in lines]
            except _UNREADABLE as error:
                raise self._broken(error) from error
            counts = self.manifest.get("counts")
            if isinstance(counts, Mapping) and counts.get("definitions") != len(parsed):
                raise self._broken(f"{DEFINITIONS} has {len(parsed)} lines")
            self._base = {d.id: d for d in parsed}
        return dict(self._base)

    def begin_anew(self) -> None:
        """Has only the definitions that the plan was made with count, until a driver adds more."""
        self._driven = True
        self._all = self.drafted()
        self._some.clear()
        self._grown.clear()
        self._folders = self._drafted = None
        self._later = {}

    @property
    def codes(self) -> dict[str, CodeNote]:
        """The fingerprints of the functions; see `Definition.code`. A plan that has none knows of none."""
        if self._codes is None:
            data = read_if_there(os.path.join(self.path, CODES))
            try:
                self._codes = {} if data is None else _notes.decode(data)
            except _UNREADABLE as error:
                raise self._broken(error) from error
        return self._codes

    def replace_codes(self, notes: Mapping[str, CodeNote]) -> None:
        """Has these fingerprints count, in this object, instead of those that were made with the plan."""
        self._codes = {**self.codes, **notes}

    def points(self, definition: Definition) -> list[str]:
        """The points of a grid, in its order; of a job, an empty list. Not to be changed."""
        rows = self._rows.get(definition.id)
        if rows is None:
            try:
                rows = self._rows[definition.id] = _points.decode(definition.points)
            except _UNREADABLE as error:
                raise self._broken(error) from error
        return rows

    def job_ids(self, hidden: bool = True) -> list[str]:
        """The ids of all jobs, points included, parents before children; `hidden=False` leaves those out."""
        ids: list[str] = []
        for definition in self.definitions.values():
            if definition.hidden and not hidden:
                continue
            if definition.kind == "job":
                ids.append(definition.id)
            else:
                base = f"{definition.id}/" if definition.id else ""
                ids.extend([base + point for point in self.points(definition)])
        return ids

    def locate(self, job_id: str) -> tuple[Definition, str | None]:
        """The definition of a job, and its point where it is one of a grid.

        Raises `JobIdError`, with the nearest ids, for an id that is not in the plan.
        """
        if not isinstance(job_id, str):
            raise JobIdError(f"a job id is a text, as in 'scores/m1'; it is {job_id!r:.80}", job_id=job_id)
        found = None
        if self._all is None:
            found = self._locate(job_id, self._some.get)
        found = found or self._locate(job_id, self._find)
        if found is None:
            self.refresh()  # a rule may have added it
            found = self._locate(job_id, self._find)
        if found is not None:
            return found
        raise self._unknown(job_id)

    def holds(self, job_id: str) -> bool:
        """Whether there is such a job."""
        try:
            self.locate(job_id)
        except JobIdError:
            return False
        return True

    def stored(self, job_id: str) -> str:
        """Where a job's output is, below `outputs` and without suffix: its id, unless it is hidden."""
        definition, point = self.locate(job_id)
        return definition.stored(point)

    def below(self, above: str, hidden: bool = False) -> list[str]:
        """The ids of the jobs at and below an id; `JobIdError` where there are none."""
        start = f"{above}/"
        chosen = [i for i in self.job_ids(hidden) if i == above or i.startswith(start)]
        if not chosen:
            raise self._unknown(above)
        return chosen

    # ---- the whole

    def graph(self) -> list[GraphNode]:
        """The nodes for the engine, parents before children; see `GraphNode`."""
        self._builder = GraphBuilder()
        return self.more_nodes(list(self.definitions.values()))

    def more_nodes(self, definitions: Sequence[Definition]) -> list[GraphNode]:
        """The nodes of definitions that came since."""
        return self._builder.add(definitions, [self.points(d) for d in definitions])

    # ---- growth

    def take_growth(
        self,
        definitions: Iterable[Definition],
        codes: Mapping[str, CodeNote],
        folders: Mapping[str, list[str]],
    ) -> None:
        """Has these definitions count as well, in this object; of one id the last counts."""
        known = self.definitions
        for definition in definitions:
            known[definition.id] = definition
            self.loaders.pop(definition.id, None)
        if codes:
            self.replace_codes(codes)
        if folders:
            _merge_names(self._later_folders(), folders)
        self._folders = None

    def refresh(self) -> None:
        """Looks for definitions that came since, for a worker; a plan that does not grow costs one look.

        The driver's own object is told by `take_growth`.
        """
        self._has_looked = True
        if self._driven:
            return
        path = os.path.join(self.path, GROWN)
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:
            return
        if size != len(self._grown):
            with open(path, "rb") as file:
                file.seek(len(self._grown))
                self._grown += file.read()
            self._all = self._folders = self._later = None
            self._some.clear()
            self.loaders.clear()

    def folders(self) -> list[tuple[str, list[str]]]:
        """Every folder of the outputs with the names in it, in order; the deepest first, the root last.

        Folders of hidden groups have the path where they are stored.
        """
        folders = {folder: dict.fromkeys(names) for folder, names in self.drafted_folders().items()}
        for folder, names in self._later_folders().items():
            folders.setdefault(folder, {}).update(dict.fromkeys(names))
        for definition in self.definitions.values():
            if definition.kind == "group":
                self._add_folders(definition, folders)
        order = sorted(folders, key=lambda f: (-f.count("/"), f == ""))
        return [(folder, list(folders[folder])) for folder in order]

    def groups_read_by(self, definition: Definition) -> list[str]:
        """Where the groups lie, below `outputs`, that a job gets as `LazyDict`: their records must be there
        before it starts, as they say what is in a group, and in which order."""
        return [self._folder_of(name[:-1]) for name in definition.dependencies if name.endswith("/")]

    def contents(self, folder: str = "") -> tuple[list[str], dict[str, int]]:
        """What is below a folder of the outputs, in order: the places of outputs; and of empty groups, each
        with the number of outputs that come before it."""
        names = self._names_in_folders()
        outputs: list[str] = []
        empty: dict[str, int] = {}
        stack = [folder]
        while stack:
            path = stack.pop()
            if path not in names:
                outputs.append(path)
                continue
            stack.extend(join(path, name) for name in reversed(names[path]))
            if not names[path] and path != folder:
                empty[path] = len(outputs)
        return outputs, empty

    def members(self, folder: str) -> dict[str, Any]:
        """What is below a folder of the outputs, as the members of a `LazyDict`."""
        names = self._names_in_folders()
        tree: dict[str, Any] = {}
        stack = [(folder, tree)]
        while stack:
            path, inner = stack.pop()
            for name in names[path]:
                below = join(path, name)
                inner[name] = {} if below in names else None
                if below in names:
                    stack.append((below, inner[name]))
        return tree

    def _folder_of(self, group: str) -> str:
        definition = self.definitions.get(group)
        if definition is not None:
            return definition.stored(None)
        above, point = group, ""
        while above:
            above, _, last = above.rpartition("/")
            point = join(last, point) if point else last
            definition = self.definitions.get(above)
            if (
                definition is not None
                and definition.kind == "group"
                and not self._is_folder(hidden_at(group))
            ):
                return definition.stored(point)
        return hidden_at(group) if self._is_folder(hidden_at(group)) else group

    def _is_folder(self, path: str) -> bool:
        return path in self._names_in_folders()

    def _names_in_folders(self) -> dict[str, list[str]]:
        if self._folders is None:
            self._folders = dict(self.folders())
        return self._folders

    def drafted_folders(self) -> dict[str, list[str]]:
        """The names in the root and in each nested DAG, as they were drafted."""
        if self._drafted is None:
            data = read_bytes(os.path.join(self.path, FOLDERS))
            try:
                self._drafted = msgspec.json.decode(data, type=dict[str, list[str]])
            except _UNREADABLE as error:
                raise self._broken(error) from error
        return self._drafted

    def _later_folders(self) -> dict[str, list[str]]:
        """The names that came while a run went on: its driver knows them, anybody else reads them."""
        if self._later is None:
            self._later = {}
            notes = read_if_there(os.path.join(self.path, GROWN_NOTES)) or b""
            for line in notes.splitlines(keepends=True):
                if line.endswith(b"\n"):
                    try:
                        _merge_names(self._later, _growth.decode(line).folders)
                    except _UNREADABLE as error:
                        raise self._broken(error) from error
        return self._later

    def _add_folders(self, definition: Definition, folders: dict[str, dict[str, None]]) -> None:
        base = definition.stored(None)
        folders.setdefault(base, {})
        for point in self.points(definition):
            above = base
            for name in point.split("/"):
                folders.setdefault(above, {})[name] = None
                above = join(above, name)

    # ---- inside

    def _locate(
        self, job_id: str, find: Callable[[str], Definition | None]
    ) -> tuple[Definition, str | None] | None:
        definition = find(job_id)
        if definition is not None and definition.kind == "job":
            return definition, None
        above, point = job_id, ""
        while above:
            above, _, last = above.rpartition("/")
            point = join(last, point) if point else last
            definition = find(above)
            if definition is not None and definition.kind == "group" and self._has(definition, point):
                return definition, point
        return None

    def has_same_text(self, text: bytes) -> bool:
        """Whether the plan's definitions read exactly so."""
        return self._text() == text

    def _text(self) -> bytes:
        if self._bytes is None:
            self._bytes = read_bytes(os.path.join(self.path, DEFINITIONS))
        return self._bytes

    def _find(self, above: str) -> Definition | None:
        """The definition with this id: parsed already, or looked for in the text."""
        if self._all is not None:
            return self._all.get(above)
        if not self._has_looked:  # one that is read after its run knows what the run added
            self.refresh()
        known = self._some.get(above)
        if known is None:
            mark = b'{"id":' + _encode(above) + b","
            line = _last_line(self._grown, mark) or _line(self._text(), mark)
            if line is None:
                return None
            try:
                known = _decoder.decode(line)
            except _UNREADABLE as error:
                raise self._broken(error) from error
            self._some[above] = known
        return known

    def _has(self, definition: Definition, point: str) -> bool:
        known = self._sets.get(definition.id)
        if known is None:
            asked = self._asked[definition.id] = self._asked.get(definition.id, 0) + 1
            if asked <= _PATIENCE and "," not in point:
                return _in_text(bytes(definition.points), _encode(point))
            known = self._sets[definition.id] = frozenset(self.points(definition))
        return point in known

    def _unknown(self, job_id: str) -> JobIdError:
        from difflib import get_close_matches

        ids = self.job_ids()
        near = get_close_matches(job_id, ids[:5000], 3)
        below = [i for i in ids if i.startswith(f"{job_id}/")][:3]
        if below:
            hint = f"it is a group; its jobs are {', '.join(below)}, ..."
        elif near:
            hint = f"did you mean {' or '.join(map(repr, near))}?"
        else:
            hint = f"it has {len(ids)} jobs" + (f", the first is {ids[0]!r}" if ids else "")
        return JobIdError(
            f"no job {job_id!r} in the plan {self.path}: {hint}", job_id=job_id, path=self.path, near=near
        )

    def _broken(self, error: object) -> PlanError:
        return PlanError(
            f"the plan {self.path} cannot be read ({error}): make it again with dag.materialize",
            path=self.path,
        )


def _merge_names(known: dict[str, list[str]], more: Mapping[str, list[str]]) -> None:
    """Puts the names of more folders to those that are known."""
    for folder, names in more.items():
        known[folder] = list(dict.fromkeys((*known.get(folder, ()), *names)))


def _in_text(points: bytes, name: bytes) -> bool:
    """Whether a point without commas is in the text of the list: quotes inside a name are escaped there, so
    no part of one can match."""
    return (
        points.startswith(b"[" + name + b",")
        or points == b"[" + name + b"]"
        or (points.find(b"," + name + b",") >= 0 or points.endswith(b"," + name + b"]"))
    )


def _line(text: bytes, mark: bytes) -> bytes | None:
    """The line that begins with a mark."""
    start = 0 if text.startswith(mark) else text.find(b"\n" + mark) + 1
    if start == 0 and not text.startswith(mark):
        return None
    end = text.find(b"\n", start)
    return text[start : end if end >= 0 else len(text)]


def _last_line(text: bytearray, mark: bytes) -> bytes | None:
    """The last whole line that begins with a mark: what is cut short was never committed."""
    end = text.rfind(b"\n") + 1
    start = text.rfind(b"\n" + mark, 0, end) + 1
    if start == 0 and not text.startswith(mark):
        return None
    return bytes(text[start : text.find(b"\n", start)]) if start < end else None
