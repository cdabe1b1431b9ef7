"""What a code object does, as a digest, and which names it reaches.

Bytecode is normalised so that only what is executed counts: no line numbers, file names, docstrings, caches
or no-ops; constants by value, sets of them sorted; jumps by the instruction that they lead to. It differs
between minor versions of Python, so the version is part of every fingerprint.
"""

from __future__ import annotations

import itertools
import opcode
import re
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ramify.values.canonical import ATOMS
from ramify.values.fingerprint_jumps import Instruction, straighten

_NAMES: Final = opcode.opname
_CONSTANTS: Final = frozenset(opcode.hasconst)
_JUMPS: Final = frozenset(op for op in opcode.hasjrel if op < 256)
_BACKWARD: Final = frozenset(op for op in _JUMPS if "BACKWARD" in _NAMES[op] or _NAMES[op] == "END_ASYNC_FOR")
_MAP: Final = {name: number for name, number in opcode.opmap.items() if number < 256}
"""Real instructions; the table of some versions has those too that only the compiler sees."""

_EXTENDED: Final = _MAP["EXTENDED_ARG"]
_SKIPPED: Final = frozenset(_MAP[n] for n in ("CACHE", "NOP", "NOT_TAKEN") if n in _MAP)
_SHIFTED_ATTR: Final = sys.version_info >= (3, 12)
"""From 3.12 on LOAD_ATTR is both, and the lowest bit of its argument says which."""

_GLOBAL: Final = _MAP["LOAD_GLOBAL"]
_BY_NAME: Final = frozenset(_MAP[n] for n in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if n in _MAP)
_ATTRIBUTES: Final = frozenset(_MAP[n] for n in ("LOAD_ATTR", "LOAD_METHOD") if n in _MAP)
_IMPORT: Final = _MAP["IMPORT_NAME"]
_IMPORT_FROM: Final = _MAP["IMPORT_FROM"]
_STORE_NAME: Final = _MAP["STORE_NAME"]
_STORE_GLOBAL: Final = _MAP["STORE_GLOBAL"]
_BRINGS: Final = frozenset((_IMPORT, _IMPORT_FROM, _MAP["POP_TOP"]))
"""What stands before an import is stored: the last, where it is `import a.b as c`."""

_LOCAL: Final = re.compile(r"(LOAD|STORE)_(?:FAST(?:_BORROW)?|DEREF|CLASSDEREF|FROM_DICT_OR_DEREF)")
_DOES: Final = {op: found[1] for name, op in _MAP.items() if (found := _LOCAL.match(name))}
"""Whether an instruction loads or stores a local variable."""

_PAIRS: Final = {
    op: tuple(_MAP[found.group()] for found in _LOCAL.finditer(name))
    for name, op in _MAP.items()
    if len(_LOCAL.findall(name)) == 2
}
"""Two instructions in one, four bits of argument for each: the compiler joins what is on one line."""

_SKIP, _PLAIN, _EXTENDS, _JUMP, _PAIR = range(5)
_KINDS: Final = [_PLAIN] * 256
"""What is to be done with an instruction."""

for _kind, _ops in ((_SKIP, _SKIPPED), (_JUMP, _JUMPS), (_PAIR, _PAIRS)):
    for _op in _ops:
        _KINDS[_op] = _kind
_KINDS[_EXTENDED] = _EXTENDS

_SMALL_INT: Final = _MAP.get("LOAD_SMALL_INT")
_UNREAD: Final = frozenset(("__doc__", "__firstlineno__", "__static_attributes__"))
"""What a class body stores that no one's result depends on."""

_FLAGS: Final = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
"""Of a code object's flags those that say how it is called: *args, **kwargs, generator, coroutine."""

_ASKS: Final = frozenset(("__annotations__", "__subclasses__"))
"""What code can ask about code, and the answer is no part of a fingerprint. Docstrings are read too often."""

_IMPORTERS: Final = frozenset(("import_module", "__import__"))
_BIGGEST_CACHE: Final = 50_000


