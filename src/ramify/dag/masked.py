"""Texts without the passwords in them, for errors, logs and the repr of what holds a URL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MASK: Final = "***"

_IN_URL: Final = re.compile(r"(?P<head>//[^\s:/@]*:)\S*(?=@)")
_IN_ADDRESS: Final = re.compile(r"(?P<head>\b[\w.%+-]+:)[^\s/:]+(?=@\w)")
_SECRET_WORD: Final = r"[\w.-]*(?:passw(?:or)?d|pwd|secret|token|api_?key|access_?key)[\w.-]*"
_ASSIGNED: Final = re.compile(
    rf"""(?P<head>\b{_SECRET_WORD}["']?\s*(?:=|:)\s*)(?:'[^']*'|"[^"]*"|[^\s&;,'")]+)""", re.IGNORECASE
)
_IDENTIFIED: Final = re.compile(
    r"""(?P<head>\b(?:PASSWORD|IDENTIFIED\s+BY|SECRET|TOKEN|KEY_ID)\s+)'[^']*'""", re.IGNORECASE
)


def without_secrets(text: str, secrets: Sequence[str] = ()) -> str:
    """The text with passwords masked: these, those in URLs, and what is assigned to a name like `password`.

    >>> without_secrets("connect to postgresql://me:hunter2@db/x?sslpassword=abc")
    'connect to postgresql://me:***@db/x?sslpassword=***'
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in (_IN_URL, _IN_ADDRESS, _ASSIGNED, _IDENTIFIED):
        text = pattern.sub(lambda found: found["head"] + MASK, text)
    return text


def names_secret(name: str) -> bool:
    """Whether what has this name is to be masked.

    >>> names_secret("sslpassword"), names_secret("sslmode")
    (True, False)
    """
    return re.fullmatch(_SECRET_WORD, name, re.IGNORECASE) is not None
