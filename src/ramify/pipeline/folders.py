"""Which instance of a pipeline a run belongs to, by where its folder is."""

from __future__ import annotations

import os


def instance_of_run(folder: str) -> str | None:
    """The instance whose run is in this folder; None for another run.

    >>> instance_of_run("/data/i1/.ramify/@run/run/calm-otter"), instance_of_run("/data/run/calm-otter")
    ('/data/i1', None)
    """
    parts = os.path.abspath(folder).split(os.sep)
    at = len(parts) - 4
    return os.sep.join(parts[:at]) if at > 0 and parts[at : at + 3] == [".ramify", "@run", "run"] else None
