"""Short words for the tests that run one task."""

import pytest

from ramify.errors import TaskFailed
from ramify.pipeline.conf import TaskConf
from ramify.pipeline.definition import Call, Output, TaskDefinition
from ramify.pipeline.running import run_task


def task(*calls, key="t1", inputs=(), outputs=(), conf=None):
    return TaskDefinition(key, calls, tuple(inputs), tuple(outputs), conf=conf or TaskConf())


def bash(text, **options):
    return Call("bash", text, **options)


def script(path, **options):
    return Call("script", path, **options)


def python(function, **options):
    return Call("python", function, **options)


def int_out(name, **options):
    return Output(name, "int", **options)


def str_out(name, **options):
    return Output(name, "str", **options)


def out_file(name, pattern):
    return Output(name, "file", pattern)


def run(definition, instance, inputs=None, **options):
    return run_task(definition, instance, inputs or {}, **options)


def failure(definition, instance, inputs=None, **options):
    with pytest.raises(TaskFailed) as caught:
        run_task(definition, instance, inputs or {}, **options)
    return caught.value


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()
