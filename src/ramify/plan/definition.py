"""One line of a plan: a job, or a grid of jobs.

An argument is written as a small object with one telling name:

- `{"value": 3}`: the value itself, exact as JSON;
- `{"file": "inputs/a/x"}`: a serialized value in the plan; with `"boxed": true` the only item of a list;
- `{"job": "a"}`: the output of a job; `{"group": "scores/m1"}`: of a group, a slice, a nested DAG, as a
  `LazyDict`; `"at"` says where it is stored, where that is not its id;
- `{"same": "scores"}`: the output of the same point of another group;
- `{"path": "../../.."}`: an absolute path, written as seen from the plan;
- `{"stored": "../../old/outputs"}`: a `LazyDict` from elsewhere;
- `{"list": [...]}`, `"tuple"`, `"set"`, `"frozenset"`, `{"dict": [[key, value], ...]}`: containers of these;
- `{"pickle": "inputs/a/x", "holds": [...]}`: an object of another class that holds jobs.

A dependency is the id of a job, or `group/` (all of a group, of a slice, of a nested DAG), or `group/*` (the
same point of another group).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ramify.plan.policy import DEFAULT, Policy

Spec = dict[str, Any]
"""How one argument is written."""

HIDDEN: Final = ".arg"
"""The folder in `outputs` of jobs that are only arguments: no key begins with a dot."""


class FunctionRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function: by `module` and `qualname`, or by the digest of its pickle in `callables/`."""

    module: str | None = None
    qualname: str | None = None
    pickle: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        return f"{self.module}.{self.qualname}" if self.module else self.name or "a callable"


class CodeNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """The fingerprint of a function: `digest` (None: there is no sound one), its `parts` by name, why it is
    `unsound`, and what was not followed. A plan keeps its notes apart, so that many jobs can share one."""

    digest: str | None = None
    parts: dict[str, str] = {}
    unsound: tuple[str, ...] = ()
    unfollowed: tuple[str, ...] = ()


class Growth(msgspec.Struct, omit_defaults=True):
    """What came with some definitions that were added to a plan while its run went on."""

    definitions: list[str]
    codes: dict[str, CodeNote] = {}
    folders: dict[str, list[str]] = {}


class Definition(msgspec.Struct, omit_defaults=True):
    """A job, a grid (`kind="group"`) of one job per point, or a rule (`kind="rule"`), whose function is it.

    `points` are ids below the grid's own, as in `"m1/train"`: one encoded key per parameter. `at` is where
    the output is stored below `outputs`; empty: under the id. `code` names a `CodeNote` of the plan. The
    policy's `files` are paths as seen from the plan. `takes` says of dependencies whose output is JSON text
    which parts of it are used, as `"name"` or `"name/key"`; of others, the whole is.
    """

    id: str
    kind: str
    function: FunctionRef
    args: dict[str, Spec] = {}
    dependencies: list[str] = []
    policy: Policy = DEFAULT
    hidden: bool = False
    at: str = ""
    parameters: list[str] = []
    points: msgspec.Raw = msgspec.Raw(b"[]")
    code: str = ""
    takes: dict[str, list[str]] = {}

    def job_id(self, point: str | None) -> str:
        """The id of the job, or of one point of the grid."""
        return self.id if point is None else join(self.id, point)

    def stored(self, point: str | None) -> str:
        """Where the output is, below `outputs`, without a suffix."""
        base = self.at or self.id
        return base if point is None else join(base, point)


def join(above: str, name: str) -> str:
    """The id below an id; the empty id is the root.

    >>> join("scores", "m1"), join("", "m1")
    ('scores/m1', 'm1')
    """
    return f"{above}/{name}" if above else name


def hidden_at(job_id: str) -> str:
    """Where the output of a hidden job or group is stored.

    Its owner's output may be a folder of the same name, and what it owns may be hidden below it: hence the
    folder apart, and the last name.

    >>> hidden_at("a/arg/x")
    '.arg/a/arg/x/@'
    """
    return f"{HIDDEN}/{job_id}/@"
