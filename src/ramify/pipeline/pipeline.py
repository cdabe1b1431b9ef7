"""A pipeline: a generator of tasks, and what its tasks share."""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any

from ramify.errors import ArgumentError, DeclarationTypeError
from ramify.pipeline.conf import TaskConf, environment
from ramify.pipeline.groups import Grouper, check_groupers, group_by_prefix
from ramify.pipeline.scope import Scope

if TYPE_CHECKING:
    from ramify.pipeline.dsl import Generator


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """Made by `create_pipeline`. Folders are absolute; `ls_command` is the words of the command that lists
    the files of the code folder.
    """

    generator: Generator
    name: str
    code_dir: str
    containers_dir: str
    task_conf: TaskConf
    env_vars: Mapping[str, str]
    remote_task_confs: tuple[TaskConf, ...]
    task_groupers: Mapping[str, Grouper]
    ls_command: tuple[str, ...]

    def scope(self) -> Scope:
        """What its tasks share, where it is not part of another."""
        return Scope("", self.code_dir, self.task_conf, self.containers_dir)

    def grouper(self, name: str | None = None) -> Grouper:
        """A grouper by name; the first, or how keys begin, without one."""
        if name is None:
            return next(iter(self.task_groupers.values()), group_by_prefix)
        if name not in self.task_groupers:
            known = ", ".join(self.task_groupers) or "none"
            raise ArgumentError(f"there is no task grouper {name!r}; there are: {known}", names=[name])
        return self.task_groupers[name]


def create_pipeline(
    generator: Generator,
    pipeline_code_dir: str | os.PathLike[str] | None = None,
    task_conf: TaskConf | None = None,
    containers_dir: str | os.PathLike[str] | None = None,
    env_vars: Mapping[str, str] | None = None,
    remote_task_confs: Iterable[TaskConf] | None = None,
    task_groupers: Mapping[str, Grouper] | None = None,
    pipeline_code_dir_ls_command: str = "git ls-files",
) -> Pipeline:
    """A pipeline of the tasks that `generator(dsl)` yields.

    `pipeline_code_dir` (of the file of the generator) is where scripts are, `containers_dir` (`containers`
    there) where images are: relative ones are below the current folder. `task_conf` is that of the tasks
    without one of their own. `env_vars` are variables of all tasks. `task_groupers` are functions from a key
    to the group that a status counts it in. `remote_task_confs` and `pipeline_code_dir_ls_command` say where
    else the code is put, and which files that is.

    >>> def flow(dsl):
    ...     yield dsl.task("hello").calls("echo hello")()
    >>> create_pipeline(flow).name
    'flow'
    >>> create_pipeline(lambda: None)
    Traceback (most recent call last):
        ...
    ramify.errors.DeclarationTypeError: the generator <lambda> takes no parameter: it is given the dsl, \
as in `def tasks(dsl): yield dsl.task(...)`
    """
    name = check_generator(generator)
    code_dir = os.path.abspath(pipeline_code_dir if pipeline_code_dir is not None else folder_of(generator))
    images = containers_dir if containers_dir is not None else os.path.join(code_dir, "containers")
    confs = tuple(remote_task_confs or ())
    for conf in (*confs, *([] if task_conf is None else [task_conf])):
        if not isinstance(conf, TaskConf):
            raise DeclarationTypeError(f"{name}: {conf!r} is no TaskConf")
    return Pipeline(
        generator,
        name,
        code_dir,
        os.path.abspath(images),
        task_conf if task_conf is not None else TaskConf(),
        environment("env_vars", env_vars or {}),
        confs,
        check_groupers(task_groupers),
        tuple(shlex.split(pipeline_code_dir_ls_command)),
    )


@dataclass(frozen=True)
class PipelineType:
    """A kind of instance that a service looks after: what a configuration generator yields.

    `validator(instance_dir, args)` refuses an instance by raising, before anything of it runs; `init_func`
    and `complete_func` are called with the instance folder at its beginning and at its end,
    `post_run_validator` after its last task. `default_args` are arguments of instances that give none.
    """

    name: str
    pipeline: Pipeline
    validator: Callable[..., Any] | None = None
    spartan_schema: Any = None
    default_args: Mapping[str, Any] = field(default_factory=dict)
    complete_func: Callable[..., Any] | None = None
    post_run_validator: Callable[..., Any] | None = None
    init_func: Callable[..., Any] | None = None
    pre_run_filters: tuple[Callable[..., Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise DeclarationTypeError(f"the name of a PipelineType is a text; it is {self.name!r}")
        if not isinstance(self.pipeline, Pipeline):
            raise DeclarationTypeError(
                f"PipelineType {self.name!r}: {self.pipeline!r} is no pipeline; call create_pipeline(...)"
            )
        for name in ("validator", "complete_func", "post_run_validator", "init_func"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                raise DeclarationTypeError(f"PipelineType {self.name!r}: {name} must be a function or None")


def check_generator(generator: object) -> str:
    """What to call a generator; `DeclarationTypeError` for what cannot be one."""
    if isinstance(generator, Pipeline):
        raise DeclarationTypeError(f"{generator.name} is a pipeline already: use it as it is")
    if not callable(generator):
        raise DeclarationTypeError(
            f"{generator!r} is no generator function: give `def tasks(dsl): ...` itself"
        )
    name = str(getattr(_plain(generator), "__qualname__", type(generator).__qualname__)).split(".")[-1]
    try:
        inspect.signature(generator).bind(None)
    except ValueError:  # of a callable that is not written in Python
        return name
    except TypeError as error:
        try:
            inspect.signature(generator).bind()
        except TypeError:
            needs = f"takes other parameters than the dsl alone ({error})"
        else:
            needs = "takes no parameter"
        raise DeclarationTypeError(
            f"the generator {name} {needs}: it is given the dsl, as in `def tasks(dsl): yield dsl.task(...)`"
        ) from None
    return name


def folder_of(generator: object) -> str:
    """The folder of the file that a generator is written in; the current one, where there is no file."""
    code = getattr(_plain(generator), "__code__", None)
    if not isinstance(code, CodeType):
        module = sys.modules.get(getattr(generator, "__module__", ""))
        file = getattr(module, "__file__", None)
    else:
        file = code.co_filename
    if not isinstance(file, str) or file.startswith("<"):
        return os.getcwd()
    return os.path.dirname(os.path.abspath(file))


def _plain(generator: Any) -> Any:
    while isinstance(generator, partial):
        generator = generator.func
    return inspect.unwrap(generator)
