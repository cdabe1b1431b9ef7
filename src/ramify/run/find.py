"""Finds the run that a person means: by its name, a part of it, its id, or a folder."""

from __future__ import annotations

import os
import re
from typing import Final

from ramify.catalogue import open_catalogue
from ramify.errors import UnknownRunError
from ramify.plan.paths import is_plan
from ramify.run.view import JOURNAL, runs_in
from ramify.settings import project_home

_SHOWN: Final = 5
_UUID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\Z", re.IGNORECASE)


def find_run_folder(text: str) -> str:
    """The folder of the run that is meant: a name, a part of one, `latest`, an id (a UUID), the name that a
    graph was given, or a folder.

    Raises `UnknownRunError` where there is none, or where several could be.
    """
    if os.path.isdir(text):
        found = run_in(text)
        if found is not None:
            return found
    catalogue = open_catalogue(project_home())
    if _UUID.match(text):
        wanted = text.replace("-", "").lower()
        for run in catalogue.runs():
            if str(run["facts"].get("id", "")).replace("-", "") == wanted:
                return str(run["folder"])
    try:
        return catalogue.find(text)
    except UnknownRunError as error:
        named = [run for run in catalogue.runs() if run["label"] == text]
        if len(named) == 1:
            return str(named[0]["folder"])
        if named:
            fits = [run["name"] for run in named]
            raise UnknownRunError(
                f"{len(fits)} runs are of a graph called {text!r}: {', '.join(fits[:_SHOWN])}",
                name=text,
                fits=fits,
            ) from error
        if os.path.exists(text) and not getattr(error, "fits", None):
            raise UnknownRunError(f"no run in {text}: it holds no {JOURNAL}", name=text, fits=[]) from error
        raise


def run_in(folder: str) -> str | None:
    """The newest run of a folder: a run's own, the target of an evaluation, a plan, or a folder of runs."""
    if os.path.exists(os.path.join(folder, JOURNAL)):
        return folder
    places = [os.path.join(folder, "run"), folder]
    if is_plan(folder):
        from ramify.plan.folder import read_plan

        places.insert(0, read_plan(folder).run_folder)
    for place in places:
        runs = runs_in(place)
        if runs:
            return runs[0]
    return None
