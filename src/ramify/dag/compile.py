"""From a draft to definitions: references become ids, what is only an argument becomes a hidden job.

Rules.
- A node under a key has the id of its path of keys. A job, a grid, a slice or a DAG that is only an argument
  gets the id `OWNER/arg/NAME` and is no output; arguments of arguments, from some depth on,
  `OWNER/arg/@deep-NUMBER` below their outermost owner.
- One object is one piece of work. Under a second key stands a job that takes the value of the first.
- A slice is a part of its grid's work wherever the grid is at home in the DAG, else work of its own.
- Nothing here is recursive over the graph, and everything is linear in nodes and references.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ramify.core.rule_keys import RULES
from ramify.dag.arguments import Arguments
from ramify.dag.draft import DAG, Entry
from ramify.dag.grid import ParametrizedJob
from ramify.dag.job import Job
from ramify.dag.members import Home, Member, Members
from ramify.dag.order import parents_first
from ramify.dag.recipe import NodeJob, recipe_of
from ramify.dag.rules import named_rules
from ramify.dag.signature import check_arguments, function_name
from ramify.errors import ArgumentError, UnpicklableError
from ramify.plan.codes import note_of
from ramify.plan.definition import CodeNote, Definition, FunctionRef, Spec, hidden_at, join
from ramify.plan.folder import NewPlan
from ramify.plan.load import same_value
from ramify.plan.paths import relative_to_plan
from ramify.plan.policy import DEFAULT, Policy, make_policy
from ramify.values import LazyDict

_LONGEST_ID: Final = 500
"""Characters of a hidden job's id: a path has 4096 at the most, with folders above and names in it."""

_SAME: Final = FunctionRef(module="ramify.plan.load", qualname="same_value")


class Existing(Job):
    """Stands for a job that is in the plan already, among the arguments of new ones."""

    __slots__ = ("at", "id")

    id: str
    at: str

    @classmethod
    def of(cls, job_id: str, at: str) -> Existing:
        """The job of an id, whose output is stored `at`."""
        job = cls.__new__(cls)
        job.func, job.kwargs, job.policy, job._origin = same_value, {}, DEFAULT, None
        job.id, job.at = job_id, at
        return job


class ReadyJob(Job):
    """A job whose definition is made already, with the fingerprint of what it runs."""

    __slots__ = ("definition", "note")

    definition: Definition
    note: CodeNote

    @classmethod
    def of(cls, definition: Definition, note: CodeNote) -> ReadyJob:
        """The job of a definition."""
        job = cls.__new__(cls)
        job.func, job.kwargs, job.policy, job._origin = same_value, {}, definition.policy, None
        job.definition, job.note = definition, note
        return job


def compile_growth(
    items: Sequence[tuple[str, Entry, Existing | None]],
    rules: Sequence[tuple[str, Any]],
    plan_path: str,
    owner: str | None = None,
    value: tuple[str, Callable[..., Any], Any] | None = None,
    apart: Mapping[str, str] = MappingProxyType({}),
) -> NewPlan:
    """The definitions of what is added to a plan while its run goes on; nothing is written.

    `items` are keys, what stands under them, and what those wait for that wait for nothing else. With an
    `owner` they are no outputs; nor are those that are `apart`, by key, with the owner of each. `value` is an
    id, a function of one argument, and that argument, in which the items may stand: it becomes the last
    definition. `rules` are rules by key.
    """
    compiler = _Compiler(plan_path)
    new = compiler.compile_more(items, {key: owner for key, _, _ in items} if owner else apart, value)
    for key, rule in rules:
        new.definitions.append(compiler.rule_definition(key, rule))
    return new


def compile_draft(root: Entry, plan_path: str, above: str = "") -> NewPlan:
    """The definitions of a DAG or a grid, with ids below `above`; nothing is written.

    Raises `CycleError`, `ArgumentError`, `UnpicklableError`.
    """
    if isinstance(root, DAG):
        root = recipe_of(root)
    return _Compiler(plan_path).compile(root, above)


