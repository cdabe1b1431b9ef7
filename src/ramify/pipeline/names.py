"""What may be the key of a task, and the name of a variable.

A key is the name of two folders, is put into variables and is matched by patterns. So it may hold anything
but `/`, backslashes, control characters, blanks at its ends and the signs of patterns (`*`, `?`, `[`, `]`:
every unquoted variable that holds its path would be read as one), and does not begin with `.` or `@`.
Quotes, `$`, `;`, blanks inside and any script's letters are allowed: nothing of Ramify's reads them unquoted,
and a shell does not read a variable's value again.
"""

from __future__ import annotations

import re
from typing import Final

from ramify.core.keys import LONGEST
from ramify.errors import DeclarationError, DeclarationTypeError, RamifyKeyEncodingError
from ramify.pipeline.place import Place

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=,:-]{0,99}")
_FORBIDDEN: Final = re.compile(r"[/\\*?\[\]\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_THE_SHELL: Final = frozenset(
    """
    PATH IFS ENV BASH_ENV SHELLOPTS BASHOPTS BASH_VERSINFO BASH_FUNC BASHPID CDPATH DIRSTACK EUID FUNCNAME
    GROUPS HISTCMD HOME LINENO OLDPWD OPTARG OPTIND PIPESTATUS POSIXLY_CORRECT PPID PS4 PWD RANDOM REPLY
    SECONDS SHELL SHLVL TMPDIR UID LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES PYTHONPATH
    PYTHONHOME PYTHONSTARTUP _
    """.split()  # noqa: SIM905  # forty quoted names would be harder to read
)


def check_task_key(key: object, place: Place) -> str:
    """The key, as it is. `RamifyKeyEncodingError` says what in it cannot be, and where it was said.

    >>> check_task_key("it's; $1 %", Place("flow.py", 3))
    "it's; $1 %"
    >>> check_task_key("../x", Place("flow.py", 3))
    Traceback (most recent call last):
        ...
    ramify.errors.RamifyKeyEncodingError: flow.py:3: the key '../x' holds '/': it names a \
folder; choose another
    """
    if type(key) is str and _PLAIN_KEY.fullmatch(key):
        return key
    problem = _problem_of_key(key)
    if problem:
        shown = repr(key) if len(repr(key)) < 80 else f"{repr(key)[:60]}..."
        raise RamifyKeyEncodingError(f"{place}: the key {shown} {problem}", key=key, where=str(place))
    return "".join(key)  # type: ignore[arg-type]  # a kind of str: its text, whatever its own __str__ says


def _problem_of_key(key: object) -> str | None:
    if not isinstance(key, str):
        return f"is of type {type(key).__name__}: write it as text, as in f'task-{{n}}'"
    if not key:
        return "is empty: give the task a name"
    found = _FORBIDDEN.search(key)
    if found and found.group() in "*?[]":
        return f"holds {found.group()!r}: shells and waits read that as a pattern; choose another"
    if found:
        return f"holds {found.group()!r}: it names a folder; choose another"
    if key[0] in ".@":
        return f"begins with {key[0]!r}: such names are Ramify's own; choose another"
    if key != key.strip():
        return "begins or ends with a blank: use key.strip()"
    if len(key.encode()) > LONGEST:
        return f"takes {len(key.encode())} bytes; {LONGEST} is the most: shorten it, or use a digest"
    return None


def check_variable(name: str, key: str, place: Place) -> str:
    """The name of an input or an output, which is that of an environment variable.

    >>> check_variable("x", "t1", Place("flow.py", 3))
    'x'
    """
    if not _VARIABLE.fullmatch(name):
        problem = "use letters, digits and '_', with no digit first"
    elif name.startswith("__"):
        problem = "names with two '_' first are Ramify's own"
    elif name in _OF_THE_SHELL:
        problem = "the shell itself uses that variable"
    else:
        return name
    raise refusal(key, place, f"{name!r} cannot name an input or output: {problem}; choose another")


def refusal(key: str, place: Place, problem: str) -> DeclarationError:
    """The error about a declaration: where it is, which task, and what is wrong."""
    return DeclarationError(f"{place}: task {key!r}: {problem}", key=key, where=str(place))


def wrong_type(key: str, place: Place, problem: str) -> DeclarationTypeError:
    """The same, of a value whose type has no place there."""
    return DeclarationTypeError(f"{place}: task {key!r}: {problem}", key=key, where=str(place))
