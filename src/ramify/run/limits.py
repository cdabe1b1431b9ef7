"""What this machine has, and what jobs ask for of it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from ramify.core.engine import Engine
from ramify.errors import ArgumentError, RamifyWarning
from ramify.plan.policy import parse_memory
from ramify.run.queue import Demand

_SECONDS = (1, 60, 3600, 86400)


def machine_limits(given: Mapping[str, float | str] | None = None) -> dict[str, float]:
    """The cores and the memory (bytes) of this machine, and the named amounts of `given`, which win."""
    limits: dict[str, float] = {"cores": float(cores())}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits["memory"] = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name, amount in (given or {}).items():
        limits[name] = float(parse_memory(amount) if name == "memory" else amount)
    return limits


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def demand_of(resources: Mapping[str, Any]) -> Demand:
    """The amounts among these resources, sorted by name; texts are for other engines.

    >>> demand_of({"memory": 1024, "cores": 2, "gres": "gpu:1"})
    (('cores', 2.0), ('memory', 1024.0))
    """
    found = [(n, float(a)) for n, a in resources.items() if isinstance(a, int | float) and a > 0]
    return tuple(sorted(found))


def check_demands(engine: Engine, demands: Mapping[int, Demand], limits: Mapping[str, float]) -> None:
    """Raises `ArgumentError` for a job that asks for more than there is: it would wait for ever."""
    for node, demand in demands.items():
        check_demand(engine.keys[node], demand, limits)


def check_demand(job_id: str, demand: Demand, limits: Mapping[str, float]) -> None:
    """The same for one job."""
    for name, amount in demand:
        if amount > limits.get(name, amount):
            raise ArgumentError(
                f"{job_id!r} asks for {amount:g} {name}, and there are {limits[name]:g}: "
                "ask for less, or run it where there is more",
                job_id=job_id,
            )


def local_options(job_id: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], float | None]:
    """What a scheduler's options mean on this machine: resources, and a timeout in seconds.

    What means nothing here is named in a `RamifyWarning`.

    >>> local_options("a", {"mem": "1K", "time": "01:00:00", "cpus_per_task": 2})
    ({'memory': 1024, 'cores': 2.0}, 3600.0)
    """
    resources: dict[str, Any] = {}
    timeout: float | None = None
    ignored = []
    for name, value in options.items():
        plain = name.lstrip("-").replace("-", "_")
        if plain in ("mem", "memory"):
            resources["memory"] = parse_memory(value)
        elif plain in ("cores", "cpus_per_task"):
            resources["cores"] = float(value)
        elif plain in ("time", "time_limit"):
            timeout = seconds_of(value)
        else:
            ignored.append(name)
    if ignored:
        warnings.warn(
            f"job_resources of {job_id!r}: {', '.join(sorted(ignored))} means nothing without an executor "
            "and is ignored",
            RamifyWarning,
            stacklevel=2,
        )
    return resources, timeout


def seconds_of(limit: Any) -> float:
    """The seconds of a time limit as Slurm writes it (`sbatch --time`), or of a number of minutes.

    >>> [seconds_of(t) for t in ("10", "01:30", "01:00:00", "1-02", "1-00:30")]
    [600.0, 90.0, 3600.0, 93600.0, 88200.0]
    """
    text = str(limit).strip()
    try:
        days, _, rest = text.rpartition("-")
        fields = [int(field) for field in rest.split(":")]
        if days:
            fields = [*fields, 0, 0][:3]
            return int(days) * 86400.0 + fields[0] * 3600 + fields[1] * 60 + fields[2]
        if len(fields) == 1:
            return fields[0] * 60.0
        return float(sum(n * unit for n, unit in zip(reversed(fields), _SECONDS, strict=False)))
    except ValueError:
        raise ArgumentError(
            f"{limit!r} is no time limit: write minutes, MM:SS, HH:MM:SS or D-HH:MM:SS", value=limit
        ) from None