@dataclass(frozen=True, slots=True)
class Import:
    """An import inside a function: of `module`, or of its `name`, under the name `bound`.

    `chains` are the attributes that are read of it.
    """

    module: str
    level: int
    name: str | None
    chains: tuple[tuple[str, ...], ...]
    bound: str | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """A code object with all that is nested in it.

    `chains` are the global names that it reads, each with the attributes that are read of it at once:
    `("helpers", "clean")`. `asks` are attributes by which code asks about code; `imports_by_name` tells
    whether it calls what imports a module by a text, and `texts` are those in it then. `lends` are the global
    names that it imports something under.
    """

    token: bytes
    chains: tuple[tuple[str, ...], ...]
    imports: tuple[Import, ...]
    asks: tuple[str, ...]
    imports_by_name: bool
    texts: tuple[str, ...] = ()
    lends: frozenset[str] = frozenset()


Handler = tuple[int, int, int, int]
_scans: dict[int, tuple[types.CodeType, Scan]] = {}


def scan(code: types.CodeType) -> Scan:
    """What the code does and reaches; computed once for each code object.

    >>> one = compile("def f(x):\\n    return x + 1", "a.py", "exec").co_consts[0]
    >>> two = compile("# moved\\n\\ndef f(x): return (x + 1)", "b.py", "exec").co_consts[0]
    >>> scan(one).token == scan(two).token
    True
    """
    known = _scans.get(id(code))
    if known is not None:
        return known[1]
    if len(_scans) > _BIGGEST_CACHE:
        _scans.clear()
    found = _scan(code)
    _scans[id(code)] = code, found
    return found


def _scan(code: types.CodeType) -> Scan:
    instructions, index_at = _instructions(code)
    nested = [scan(held) for held in code.co_consts if isinstance(held, types.CodeType)]
    chains = dict.fromkeys(_chains(code, instructions))
    imports = list(_imports(code, instructions)) if any(op == _IMPORT for op, _ in instructions) else []
    asks = _ASKS.intersection(code.co_names)
    by_name = not _IMPORTERS.isdisjoint(code.co_names)
    lends = frozenset(_lent(code, instructions)) if imports else frozenset()
    for inner in nested:
        chains.update(dict.fromkeys(inner.chains))
        imports += inner.imports
        asks = asks.union(inner.asks)
        by_name = by_name or inner.imports_by_name
        lends |= inner.lends
    token = _token(code, instructions, index_at)
    told = tuple(dict.fromkeys(imports)), tuple(sorted(asks))
    return Scan(token, tuple(chains), *told, by_name, tuple(texts_in(code)) if by_name else (), lends)


def texts_in(code: types.CodeType) -> Iterator[str]:
    """The texts among the constants of the code and of what is nested in it."""
    for held in code.co_consts:
        if isinstance(held, types.CodeType):
            yield from texts_in(held)
        elif isinstance(held, str):
            yield held


def _instructions(code: types.CodeType) -> tuple[list[Instruction], list[int]]:
    """The instructions, jumps with the offset that they lead to, and each offset's place in the list."""
    raw = code.co_code
    kept: list[Instruction] = []
    jumps: list[tuple[int, int]] = []
    index_at: list[int] = []
    extended = 0
    for op, arg in zip(raw[::2], raw[1::2], strict=True):
        index_at.append(len(kept))
        kind = _KINDS[op]
        if not kind:  # most are caches
            continue
        if kind == _PLAIN:
            kept.append((op, arg | extended))
        elif kind == _EXTENDS:
            extended = (extended | arg) << 8
            continue
        elif kind == _JUMP:
            jumps.append((len(kept), len(index_at)))
            kept.append((op, arg | extended))
        elif kind == _PAIR:
            kept += zip(_PAIRS[op], (arg >> 4, arg & 15), strict=True)
        extended = 0
    index_at.append(len(kept))
    for place, start in jumps:
        op, arg = kept[place]
        while 2 * start < len(raw) and raw[2 * start] == 0:  # a jump is counted from after its caches
            start += 1
        kept[place] = op, _at(index_at, start - arg if op in _BACKWARD else start + arg)
    return kept, straighten(kept, index_at, [place for place, _ in jumps])


