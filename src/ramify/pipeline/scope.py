"""What the tasks of one pipeline share: the prefix of their keys, the code folder, the configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ramify.pipeline.calls import Scripts
from ramify.pipeline.conf import TaskConf

_DEFAULT = TaskConf()


class Scope:
    """The tasks of one generator. That of a sub-pipeline has its own folders, and says so in each task."""

    def __init__(
        self,
        prefix: str = "",
        code_dir: str = "",
        task_conf: TaskConf | None = None,
        containers_dir: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        outer: Scope | None = None,
    ) -> None:
        self.prefix = prefix
        self.code_dir = code_dir
        self.containers_dir = containers_dir
        self.conf: TaskConf = task_conf or (outer.conf if outer else _DEFAULT)
        self.has_own_code = outer is not None and code_dir != outer.root.code_dir
        self.has_own_containers = outer is not None and containers_dir != outer.root.containers_dir
        self.root: Scope = outer.root if outer else self
        self.scripts = Scripts(code_dir, absolute=self.has_own_code)
        self._variables = self._own_variables(outer, env_vars) if outer else {}
        self._written: dict[int, tuple[TaskConf, TaskConf]] = {}

    def written_conf(self, conf: TaskConf | None) -> TaskConf:
        """The configuration as a task's definition has it: its own, else that of the pipeline."""
        conf = self.conf if conf is None else conf
        if not (self._variables or (self.has_own_containers and conf.container)):
            return conf
        known = self._written.get(id(conf))
        if known is None:
            changed = conf.override(
                container=self.container(conf.container),
                extra_env={**self._variables, **(conf.extra_env or {})},
            )
            known = self._written[id(conf)] = (conf, changed)  # both: an id lasts as long as its object
        return known[1]

    def container(self, container: str | None) -> str | None:
        """An image as a definition has it: in full where this pipeline has its own folder of images."""
        if container is None or not self.has_own_containers or "://" in container:
            return container
        return os.path.join(str(self.containers_dir), container)

    def _own_variables(self, outer: Scope, env_vars: Mapping[str, str] | None) -> dict[str, str]:
        said = {**outer._variables, **(env_vars or {})}
        variables = {name: value for name, value in said.items() if not name.startswith("__")}
        if self.has_own_code:
            variables["__pipeline_code_dir"] = self.code_dir
        if self.has_own_containers:
            variables["__containers_dir"] = str(self.containers_dir)
        return variables
