"""Pipelines of bash and Python tasks over files: a generator declares them, the engine runs them.

    from ramify import pipeline

    def flow(dsl):
        first = dsl.task("first").outputs(x=int).calls("export x=3")()
        yield first
        yield dsl.task("second").inputs(first.outputs.x).outputs(f=dsl.file("f.txt")).calls("echo $x > $f")()

    def my_pipeline():
        return pipeline.create_pipeline(flow)

Names are imported when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ramify.pipeline.conf import TaskConf as TaskConf
    from ramify.pipeline.definition import TaskDefinition as TaskDefinition
    from ramify.pipeline.definition import TaskResult as TaskResult
    from ramify.pipeline.dsl import DSL as DSL
    from ramify.pipeline.flow import accept_tasks as accept_tasks
    from ramify.pipeline.flow import plan_pipeline as plan_pipeline
    from ramify.pipeline.flow import prepare as prepare
    from ramify.pipeline.flow import read_result as read_result
    from ramify.pipeline.flow import run_pipeline as run_pipeline
    from ramify.pipeline.marked import python_call as python_call
    from ramify.pipeline.matching import TaskMatch as TaskMatch
    from ramify.pipeline.pipeline import Pipeline as Pipeline
    from ramify.pipeline.pipeline import PipelineType as PipelineType
    from ramify.pipeline.pipeline import create_pipeline as create_pipeline
    from ramify.pipeline.task import Task as Task

_HOMES = {
    "conf": "TaskConf",
    "definition": "TaskDefinition TaskResult",
    "dsl": "DSL",
    "flow": "accept_tasks plan_pipeline prepare read_result run_pipeline",
    "matching": "TaskMatch",
    "pipeline": "Pipeline PipelineType create_pipeline",
    "marked": "python_call",
    "task": "Task",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [*_HOME_OF]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