def _at(index_at: list[int], unit: int) -> int:
    return index_at[unit] if 0 <= unit < len(index_at) else -1


def _token(code: types.CodeType, instructions: list[Instruction], index_at: list[int]) -> bytes:
    parts: list[bytes] = []
    constants = code.co_consts
    for op, arg in instructions:
        if op == _STORE_NAME and code.co_names[arg] in _UNREAD:
            parts.pop()
        elif op in _CONSTANTS:
            parts.append(b"%d=%s" % (op, constant_token(constants[arg])))
        else:
            parts.append(b"%d.%d;" % (op, arg))
    names = (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars)
    head = (
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS),
        *names,
        tuple(_joined(_handlers(code.co_exceptiontable, index_at))),
    )
    return sha256(repr(head).encode("utf-8", "surrogatepass") + b"".join(parts)).digest()


def constant_token(value: Any) -> bytes:
    """The token of what a compiler may put among the constants; those of nested code stand for it."""
    atom = ATOMS.get(type(value))
    if atom is not None:
        return atom(value)
    if isinstance(value, types.CodeType):
        return b"C" + value.co_name.encode("utf-8", "surrogatepass") + b"\0" + scan(value).token
    if isinstance(value, slice):
        return b"S" + constant_token((value.start, value.stop, value.step))
    tokens = [constant_token(item) for item in value]
    if isinstance(value, frozenset):
        tokens.sort()  # its order is that of hashes, which differ from process to process
    return b"%s%d:%s" % (type(value).__name__.encode(), len(tokens), b"".join(tokens))


def _handlers(table: bytes, index_at: list[int]) -> Iterator[Handler]:
    """The exception table: from, to, handler, depth; numbers of six bits each, the first marked."""
    numbers: list[int] = []
    goes_on = False
    for byte in table:
        if byte & 0x80:
            numbers = []
        if goes_on:
            numbers[-1] = numbers[-1] << 6 | byte & 0x3F
        else:
            numbers.append(byte & 0x3F)
        goes_on = bool(byte & 0x40)
        if len(numbers) == 4 and not goes_on:
            yield from _handler(numbers, index_at)


def _handler(numbers: list[int], index_at: list[int]) -> Iterator[Handler]:
    start, length, target, depth = numbers
    begin, end, handler = (_at(index_at, n) for n in (start, start + length, target))
    if begin != end:
        yield begin, end, handler, depth


def _joined(handlers: Iterable[Handler]) -> Iterator[Handler]:
    """As one what meets, which the compiler leaves apart at what cannot fail."""
    last: Handler | None = None
    for found in handlers:
        if last is not None and last[1:] == (found[0], *found[2:]):
            last = last[0], *found[1:]
            continue
        if last is not None:
            yield last
        last = found
    if last is not None:
        yield last


# ---- names


def _chains(code: types.CodeType, instructions: list[Instruction]) -> Iterator[tuple[str, ...]]:
    """Global names, each with the attributes that are read of it."""
    names = code.co_names
    for place, (op, arg) in enumerate(instructions):
        if op == _GLOBAL:
            yield (names[arg >> 1], *_attributes(names, instructions, place + 1))
        elif op in _BY_NAME:
            yield (names[arg], *_attributes(names, instructions, place + 1))


def _attributes(names: tuple[str, ...], instructions: list[Instruction], place: int) -> Iterator[str]:
    while place < len(instructions) and instructions[place][0] in _ATTRIBUTES:
        arg = instructions[place][1]
        shifted = _SHIFTED_ATTR and instructions[place][0] == _MAP["LOAD_ATTR"]
        yield names[arg >> 1 if shifted else arg]
        place += 1