class _Compiler:
    def __init__(self, plan_path: str) -> None:
        self.new = NewPlan([])
        self.members = Members()
        self.arguments = Arguments(self.new, self._stored)
        self.plan_path = plan_path
        self.functions: dict[int, FunctionRef] = {}
        self.codes: dict[tuple[int, str | None], str] = {}
        self.policies: dict[int, Policy] = {}
        self.deep = 0
        self.kept: list[Any] = []  # what is known by its id() must not go away

    def compile(self, root: Entry, above: str) -> NewPlan:
        self.members.add(root, above)
        self._compile_members()
        self.new.folders = self._folders(above)
        if isinstance(root, DAG):
            for key, rule in named_rules(root._rules):
                self.new.definitions.append(self.rule_definition(key, rule))
        return self.new

    def compile_more(
        self,
        items: Sequence[tuple[str, Entry, Existing | None]],
        owners: Mapping[str, str],
        value: tuple[str, Callable[..., Any], Any] | None,
    ) -> NewPlan:
        """As `compile_growth`, without the rules."""
        for key, entry, _ in items:
            self.members.add(entry, key, hidden_at(key) if key in owners else "", owners.get(key))
        if value is not None:
            job_id, func, argument = value
            job = Job(func, {"value": argument})
            self.members.add(job, job_id)
        self._compile_members()
        for key, _, after in items:
            if after is not None:
                self._wait(key, after)
        self.new.folders = self.members.folders
        for key, _, _ in items:
            if key not in owners:
                self._lead_to(key)
        return self.new

    def _wait(self, key: str, after: Existing) -> None:
        """What is at or below a key and waits for nothing new waits for this."""
        own = {d.id for d in self.new.definitions}
        for definition in self.new.definitions:
            is_below = definition.id == key or definition.id.startswith(f"{key}/")
            if is_below and not any(name.rstrip("/*") in own for name in definition.dependencies):
                definition.dependencies.append(after.id)

    def _lead_to(self, key: str) -> None:
        """The folders above a key know of it."""
        while key:
            above, _, name = key.rpartition("/")
            names = self.new.folders.setdefault(above, [])
            if name not in names:
                names.append(name)
            key = above

    def rule_definition(self, key: str, rule: Any) -> Definition:
        """A rule, as a plan keeps it."""
        function = self._describe(rule, key)
        return Definition(id=key, kind="rule", function=function, policy=make_policy(may_add=rule.may_add))

    def _compile_members(self) -> None:
        definitions: list[Definition] = []
        for number, member in enumerate(self.members.members):  # grows: hidden members join at the end
            definitions.append(self._definition(number, member))
        scopes = self.members.scopes
        needs: dict[int, list[int]] = {n: list(m.needs) for n, m in enumerate(self.members.members)}
        needs.update((~n, scope.holds) for n, scope in enumerate(scopes))
        order = parents_first(needs, lambda n: definitions[n].id if n >= 0 else f"{scopes[~n].id}/")
        self.new.definitions = [definitions[n] for n in order if n >= 0]

    # ---- one definition

    def _definition(self, number: int, member: Member) -> Definition:
        if isinstance(member.node, ReadyJob):
            ready = member.node
            self.new.codes[ready.definition.code] = ready.note
            return ready.definition
        home = self.members.home(member.node)
        grid = _as_grid(member.node)
        if home is not None and home.place != number:
            return self._same(member, home, grid)
        args, dependencies = self._args(member)
        definition = Definition(
            id=member.id,
            kind="job" if grid is None else "group",
            function=self._function(member),
            args=args,
            dependencies=dependencies,
            policy=self._policy(member.node.policy),
            hidden=member.hidden,
            at=member.at,
            code=self._note(member.node.func, member.node.policy.version),
        )
        if grid is not None:
            definition.parameters = list(grid.parameter_names)
            definition.points = msgspec.Raw(msgspec.json.encode(grid._points))
        return definition

    def _same(self, member: Member, home: Home, grid: ParametrizedJob | None) -> Definition:
        """The same work under another key: takes the value of the first."""
        member.needs[home.place] = None
        spec: Spec = {"job" if grid is None else "same": home.id}
        if home.at:
            spec["at"] = home.at
        definition = Definition(
            id=member.id,
            kind="job" if grid is None else "group",
            function=_SAME,
            args={"value": spec},
            dependencies=[home.id if grid is None else f"{home.id}/*"],
            hidden=member.hidden,
            at=member.at,
            code=self._note(same_value, None),
        )
        if grid is not None:
            definition.points = msgspec.Raw(msgspec.json.encode(grid._points))
        return definition

    def _args(self, member: Member) -> tuple[dict[str, Spec], list[str]]:
        node = member.node
        grid = _as_grid(node)
        if grid is not None:
            _check_parameters(grid, member.id)
        _check_fit(node, member.id)
        dependencies: dict[str, None] = {}
        refer = self._referrer(member, dependencies)
        args = {
            name: self.arguments.spec(value, member.id, name, number, refer)
            for number, (name, value) in enumerate(node.kwargs.items())
        }
        if isinstance(node, NodeJob):
            for job in node.after:
                refer(job, "after")
        return args, list(dependencies)

    def _referrer(self, member: Member, dependencies: dict[str, None]) -> Callable[[Entry, str], Spec]:
        def refer(node: Entry, part: str) -> Spec:
            if isinstance(node, Existing):
                dependencies[node.id] = None
                return {"job": node.id, "at": node.at} if node.at != node.id else {"job": node.id}
            home = self.members.home(node)
            if home is None:
                self.kept.append(node)
                job_id = self._hidden_id(member, part)
                owner = member.id if member.owner is None else member.owner
                home = self.members.add(node, job_id, hidden_at(job_id), owner)
            member.needs[home.place] = None
            kind = "job" if isinstance(node, Job) else "group"
            dependencies[home.id if kind == "job" else f"{home.id}/"] = None
            return {kind: home.id, "at": home.at} if home.at else {kind: home.id}

        return refer

    def _hidden_id(self, member: Member, part: str) -> str:
        """`OWNER/arg/NAME`; where a grid has points below `arg`, the next free name.

        Arguments of arguments would have ever longer ids: from some length on they are numbered.
        """
        folder, count = "arg", 0
        while isinstance(member.node, ParametrizedJob) and folder in member.node._by_first():
            count += 1
            folder = f"arg ({count})"
        job_id = join(member.id, f"{folder}/{part}")
        if len(job_id) <= _LONGEST_ID or member.owner is None:
            return job_id
        self.deep += 1
        return join(member.owner, f"arg/@deep-{self.deep}")

    # ---- functions, stored dicts, folders

    def _function(self, member: Member) -> FunctionRef:
        func = member.node.func
        known = self.functions.get(id(func))
        if known is None:
            known = self.functions[id(func)] = self._describe(func, member.id)
            self.kept.append(func)
        return known

    def _note(self, func: Callable[..., Any], version: str | None) -> str:
        """The name of a function's fingerprint in the plan; made once per function and version."""
        known = self.codes.get((id(func), version))
        if known is None:
            self.kept.append(func)
            note = note_of(func, version)
            known = self.codes[id(func), version] = note.digest or f"none-{len(self.new.codes)}"
            self.new.codes[known] = note
        return known

    def _policy(self, policy: Policy) -> Policy:
        """The policy with its files as seen from the plan."""
        if not policy.files:
            return policy
        known = self.policies.get(id(policy))
        if known is None:
            self.kept.append(policy)
            files = tuple(relative_to_plan(self.plan_path, path) for path in policy.files)
            known = self.policies[id(policy)] = msgspec.structs.replace(policy, files=files)
        return known

    def _describe(self, func: Callable[..., Any], job_id: str) -> FunctionRef:
        from ramify.values.code import describe_function

        try:
            code = describe_function(func)
        except UnpicklableError as error:
            facts = {name: getattr(error, name, None) for name in ("path", "function")}
            is_rule = job_id.startswith(RULES)
            who = f"rule {job_id.removeprefix(RULES)!r}" if is_rule else f"job {job_id!r}"
            raise UnpicklableError(f"{who}: {error}", job_id=job_id, argument=None, **facts) from error
        if code.pickled is None:
            return FunctionRef(module=code.module, qualname=code.qualname)
        digest = hashlib.sha256(code.pickled).hexdigest()[:16]
        self.new.callables[digest] = code.pickled, code.source
        return FunctionRef(pickle=digest, name=function_name(func))

    def _stored(self, lazy: LazyDict) -> Spec:
        spec: Spec = {"stored": relative_to_plan(self.plan_path, os.fspath(lazy))}
        if lazy._members is not None:
            spec["members"] = lazy._members
        if lazy._checksum is not None:
            spec["checksum"] = lazy._checksum
        return spec

    def _folders(self, above: str) -> dict[str, list[str]]:
        """The names in the root and in every scope; those above a prefix lead to it."""
        folders = self.members.folders
        while above:
            above, _, name = above.rpartition("/")
            folders[above] = [name]
        folders.setdefault("", [])
        return folders


def _as_grid(node: Job | ParametrizedJob) -> ParametrizedJob | None:
    """The node, if it is a grid. Most are plain jobs, and a look at an abstract class costs a microsecond."""
    return node if type(node) is not Job and isinstance(node, ParametrizedJob) else None


def _check_parameters(grid: ParametrizedJob, job_id: str) -> None:
    """What was put into `kwargs` since the grid was made may be a parameter."""
    both = [name for name in grid.parameter_names if name in grid.kwargs]
    if both:
        raise ArgumentError(f"{job_id!r}: {both[0]!r} is a parameter and is in kwargs as well", names=both)


def _check_fit(node: Job | ParametrizedJob, job_id: str) -> None:
    """The arguments as they are now: they may have been changed since the node was made."""
    grid = _as_grid(node)
    names = [*node.kwargs, *(() if grid is None else grid.parameter_names)]
    try:
        check_arguments(node.func, names)
    except ArgumentError as error:
        names = getattr(error, "names", [])
        raise ArgumentError(f"job {job_id!r}: {error}", names=names, job_id=job_id) from error
