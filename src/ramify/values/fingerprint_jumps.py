"""Jumps as they come out, whichever way the compiler wrote them.

Where a condition and what it leads to are on one line, some versions of Python jump over a jump; where they
are on two, they jump to a jump. Formatting is no change, so both become the same.
"""

from __future__ import annotations

import opcode
import re
from typing import Final

Instruction = tuple[int, int]

_MAP: Final = {name: number for name, number in opcode.opmap.items() if number < 256}
_ALWAYS: Final = frozenset(_MAP[n] for n in ("JUMP_FORWARD", "JUMP_BACKWARD"))
_ENDS: Final = frozenset(
    _MAP[n] for n in ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE") if n in _MAP
)
_BACKWARD: Final = {
    number: _MAP[forward]
    for name, number in _MAP.items()
    if "NO_INTERRUPT" not in name
    and (forward := re.sub("BACKWARD", "FORWARD", name)) != name
    and forward in _MAP
}
"""A jump that goes back, as the one that goes on: where it leads to says which."""

_OPPOSITES: Final = (("IF_TRUE", "IF_FALSE"), ("IF_NONE", "IF_NOT_NONE"))
_INVERSE: Final = {
    number: _MAP[name.replace(old, new)]
    for one, two in _OPPOSITES
    for old, new in ((one, two), (two, one))
    for name, number in _MAP.items()
    if re.fullmatch(f"POP_JUMP_(?:FORWARD_|BACKWARD_)?{old}", name)
}
"""A condition, as its opposite."""

_OR_POP: Final = {
    _MAP[f"JUMP_IF_{truth}_OR_POP"]: _MAP[f"POP_JUMP_FORWARD_IF_{truth}"]
    for truth in ("TRUE", "FALSE")
    if f"JUMP_IF_{truth}_OR_POP" in _MAP
}
"""Of 3.11: a condition that keeps what it saw for the next one, and what it does where that is the same."""


def straighten(kept: list[Instruction], index_at: list[int], jumps: list[int]) -> list[int]:
    """Brings instructions into one form, in place; `jumps` are the places of those that jump.

    Returns `index_at`, the place of what stands at each offset, as it is then.
    """
    if not jumps:
        return index_at
    for place in jumps:
        op, target = kept[place]
        kept[place] = _BACKWARD.get(op, op), target
    for place in jumps:
        op, target = kept[place]
        if op in _OR_POP:
            kept[place] = _shortened(kept, op, target)
        elif op in _INVERSE or op in _ALWAYS:
            kept[place] = op, _end_of(kept, place)
    gone = _without_jumps_over_jumps(kept, jumps)
    return _close_up(kept, index_at, jumps, gone) if gone else index_at


def _end_of(kept: list[Instruction], place: int) -> int:
    """Where a jump leads in the end."""
    seen = {place}
    target = kept[place][1]
    while 0 <= target < len(kept) and target not in seen and kept[target][0] in _ALWAYS:
        seen.add(target)
        target = kept[target][1]
    return target


def _shortened(kept: list[Instruction], op: int, target: int) -> Instruction:
    """Where the next condition is known from this one."""
    pops = _OR_POP[op]
    following, end = kept[target]
    if following in (op, pops):
        return following, end
    opposite = following == _INVERSE[pops] or following in _OR_POP
    return (pops, target + 1) if opposite else (op, target)


def _without_jumps_over_jumps(kept: list[Instruction], jumps: list[int]) -> set[int]:
    """Turns conditions that jump over one jump into their opposites; returns the jumps that nobody needs."""
    gone: set[int] = set()
    targets = {kept[place][1] for place in jumps}
    for place in jumps:
        op, target = kept[place]
        following = place + 1
        if following >= len(kept) or kept[following][0] not in _ALWAYS or following in targets:
            continue
        if op in _INVERSE and target == following + 1:
            kept[place] = _INVERSE[op], kept[following][1]
            gone.add(following)
    for place in jumps:
        before = kept[place - 1][0] if place else -1
        ended = before in _ENDS or before in _ALWAYS
        if kept[place][0] in _ALWAYS and ended and place not in targets:
            gone.add(place)
    return gone


def _close_up(kept: list[Instruction], index_at: list[int], jumps: list[int], gone: set[int]) -> list[int]:
    left = [place for place in range(len(kept)) if place not in gone]
    new = [0] * (len(kept) + 1)
    for place in range(len(kept)):
        new[place + 1] = new[place] + (place not in gone)
    for place in jumps:
        op, target = kept[place]
        kept[place] = op, new[target] if target >= 0 else target
    kept[:] = [kept[place] for place in left]
    return [new[place] for place in index_at]
