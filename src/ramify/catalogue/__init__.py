"""The runs of a project, for `ramify ls`: a projection of their journals, one file per back end."""

from __future__ import annotations

import os
from typing import Final

from ramify.catalogue.sqlite import SqliteCatalogue

NAME: Final = "@catalogue"
"""The catalogue's name in a project's `.ramify` folder."""


def open_catalogue(home: str) -> SqliteCatalogue:
    """The catalogue of the project whose `.ramify` folder is `home`; nothing is made until a run begins."""
    return SqliteCatalogue(os.path.join(home, NAME))
