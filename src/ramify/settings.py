"""Settings: a flag, a key of the settings file and a `RAMIFY_*` variable are one thing.

They come from `[tool.ramify]` of `pyproject.toml` or from `ramify.toml` (looked for upwards), then from
`[tool.ramify.profiles.NAME]`, then from the environment, then from the command line: the later wins. They are
read once, where a program is entered, into one frozen value that is passed down.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ramify.errors import ArgumentError, ModeError, StorageError

MODES: Final = ("subprocess", "process", "thread")
"""What `mode` may be."""

REUSES: Final = ("auto", "off", "exists")
"""What `reuse` may be."""

_CONFIG: Final = "ramify.toml"
_PROJECT: Final = "pyproject.toml"
_KINDS: Final = {
    "int | null": "a whole number",
    "int | str | object | null": "a whole number, text or a table",
    "float | null": "a number",
    "str | null": "text",
    "str": "text",
    "bool": "true or false",
}
_MARKS: Final = (_PROJECT, _CONFIG, ".git")
HOME: Final = ".ramify"
"""The folder of the engine's own things in a project."""

RUNS: Final = "@runs"
"""The folder, in a `.ramify`, of runs that were given none."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person may set. Times are seconds; None means that nothing was said.

    In a file the words of a key are joined by `-` or by `_`; in the environment it is `RAMIFY_` and the key
    in capitals.

    >>> Settings(jobs=4).jobs, Settings().mode
    (4, 'subprocess')
    """

    jobs: int | None = None
    mode: str = "subprocess"
    keep_going: bool = False
    retries: int | str | dict[str, Any] | None = None
    timeout: float | None = None
    deadline: float | None = None
    skip_completed: bool = False
    reuse: str = "auto"
    keep_stale: bool = False
    strict: bool = False
    output: str | None = None
    namespace: str | None = None
    record: bool = True
    quiet: bool = False
    verbose: bool = False
    profile: str | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ModeError(f"jobs is {self.jobs}: use 1 or more", name="jobs")
        if self.retries is not None:
            msgspec.structs.force_setattr(self, "retries", _checked_retries(self.retries))
        for name, seconds in (("timeout", self.timeout), ("deadline", self.deadline)):
            if seconds is not None and not seconds > 0:
                raise ModeError(f"{name} is {seconds}: use seconds above 0", name=name)
        if self.mode not in MODES:
            raise ModeError(f"mode is {self.mode!r}: use one of {', '.join(MODES)}", name="mode")
        if self.reuse not in REUSES:
            raise ModeError(f"reuse is {self.reuse!r}: use one of {', '.join(REUSES)}", name="reuse")


def _checked_retries(retries: Any) -> Any:
    """As they were written, if they can be understood; a number is a number in the environment too."""
    from ramify.models import as_strategy

    if isinstance(retries, str) and retries.strip().isdecimal():
        return int(retries)
    try:
        as_strategy(retries)
    except ArgumentError as error:
        raise ModeError(error.message, name="retries") from error
    return retries


KEYS: Final = Settings.__struct_fields__
"""The names of all settings."""


