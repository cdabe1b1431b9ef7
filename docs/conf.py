"""Sphinx: the manual from Markdown and docstrings, offline, every warning an error."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import ramify
from ramify._version import __version__

project = "Ramify"
author = "The Ramify developers"
copyright = "The Ramify developers"  # Sphinx asks for this name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.githubpages"]
exclude_patterns = ["_build", "_generated"]
html_theme = "furo"
html_title = f"Ramify {__version__}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
# The docstrings are written for `help()`: a word in single backticks is code, whatever it names.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"exclude-members": "with_traceback, add_note"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

REFERENCE = Path(__file__).parent / "_build" / "reference.md"


def write_reference(app: Any) -> None:
    """One entry for each public name, by the module that it comes from, so that none can be forgotten."""
    lines = []
    for name in sorted(getattr(ramify, "__all__", []), key=str.lower):
        thing = getattr(ramify, name)
        kind = "class" if inspect.isclass(thing) else "function" if inspect.isroutine(thing) else ""
        if kind:
            lines += ["```{eval-rst}", f".. auto{kind}:: ramify.{name}"]
            lines += ["   :members:"] * (kind == "class") + ["```", ""]
    REFERENCE.parent.mkdir(exist_ok=True)
    text = "\n".join(lines)
    if not REFERENCE.exists() or REFERENCE.read_text() != text:
        REFERENCE.write_text(text)


def open_lists(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Puts a blank line before a list or an example that stands right under a sentence, as reST wants."""
    text, inside = [], False
    for line in lines:
        item = re.match(r"\s*(- |>>> )", line)
        if item and not inside and text and text[-1].strip():
            text.append("")
        inside = bool(item) or (inside and bool(line.strip()))
        text.append(line)
    lines[:] = text


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_reference)
    app.connect("autodoc-process-docstring", open_lists)
