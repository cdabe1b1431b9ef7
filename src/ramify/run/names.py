"""Names of runs that people can say: `2026-11-20-calm-otter`."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Container

from ramify.errors import ModeError

_ADJECTIVES = """
able agile amber ample apt avid azure bold brave brief bright brisk calm candid civil clean clear clever
coral cosy crisp daring deft eager early easy equal even exact fair fast fine firm fleet fluent fond free
fresh full gentle glad golden good grand great green happy hardy honest humble ideal indigo jade jolly just
keen kind lasting level light lively lucid lucky lunar mellow merry mild modest neat nimble noble open
patient plain polite prime prompt proud quick quiet rapid ready regal rosy sable safe sage serene sharp
shiny silver simple sleek smart snug sober solar solid sound spry stable steady still stout strong subtle
sunny super sure sweet swift tidy true trusty upbeat urban useful valid vivid warm wise witty
"""
_ANIMALS = """
adder alpaca ant badger bat bear beaver bee beetle bison boar bream camel carp cat clam cobra cod condor
coot coral crab crane crow deer dingo dolphin dove duck eagle eel egret elk emu falcon ferret finch fox frog
gannet gecko gibbon goat goose grouse gull hare hawk heron horse hound ibex ibis iguana jackal jay kestrel
kite kiwi koala lamb lark lemur linnet lion lizard llama lynx magpie marten mink mole moose moth mouse mule
newt ocelot octopus okapi orca oriole osprey otter owl ox oyster panda parrot pelican perch pigeon pike
plover pony puffin puma quail rabbit raven robin rook salmon seal shark sheep shrew skink skua sloth snail
snipe sole sparrow squid stoat stork swan swift tapir tern thrush tiger toad trout turtle viper vole walrus
wasp weasel whale wolf wombat wren yak zebra
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


def new_name(taken: Container[str] = (), now: float | None = None) -> str:
    """A name that is not taken: the date, an adjective, an animal, and a number where all of those are.

    >>> name = new_name(now=0.0); name.startswith("1970-01-01-") and name.count("-") == 4
    True
    """
    choose = random.Random().choice
    adjectives, animals = _ADJECTIVES.split(), _ANIMALS.split()
    day = time.strftime("%Y-%m-%d", time.localtime(now))
    for attempt in range(1000):
        number = f"-{attempt}" if attempt > 50 else ""
        name = f"{day}-{choose(adjectives)}-{choose(animals)}{number}"
        if name not in taken:
            return name
    raise RuntimeError("a thousand names were taken")


def check_name(name: str) -> str:
    """The name, if it may be a run's: letters, digits, `.`, `_`, `-`, at most 100, no dot in front."""
    if not _NAME.match(name) or name == "latest":
        raise ModeError(
            f"{name!r} cannot be the name of a run: use letters, digits, '.', '_' and '-', at most 100",
            name=name,
        )
    return name
