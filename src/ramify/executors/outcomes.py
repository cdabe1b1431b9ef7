"""What an executor says of an attempt that cannot say anything itself."""

from __future__ import annotations

import os

from ramify.errors import InfrastructureError
from ramify.ports import Failure, Outcome


def lost(reason: object) -> Outcome:
    """The attempt cannot be told of: its pool broke, its process could not be started.

    >>> lost("the pool is closed").error.message
    'the pool is closed'
    """
    text = f"{type(reason).__name__}: {reason}" if isinstance(reason, BaseException) else str(reason)
    failure = Failure(f"{InfrastructureError.__module__}.InfrastructureError", text, during="start")
    return Outcome("lost", error=failure)


def status_text(status: int | None) -> str:
    """How a process ended, for people; `status` as `waitpid` gives it.

    >>> status_text(9), status_text(3 << 8)
    ('signal 9', 'exit code 3')
    """
    if status is None:
        return "its status is not known"
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"
