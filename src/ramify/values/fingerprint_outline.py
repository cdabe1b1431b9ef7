"""A module that is read and not run: what its import does, and its functions one by one."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from ramify.values.fingerprint_code import Import, Scan, scan

if TYPE_CHECKING:
    import ast

_BLIND: Final = frozenset(("property", "staticmethod", "classmethod"))
"""Decorators that do not look at annotations."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The code of a module in parts.

    `rest` is all that its import does but define `functions`: those at its top level that have no decorator,
    by name, more than one where a name is defined twice; they are scanned when they are reached. `reads` are
    the names that the rest reads.
    """

    rest: Scan
    functions: Mapping[str, tuple[types.CodeType, ...]]
    reads: tuple[str, ...]
    imports: Mapping[str, tuple[Import, ...]]
    """What the rest imports, by the name under which the functions know it."""

    bodies: Mapping[str, tuple[types.CodeType, ...]]
    """The functions' own code, without what a `def` does."""


def outline_of(source: str | bytes, file: str = "<source>") -> Outline:
    """Takes a module apart. Raises `SyntaxError` or `ValueError` for what is no Python.

    >>> one = outline_of("LIMIT = 3\\n\\ndef f(x): return x < LIMIT")
    >>> two = outline_of("LIMIT = 3\\n\\ndef f(x): return x > LIMIT\\n\\ndef g(): return 1")
    >>> one.rest.token == two.rest.token, list(two.functions)
    (True, ['f', 'g'])
    """
    import ast

    module = ast.parse(source, file)
    written = dict(_functions_in(_compiled(module.body, file)))
    _make_bare(module)
    functions: dict[str, tuple[types.CodeType, ...]] = {}
    bodies: dict[str, tuple[types.CodeType, ...]] = {}
    rest: list[ast.stmt] = []
    for statement in module.body:
        if not _is_plain(statement):
            rest.append(statement)
            continue
        name = statement.name
        body = written[name, statement.lineno]
        functions[name] = (*functions.get(name, ()), body, *_head(statement, file))
        bodies[name] = (*bodies.get(name, ()), body)
    found = scan(_compiled(rest, file))
    reads = tuple(dict.fromkeys(chain[0] for chain in found.chains))
    imports: dict[str, tuple[Import, ...]] = {}
    for wanted in found.imports:
        if wanted.bound is not None:
            imports[wanted.bound] = (*imports.get(wanted.bound, ()), replace(wanted, chains=()))
    return Outline(found, functions, reads, imports, bodies)


def _make_bare(module: ast.Module) -> None:
    """Takes away docstrings, and annotations but those that a decorator may read.

    The body of a plain function stays as it is: it is compared with what is loaded.
    """
    import ast

    _strip(module)
    for statement in module.body:
        inside = [statement] if _is_plain(statement) else ast.walk(statement)
        for node in inside:
            _strip(node)


def _strip(node: ast.AST) -> None:
    import ast

    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if all(isinstance(d, ast.Name) and d.id in _BLIND for d in node.decorator_list):
            node.returns = None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
    elif not isinstance(node, ast.ClassDef | ast.Module):
        return
    if ast.get_docstring(node, clean=False) is not None:
        rest = node.body[1:]  # nothing may stand before an import of `__future__`
        node.body[:] = rest or [ast.copy_location(ast.Pass(), node.body[0])]


def _is_plain(statement: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    import ast

    return isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and not statement.decorator_list


def _compiled(statements: list[ast.stmt], file: str) -> types.CodeType:
    import ast

    whole = ast.Module(body=statements, type_ignores=[])
    code: types.CodeType = compile(whole, file, "exec", dont_inherit=True)
    return code


def _functions_in(module: types.CodeType) -> Iterator[tuple[tuple[str, int], types.CodeType]]:
    """The code of the functions of a module, each by its name and its line."""
    for held in module.co_consts:
        if isinstance(held, types.CodeType):
            yield (held.co_name, held.co_firstlineno), held
            if held.co_name.startswith("<generic parameters of"):
                yield from _functions_in(held)


def _head(function: Any, file: str) -> list[types.CodeType]:
    """What its definition does: the defaults, where it has any."""
    import ast

    if not function.args.defaults and not any(function.args.kw_defaults):
        return []
    head = ast.parse(f"def {function.name}(): ...", file).body[0]
    assert isinstance(head, ast.FunctionDef), "it was written so"
    head.args = function.args
    return [_compiled([head], file)]
