"""One attempt of one job: load the function and its inputs, call, store the value as the attempt's part."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from time import perf_counter, thread_time
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from ramify.files.local import make_folder, read_bytes, write_atomic
from ramify.ports import Outcome
from ramify.worker.failure import describe, lighten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ramify.plan.definition import Definition
    from ramify.plan.opened import Plan
    from ramify.stores.folder import FolderStore

EXTENSION: Final = ".extension"
"""The suffix of what a job adds to its graph, beside the parts; and the mark of such an outcome."""

_stores: dict[str, FolderStore] = {}
_host = ""
_loading = 0


def perform(plan: Plan, job_id: str, token: str, *, leave_record: bool) -> Outcome:
    """Runs one attempt in this thread, and tells how it ended; raises nothing that the job raises.

    The value is written as `outputs/.parts/<token><suffix>`. With `leave_record` (every mode but thread) a
    record is put beside it, by which a later driver can adopt the part, and the figures are those of this
    process; without, a `KeyboardInterrupt` is not the job's but the user's and passes through.
    """
    during = "load"
    began = perf_counter()
    cpu = process_seconds() if leave_record else thread_time()
    inputs: dict[str, Any] = {}
    value: Any = None
    try:
        plan.refresh()
        definition, point = plan.locate(job_id)
        function, inputs = _load(plan, definition, point, leave_record)
        during = "call"
        value = function(**inputs)
        if isinstance(value, CoroutineType):
            value = finish(value)
        inputs = {}  # what the call got need not be in memory while its value is written
        during = "store"
        outcome = stored(value, plan, token, definition, point, leave_record)
    except KeyboardInterrupt as error:
        if not leave_record:
            raise
        outcome = Outcome("error", error=describe(error, during=during))
    except BaseException as error:
        if not leave_record:
            lighten(error)  # the run keeps it to its end
        inputs, value = {}, None  # the error has this frame
        outcome = Outcome("error", error=describe(error, during=during, keep=not leave_record))
    outcome.seconds = perf_counter() - began
    if leave_record:
        measure(outcome, cpu)
    else:
        outcome.cpu_seconds = thread_time() - cpu
    return outcome


def refused(error: BaseException, during: str = "load") -> Outcome:
    """The outcome of an attempt that never came as far as its function."""
    return Outcome("error", error=describe(error, during=during), pid=os.getpid(), host=host_name())


def host_name() -> str:
    """This machine's name, asked for once."""
    global _host
    if not _host:
        _host = os.uname().nodename
    return _host


@contextmanager
def loading() -> Iterator[None]:
    """Marks that a worker process imports user code, where no run may begin: see `is_loading`."""
    global _loading
    _loading += 1
    try:
        yield
    finally:
        _loading -= 1


def is_loading() -> bool:
    """Whether this is a worker process that is importing a job's module.

    A module whose import starts a run would start one in each of that run's workers as well, and so on.
    """
    return _loading > 0


def _load(plan: Plan, definition: Any, point: Any, in_worker: bool) -> tuple[Any, dict[str, Any]]:
    from ramify.plan.load import load_function, load_inputs

    if not in_worker:
        return load_function(plan, definition), load_inputs(plan, definition, point)
    with loading():
        return load_function(plan, definition), load_inputs(plan, definition, point)


def finish(coroutine: CoroutineType[Any, Any, Any]) -> Any:
    """What a coroutine returns; it runs in this thread, or in another where a loop runs in this."""
    import asyncio

    if asyncio._get_running_loop() is None:
        return asyncio.run(coroutine)
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, coroutine).result()


def stored(
    value: Any, plan: Plan, token: str, definition: Definition, point: str | None, leave_record: bool
) -> Outcome:
    """The outcome of a call whose value was put where the driver finds it."""
    if getattr(type(value), "adds_to_graph", False):
        put_extension(value, plan, token)
        return Outcome("ok", record={EXTENSION: True})
    record = put_part(value, plan, token, definition.stored(point), leave_record)
    return Outcome("ok", digest=record["checksum"]["digest"], record=record)


def put_extension(value: Any, plan: Plan, token: str) -> None:
    """Writes what a job wants to add to its graph: the driver of its own run reads it, and removes it."""
    from ramify.values.pickling import dump_value

    folder = os.path.join(plan.outputs, ".parts")
    make_folder(folder)
    write_atomic(os.path.join(folder, token + EXTENSION), dump_value(value))


def take_extension(outputs: str, token: str) -> Any:
    """What an attempt wants to add to its graph."""
    from ramify.values.pickling import load_value

    path = os.path.join(outputs, ".parts", token + EXTENSION)
    value = load_value(read_bytes(path))
    os.unlink(path)
    return value


def put_part(value: Any, plan: Plan, token: str, place: str, leave_record: bool) -> dict[str, Any]:
    """The part's record names the output's place, which is the job's id unless the job is hidden."""
    store = _stores.get(plan.outputs)
    if store is None:
        from ramify.stores.folder import FolderStore

        store = _stores[plan.outputs] = FolderStore(plan.outputs)
    return store.put(token, value, place, leave_record)


def process_seconds() -> float:
    """CPU seconds of this process and of its children that ended."""
    import resource

    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measure(outcome: Outcome, cpu: float) -> None:
    """Notes what this process took since `process_seconds` was `cpu`, its peak, and which one it is."""
    import resource

    outcome.cpu_seconds = max(0.0, process_seconds() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome.peak_memory = peak if sys.platform == "darwin" else peak * 1024
    outcome.pid, outcome.host = os.getpid(), host_name()


def forget_peak() -> None:
    """Lets the peak of this process's memory begin again with its next job, where the system can (Linux)."""
    try:
        fd = os.open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(fd, b"5")
    finally:
        os.close(fd)