def read_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    start: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings that hold in the folder `start` (default: the current one).

    `flags` are what the command line said; a None in it says nothing. Raises `ModeError` that names the file
    or the variable for an unknown key, a value of a wrong type and an unknown profile.

    >>> read_settings({"jobs": 3}, start="/", environ={"RAMIFY_KEEP_GOING": "true"}).keep_going
    True
    """
    flags = {name: value for name, value in (flags or {}).items() if value is not None}
    spoken = _from_environment(os.environ if environ is None else environ)
    path, table = _from_file(start or os.getcwd())
    merged = _checked({k: v for k, v in table.items() if not isinstance(v, dict)}, path)
    profile = flags.get("profile") or spoken.get("profile") or merged.get("profile")
    if profile is not None:
        merged |= _profile(table, profile, path)
    return msgspec.convert({**merged, **spoken, **flags}, Settings)


def _profile(table: dict[str, Any], name: str, path: str | None) -> dict[str, Any]:
    profiles = table.get("profiles", {})
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ModeError(
            f"no profile {name!r}: add [tool.ramify.profiles.{name}] to {path or _PROJECT}; it has {known}",
            name=name,
        )
    return _checked(profiles[name], f"{path}, profile {name!r}")


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name in KEYS:
        text = environ.get(f"RAMIFY_{name.upper()}")
        if text:
            found[name] = _converted(name, text, f"RAMIFY_{name.upper()}", strict=False)
    return found


def _checked(table: Mapping[str, Any], where: str | None) -> dict[str, Any]:
    """The keys of a file as they are called here, each of its type."""
    found = {}
    for written, value in table.items():
        name = written.replace("-", "_")
        if name not in KEYS:
            from difflib import get_close_matches

            near = get_close_matches(name, KEYS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(KEYS)}"
            raise ModeError(f"{where}: there is no setting {written!r}; {hint}", name=written)
        found[name] = _converted(name, value, f"{where}: {written}", strict=True)
    return found


def _converted(name: str, value: Any, where: str, *, strict: bool) -> Any:
    try:
        whole = msgspec.convert({name: value}, Settings, strict=strict)
    except msgspec.ValidationError as error:
        told = str(error).partition(" - at ")[0]
        for kind, words in _KINDS.items():
            told = told.replace(f"Expected `{kind}`", f"expected {words}")
        raise ModeError(f"{where} = {value!r}: {told}", name=name) from error
    return getattr(whole, name)


def _from_file(start: str) -> tuple[str | None, dict[str, Any]]:
    """The nearest settings file upwards that says something about Ramify, and its table."""
    for folder in _upwards(start):
        for name in (_CONFIG, _PROJECT):
            path = os.path.join(folder, name)
            table = _table(path, name)
            if table is not None:
                return path, table
    return None, {}


def _table(path: str, name: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}", path=path, errno=error.errno) from error
    if name == _PROJECT and b"ramify" not in data:
        return None
    import tomllib

    try:
        document = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModeError(f"{path} is no TOML: {error}", path=path) from error
    table = document.get("tool", {}).get("ramify")
    if name == _CONFIG:
        table = document if table is None else table
    return table if isinstance(table, dict) else None


def find_project(start: str | None = None) -> str | None:
    """The nearest folder upwards with a `pyproject.toml`, a `ramify.toml` or a `.git`, or None."""
    for folder in _upwards(start or os.getcwd()):
        if any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS):
            return folder
    return None


def project_home(start: str | None = None) -> str:
    """Where the project's own things are: the `.ramify` folder of the nearest project upwards.

    Outside of any project it is `$RAMIFY_HOME`, else `ramify` in the user's data folder. Nothing is made.
    Raises `StorageError` for a user without a home folder.

    >>> import tempfile
    >>> folder = os.path.realpath(tempfile.mkdtemp()); open(folder + "/ramify.toml", "w").close()
    >>> os.path.relpath(project_home(folder), folder)
    '.ramify'
    """
    project = find_project(start)
    if project is not None:
        return os.path.join(project, HOME)
    given = os.environ.get("RAMIFY_HOME")
    if given:
        return os.path.abspath(os.path.expanduser(given))
    data = os.environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):
        data = os.path.expanduser("~/.local/share")
    if not os.path.isabs(data):
        raise StorageError(
            "this user has no home folder: say with RAMIFY_HOME where Ramify may keep its list of runs",
            path=data,
            errno=None,
        )
    return os.path.join(data, "ramify")


def login_name() -> str:
    """Who the user of this process is, by name.

    >>> bool(login_name())
    True
    """
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        return f"user-{os.getuid()}"


def _upwards(start: str) -> list[str]:
    folder = os.path.abspath(start)
    found = [folder]
    while os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
        found.append(folder)
    return found
