"""Whole modules of Python: another way of writing changes nothing, and one turned condition does."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from ramify.values.fingerprint_code import scan

MODULES = (
    *("argparse", "asyncio.base_events", "bdb", "configparser", "dataclasses", "difflib", "enum", "inspect"),
    *("json.decoder", "locale", "mailbox", "pydoc", "shutil", "tarfile", "textwrap", "tokenize", "zipfile"),
)


def source_of(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def codes(code: CodeType, name: str = "") -> Iterator[tuple[str, bytes]]:
    """Every code object that is nested in this one, and its token."""
    for held in code.co_consts:
        if isinstance(held, CodeType):
            inner = f"{name}.{held.co_name}"
            yield inner, scan(held).token
            yield from codes(held, inner)


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_formatting_changes_nothing(module: str) -> None:
    source = source_of(module)
    written = list(codes(compile(source, "a", "exec", dont_inherit=True)))
    again = list(codes(compile(ast.unparse(ast.parse(source)), "b", "exec", dont_inherit=True)))
    assert len(written) > 5 and written == again


@pytest.mark.slow
@pytest.mark.parametrize("module", ["argparse", "difflib", "shutil"])
def test_each_condition_counts(module: str) -> None:
    tree = ast.parse(source_of(module))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    turned = 0
    for function in functions:
        before = token_of(function)
        for place in ast.walk(function):
            if isinstance(place, ast.If | ast.While | ast.IfExp):
                place.test = ast.UnaryOp(ast.Not(), place.test)
                assert token_of(function) != before, (function.name, place.lineno)
                place.test = place.test.operand
                turned += 1
    assert turned > 50


def token_of(function: ast.FunctionDef) -> bytes:
    module = ast.fix_missing_locations(ast.Module([function], []))
    code = compile(module, "a", "exec", dont_inherit=True)
    return [scan(held).token for held in code.co_consts if isinstance(held, CodeType)][-1]
