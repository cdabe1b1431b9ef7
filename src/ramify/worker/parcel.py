"""A call that travels to a worker of somebody else's engine as bytes, and its result on the way back.

Both are unpickled: a call only by the worker that makes it, a result only by the process that asked for it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ramify.ports import Failure
from ramify.worker.failure import describe, revive

_GOOD: Final = b"+"
_BAD: Final = b"-"


def packed(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """The call as bytes: what lives in `__main__` or in no module travels by value."""
    import cloudpickle

    data: bytes = cloudpickle.dumps((function, tuple(args), dict(kwargs)), protocol=5)
    return data


def carry_out(parcel: bytes) -> bytes:
    """Makes the call, in the worker; what it raises comes back as well, and is raised by `opened`.

    >>> opened(carry_out(packed(divmod, (7, 2), {})))
    (3, 1)
    """
    import cloudpickle

    during = "load"
    try:
        function, args, kwargs = pickle.loads(parcel)
        during = "call"
        value = function(*args, **kwargs)
        during = "store"
        return _GOOD + bytes(cloudpickle.dumps(value, protocol=5))
    except BaseException as error:  # the job's own, whatever it is: the engine's worker has to live on
        return _BAD + msgspec.msgpack.encode(describe(error, during=during))


def opened(reply: bytes) -> Any:
    """The value that came back; raises the call's own exception if that came back."""
    if reply[:1] == _GOOD:
        return pickle.loads(memoryview(reply)[1:])
    raise revive(msgspec.msgpack.decode(memoryview(reply)[1:], type=Failure))
