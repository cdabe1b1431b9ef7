"""How and where a task runs: everything that may be said of one, checked when it is said."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, Self

import msgspec

from ramify.errors import ArgumentError
from ramify.models import RetryStrategy
from ramify.plan.policy import Policy, make_policy

EXECUTER_TYPES: Final = ("process", "slurm")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOGIN = re.compile(r"(?!-)[^\s:/@;&|<>$`'\"]+@(?!-)[^\s:/@;&|<>$`'\"]+(?::[^\n\0]+)?")
_TEXTS: Final = (
    ("slurm_account", "container", "command_before_task", "python_bin", "label", "run_as_group")
    + ("remote_base_dir", "remote_pipeline_code_dir", "remote_containers_dir", "external_files_root")
    + ("globus_transfer", "globus_local_path_rewrite")
)
_FLAGS: Final = ("strict", "work_on_local_file_copies", "use_squeue")
_LISTS: Final = ("sbatch_options", "apptainer_exec_args", "python_interpreter_switches", "downstream_resets")


class TaskConf(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How and where a task runs. Frozen; what cannot be is refused by name with `ArgumentError`.

    Where: `executer_type` is `"process"` (this machine, or that of `ssh_specs="USER@HOST[:KEYFILE]"`, or of
    `ssh_remote_dest="USER@HOST:/DIR"`) or `"slurm"`, whose `slurm_account` and `sbatch_options` (a list, or
    one text of several) are for that alone; `remote_base_dir`, `remote_pipeline_code_dir`,
    `remote_containers_dir` and `external_files_root` are folders there.
    In what: `container` is an image below the folder of containers, or an absolute path, with
    `apptainer_exec_args`; `python_bin` runs the Python steps, with `python_interpreter_switches`;
    `command_before_task` is bash whose environment the steps get, `extra_env` more variables (`$NAME` in a
    value is replaced when the task starts). With `strict` bash refuses unset variables (`set -u`).
    As every node: `retries`, `timeout` (seconds per attempt), `resources` (`cores`, `memory`, others),
    `priority` (the higher runs first), `executor`, `tags`, `version` (stands for the code), `reuse`.

    >>> TaskConf(executer_type="slurm", slurm_account="me", sbatch_options="--time=5 --mem=2G").sbatch_options
    ('--time=5', '--mem=2G')
    >>> TaskConf(executer_type="slrum")
    Traceback (most recent call last):
        ...
    ramify.errors.ArgumentError: executer_type must be 'process' or 'slurm'; it is 'slrum'
    """

    executer_type: str = "process"
    container: str | None = None
    command_before_task: str | None = None
    python_bin: str | None = None
    extra_env: dict[str, str] | None = None
    strict: bool = False
    label: str | None = None
    slurm_account: str | None = None
    sbatch_options: Any = ()
    ssh_specs: str | None = None
    ssh_remote_dest: str | None = None
    remote_base_dir: str | None = None
    remote_pipeline_code_dir: str | None = None
    remote_containers_dir: str | None = None
    external_files_root: str | None = None
    apptainer_exec_args: Any = ()
    python_interpreter_switches: Any = ("-u",)
    init_bash_command: str | None = None
    work_on_local_file_copies: bool = False
    run_as_group: str | None = None
    globus_transfer: str | None = None
    globus_local_path_rewrite: str | None = None
    auto_restart_condition_regexp_per_log_file: dict[str, list[str | None]] | None = None
    downstream_resets: Any = ()
    use_squeue: bool = False
    retries: int | RetryStrategy = 0
    timeout: float | None = None
    resources: dict[str, int | float | str] = {}
    priority: float = 0
    executor: str | None = None
    tags: tuple[str, ...] = ()
    version: str | None = None
    reuse: str | None = None

    def __post_init__(self) -> None:
        for name in _LISTS:
            given = getattr(self, name)
            if type(given) is not tuple or given:
                msgspec.structs.force_setattr(self, name, _texts(name, given))
        _check_place(self)
        for name in _TEXTS:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value or "\0" in value):
                _refuse(name, "a text without NUL, not empty, or None", value)
        for name in _FLAGS:
            if type(getattr(self, name)) is not bool:
                _refuse(name, "True or False", getattr(self, name))
        if self.extra_env is not None:
            msgspec.structs.force_setattr(self, "extra_env", environment("extra_env", self.extra_env))
        _check_restarts(self.auto_restart_condition_regexp_per_log_file)
        _check_policy(self)

    @classmethod
    def default(cls) -> Self:
        """The configuration of a task of which nothing is said: a process on this machine.

        >>> TaskConf.default() == TaskConf()
        True
        """
        return cls()

    def override(self, **changes: Any) -> Self:
        """The same with other values.

        >>> TaskConf(strict=True).override(timeout=5).timeout
        5.0
        """
        unknown = sorted(set(changes) - set(self.__struct_fields__))
        if unknown:
            raise ArgumentError(
                f"TaskConf has no {unknown[0]!r}; it has {', '.join(self.__struct_fields__)}", names=unknown
            )
        return msgspec.structs.replace(self, **changes)

    def with_sbatch_options(
        self,
        account: str | None = None,
        mem: str | int | None = None,
        time: str | int | None = None,
        cpu_per_task: int | None = None,
        partition: str | None = None,
    ) -> Self:
        """The same for Slurm, with these options in the place of those of the same names.

        >>> conf = TaskConf(executer_type="slurm", sbatch_options=["--mem=1G", "--exclusive"])
        >>> conf.with_sbatch_options(mem="4G", cpu_per_task=2).sbatch_options
        ('--exclusive', '--mem=4G', '--cpus-per-task=2')
        """
        said = {"mem": mem, "time": time, "cpus-per-task": cpu_per_task, "partition": partition}
        new = {f"--{name}": value for name, value in said.items() if value is not None}
        kept = [option for option in self.sbatch_options if option.partition("=")[0] not in new]
        return self.override(
            executer_type="slurm",
            slurm_account=account if account is not None else self.slurm_account,
            sbatch_options=(*kept, *(f"{name}={value}" for name, value in new.items())),
        )

    @property
    def is_elsewhere(self) -> bool:
        """Whether it asks for another place than a process of this machine."""
        return self.executer_type != "process" or bool(self.ssh_specs or self.ssh_remote_dest)

    def policy(self) -> Policy:
        """How the engine treats the task.

        >>> TaskConf(retries=2).policy().retries
        2
        """
        return make_policy(
            retries=self.retries,
            timeout=self.timeout,
            resources=self.resources,
            executor=self.executor,
            tags=self.tags,
            version=self.version,
            reuse=self.reuse,
        )


