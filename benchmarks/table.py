"""The results as Markdown: one table per group, with the machine, the versions and the command."""

from __future__ import annotations

import os
import platform
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any, Final

from measurements import Group, Row

SCALE: Final = {"µs": 1e6, "ms": 1e3}
INTRODUCTION: Final = """\
# Benchmarks

What Ramify's own part costs, beside what does it today, all measured in one run on one machine. Every
measurement has a process of its own; the best of {times} counts. CPU is user and system time, children
included: it is what stays true where the machine has other things to do. The last column divides by the row
that has 1.0. Made by

```console
$ {command}
```

| | |
|---|---|
{facts}
"""

Result = dict[str, Any]
Column = tuple[str, Callable[[Row, Result], str]]


def document(
    groups: list[tuple[Group, list[Result]]], command: list[str], times: int, versions: dict[str, str]
) -> str:
    """The whole page. Each group comes with one result per row; a result may be `{"error": ...}`."""
    facts = "\n".join(f"| {name} | {value} |" for name, value in (machine() | versions).items())
    head = INTRODUCTION.format(times=times, command=shlex.join(command), facts=facts)
    return "\n".join([head, *("\n".join(section(*group)) for group in groups)])


def measured_alone(command: list[str], versions: dict[str, str]) -> str:
    """What is said of groups that were measured without the others."""
    told = ", ".join(f"{name} {value}" for name, value in (machine() | versions).items())
    return f"Measured by `{shlex.join(command)}`: {told}."


def with_section(page: str, title: str, table: str, titles: list[str]) -> str:
    """The page with the section of this title replaced, or put where it belongs among `titles`."""
    head, *sections = re.split(r"(?m)^(?=## )", page)
    found = {part[3:].split("\n", 1)[0]: part for part in sections}
    found[title] = table + "\n"
    known = [name for name in titles if name in found]
    return head + "".join(found[name] for name in [*known, *(name for name in found if name not in known)])


def section(group: Group, results: list[Result]) -> Iterator[str]:
    """One group as a table."""
    extra = extra_columns(group, results)
    names = [" CPU each", " wall each", *(f" {name}" for name, _ in extra), f" CPU, × {group.reference}"]
    columns = ["work", " who", " n", *names]
    yield f"## {group.title}\n\n{group.note}\n"
    yield "|" + " |".join(columns) + " |"
    yield "|---|---|" + "---:|" * (len(columns) - 2)
    references: dict[tuple[str, int | None], Result] = {}
    for row, result in zip(group.rows, results, strict=True):
        if row.who == group.reference:
            references[row.work, None] = references[row.work, row.n] = result
    for row, result in zip(group.rows, results, strict=True):
        reference = references.get((row.work, row.n)) or references.get((row.work, None))
        cells = cells_of(row, result, reference, group.unit, extra)
        yield "| " + " | ".join(cells) + " |"
    yield ""


def extra_columns(group: Group, results: list[Result]) -> list[Column]:
    """The columns that only some groups have: those that their cases have measured."""
    columns: list[Column] = []
    if any("waiting" in result for result in results):
        columns.append(("peak memory", lambda _, result: f"{result['memory'] / 1e6:,.0f} MB"))
        columns.append(("a waiting node", lambda _, result: f"{result['waiting']:,.0f} B"))
    if any("threads" in result for result in results):
        columns.append(("peak memory each", lambda _, result: f"{result['memory'] / result['n']:,.0f} B"))
        columns.append(("threads left", lambda _, result: str(result["threads"])))
    if any("process_cpu" in result for result in results):
        columns.append(("the process, CPU", lambda _, result: f"{digits(result['process_cpu'])} s"))
        columns.append(("wall", lambda _, result: f"{digits(result['process_wall'])} s"))
    if any(row.budget for row in group.rows):
        columns.append(("budget", lambda row, _: row.budget))
    return columns


def cells_of(row: Row, result: Result, reference: Result | None, unit: str, extra: list[Column]) -> list[str]:
    """One row's cells; a row that failed says so in the place of its times."""
    if "error" in result:
        return [row.work, row.who, f"{row.n:,}", result["error"], *[""] * (len(extra) + 2)]
    each = {name: result[name] / result["n"] for name in ("cpu", "wall")}
    known = reference is not None and "error" not in reference
    ratio = digits(each["cpu"] / (reference["cpu"] / reference["n"])) if reference and known else ""
    times = [f"{digits(each[name] * SCALE[unit])} {unit}" for name in ("cpu", "wall")]
    more = [cell(row, result) for _, cell in extra]
    return [row.work, row.who, f"{result['n']:,}", *times, *more, ratio]


def digits(value: float) -> str:
    """As many digits as mean something.

    >>> digits(0.293), digits(4.44), digits(1234.5)
    ('0.29', '4.4', '1,234')
    """
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def machine() -> dict[str, str]:
    """What a reader needs to judge the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "machine": f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "load at the end": f"{os.getloadavg()[0]:.1f}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (FileNotFoundError, StopIteration):
        return platform.processor() or platform.machine()
