"""Jobs that wait at a gate, which is a file: the test opens it."""

import os
import time

GUARD = 60.0


def here(folder: str, name: str) -> str:
    """Leaves a mark that it began, waits for the gate of its name, and gives the name back."""
    with open(os.path.join(folder, f"{name}.begun"), "a") as file:
        file.write("x")
    until = time.monotonic() + GUARD
    while not os.path.exists(os.path.join(folder, name)):
        if time.monotonic() > until:
            raise TimeoutError(f"nobody opened the gate {name}")
        time.sleep(0.005)
    return name


def fails_until(folder: str, name: str) -> str:
    """Fails as long as there is no file of this name."""
    if not os.path.exists(os.path.join(folder, name)):
        raise ValueError(f"{name} is not there yet")
    return name


def follow(value: str) -> str:
    """Something that comes after."""
    return value + "!"


def both(one: str, other: str) -> str:
    """A join."""
    return one + other
