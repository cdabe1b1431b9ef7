"""How a command is called in these tests, and what is heard of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from ramify.catalogue import open_catalogue
from ramify.run.view import RunView


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)


Call = Callable[..., Said]


def register(folder: str) -> None:
    """Puts a written run into the project's list, as its driver would have."""
    view = RunView(folder)
    catalogue = open_catalogue(os.path.join(os.getcwd(), ".ramify"))
    catalogue.began(view.name, folder, view.facts)
    if view.end is not None:
        catalogue.ended(view.name, view.end)