def _imports(code: types.CodeType, instructions: list[Instruction]) -> Iterator[Import]:
    for place, (op, arg) in enumerate(instructions):
        if op == _IMPORT:
            module = code.co_names[arg]
            level, wanted = (_constant(code, instructions[place - back]) for back in (2, 1))
            yield from _imported(code, instructions, place, module, level, wanted)


def _constant(code: types.CodeType, instruction: Instruction) -> Any:
    op, arg = instruction
    return arg if op == _SMALL_INT else code.co_consts[arg]


def _imported(
    code: types.CodeType, instructions: list[Instruction], place: int, module: str, level: int, wanted: Any
) -> Iterator[Import]:
    if not wanted:  # `import a.b` binds a; `import a.b as c` goes down to b
        variable, steps = _bound(code, instructions, place + 1)
        base = module if steps else module.partition(".")[0]
        yield Import(base, level, None, _chains_of(code, variable), variable)
        if base != module:
            yield Import(module, level, None, ())
        return
    if "*" in wanted:
        yield Import(module, level, None, ((),))
    for at in range(place + 1, len(instructions)):
        op, arg = instructions[at]
        if op == _IMPORT:
            return
        if op == _IMPORT_FROM:
            variable, _ = _bound(code, instructions, at + 1)
            yield Import(module, level, code.co_names[arg], _chains_of(code, variable), variable)


def _lent(code: types.CodeType, instructions: list[Instruction]) -> Iterator[str]:
    """The global names that an import in a function is stored under."""
    for (before, _), (op, arg) in itertools.pairwise(instructions):
        if op == _STORE_GLOBAL and before in _BRINGS:
            yield code.co_names[arg]


def _bound(code: types.CodeType, instructions: list[Instruction], place: int) -> tuple[str | None, int]:
    """The name that an import is stored under, and through how many steps down it went."""
    steps = 0
    for op, arg in instructions[place : place + 12]:
        if op == _STORE_GLOBAL or (op == _STORE_NAME and code.co_name != "<module>"):
            return None, steps  # any function of the module may use it, or any who has the class
        if op == _STORE_NAME:
            return code.co_names[arg], steps
        if _DOES.get(op) == "STORE":
            return _local(code, op, arg), steps
        steps += op == _IMPORT_FROM
    return None, steps


def _local(code: types.CodeType, op: int, arg: int) -> str:
    """The variable of this number: the locals, then the cells that are no arguments, then the free ones.

    Empty where a cell is only handed to a nested function.
    """
    cells = [name for name in code.co_cellvars if name not in code.co_varnames]
    name: str = (*code.co_varnames, *cells, *code.co_freevars)[arg]
    handed_on = _NAMES[op].startswith("LOAD_FAST") and (name in code.co_cellvars or name in code.co_freevars)
    return "" if handed_on else name


def _chains_of(code: types.CodeType, variable: str | None) -> tuple[tuple[str, ...], ...]:
    """Which attributes are read of a variable, here and in nested code; `()` where it is used as it is."""
    if variable is None:
        return ((),)
    found = dict.fromkeys(_local_chains(code, variable))
    for held in code.co_consts:
        if isinstance(held, types.CodeType):
            inner = set(held.co_varnames) - set(held.co_freevars)
            if variable not in inner:
                found.update(dict.fromkeys(_chains_of(held, variable)))
    return tuple(found)


def _local_chains(code: types.CodeType, variable: str) -> Iterator[tuple[str, ...]]:
    instructions, _ = _instructions(code)
    names = code.co_names
    for place, (op, arg) in enumerate(instructions):
        loaded = None
        if op in _BY_NAME or op == _GLOBAL:
            loaded = names[arg >> 1 if op == _GLOBAL else arg]
        elif _DOES.get(op) == "LOAD":
            loaded = _local(code, op, arg)
        if loaded == variable:
            yield tuple(_attributes(names, instructions, place + 1))