def environment(name: str, given: object) -> dict[str, str]:
    """Variables as a plain dict; `ArgumentError` for a name that no shell takes, and for values but text.

    >>> environment("env_vars", {"A": "x"})
    {'A': 'x'}
    """
    if not isinstance(given, Mapping):
        _refuse(name, "a mapping of names to texts", given)
    for variable, value in given.items():
        if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
            _refuse(f"each name in {name}", "letters, digits and '_', with no digit first", variable)
        if not isinstance(value, str) or "\0" in value:
            # Not the value itself: it may be a password.
            _refuse(f"{name}[{variable!r}]", "a text without NUL", type(value))
    return dict(given)


def _check_place(conf: TaskConf) -> None:
    if conf.executer_type not in EXECUTER_TYPES:
        _refuse("executer_type", " or ".join(map(repr, EXECUTER_TYPES)), conf.executer_type)
    if conf.executer_type == "process" and (conf.slurm_account is not None or conf.sbatch_options):
        name = "slurm_account" if conf.slurm_account is not None else "sbatch_options"
        raise ArgumentError(f"{name} needs executer_type='slurm'; it is 'process'", names=[name])
    if conf.init_bash_command is not None:
        raise ArgumentError(
            "init_bash_command is no more: command_before_task does that, for each task",
            names=["init_bash_command"],
        )
    for name in ("ssh_specs", "ssh_remote_dest"):
        login = getattr(conf, name)
        if login is not None and not (isinstance(login, str) and _LOGIN.fullmatch(login)):
            _refuse(name, "text such as 'user@host:path'", login)


def _check_restarts(given: object) -> None:
    if given is None:
        return
    name = "auto_restart_condition_regexp_per_log_file"
    if not isinstance(given, dict):
        _refuse(name, "a mapping of names of logs to lists of regular expressions", given)
    for log, patterns in given.items():
        if not isinstance(log, str) or not isinstance(patterns, list):
            _refuse(name, "a mapping of names of logs to lists of regular expressions", given)
        for pattern in patterns:
            try:
                re.compile(pattern or "")
            except (re.error, TypeError) as error:
                _refuse(f"{name}[{log!r}]", f"regular expressions ({error})", pattern)


def _check_policy(conf: TaskConf) -> None:
    """What the engine's own policy makes of the values is what is kept."""
    priority = conf.priority
    if type(priority) not in (int, float) or priority != priority or abs(priority) == float("inf"):
        _refuse("priority", "a number", priority)
    policy = conf.policy()
    for name in ("retries", "timeout", "resources", "tags"):
        msgspec.structs.force_setattr(conf, name, getattr(policy, name))


def _texts(name: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        try:
            return tuple(shlex.split(given))
        except ValueError as error:
            _refuse(name, f"text with its quotes closed ({error})", given)
    if not isinstance(given, Iterable) or isinstance(given, Mapping | bytes):
        _refuse(name, "a list of texts, or one text", given)
    texts = tuple(given)
    for text in texts:
        if not isinstance(text, str) or not text or "\0" in text:
            _refuse(f"each of {name}", "a text without NUL, not empty", text)
    return texts


def _refuse(name: str, wanted: str, value: object) -> NoReturn:
    raise ArgumentError(f"{name} must be {wanted}; it is {value!r}", names=[name])
