"""Warnings that point to the user's own line."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Final

from ramify.errors import RamifyWarning

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def warn_user(text: str) -> None:
    """Says something that is no error; the line it points to is the user's that led here."""
    steps = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        steps += 1
    warnings.warn(text, RamifyWarning, stacklevel=steps)
