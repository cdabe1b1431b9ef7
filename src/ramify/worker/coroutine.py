"""One attempt of an `async def` job on an event loop that others share."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from ramify.plan.load import load_function, load_inputs
from ramify.ports import Outcome
from ramify.worker.attempt import stored
from ramify.worker.failure import describe

if TYPE_CHECKING:
    from ramify.plan.opened import Plan


async def perform_async(plan: Plan, job_id: str, token: str) -> Outcome:
    """As `perform` in thread mode; inputs and output pass through a thread, so the loop goes on meanwhile.

    Raises only `CancelledError`, when the attempt's own task is cancelled.
    """
    during = "load"
    began = perf_counter()
    try:
        plan.refresh()
        definition, point = plan.locate(job_id)
        function = load_function(plan, definition)
        inputs = await asyncio.to_thread(load_inputs, plan, definition, point)
        during = "call"
        value = await function(**inputs)
        during = "store"
        outcome = await asyncio.to_thread(stored, value, plan, token, definition, point, False)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        outcome = Outcome("error", error=describe(error, during=during, keep=True))
    except BaseException as error:
        outcome = Outcome("error", error=describe(error, during=during, keep=True))
    outcome.seconds = perf_counter() - began
    return outcome
