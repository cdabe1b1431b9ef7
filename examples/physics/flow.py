"""A search for signals in data whose files nobody knows beforehand: a graph that grows while it runs.

The data is on every machine that has Python: the source files of its standard library stand for the files of
a detector, a line for an event, the length of the line for its energy. A sample is a package; a signal point
is a word and a window of energies in which one looks for it.

    download/SAMPLE              copies the files of a sample: how many there are is known when it has run
    events/SAMPLE/FILE           one task per file: counts events, by energy
    background/SAMPLE            the sum over the files of a sample
    scan/POINT/SAMPLE/FILE       for each point, for each sample, for each file: a map in a map in a map
    limits/POINT                 what the samples of a point come to
    report                       once no limit can come any more: all of them
"""

from __future__ import annotations

import sysconfig
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ramify import DAG, Extend, Job, Rule, after, closed

SAMPLES = ("json", "logging", "wsgiref")
WORDS = ("def", "return", "import")
WINDOWS = ((0, 40), (40, 120))
WIDTH = 10

Spectrum = dict[str, int]


# ---- what is done


def download(sample: str) -> dict[str, str]:
    """The files of a sample, with what they hold, by name; the archive is this machine's own Python."""
    archive = Path(sysconfig.get_paths()["stdlib"]) / sample
    return {path.stem.strip("_"): path.read_text(encoding="utf-8") for path in sorted(archive.glob("*.py"))}


def download_with_damage(sample: str) -> dict[str, str]:
    """As `download`, and one of the files has suffered on its way."""
    files = download(sample)
    return files | {min(files): "\0"}


def histogram(file: str, word: str = "", window: tuple[int, int] = (0, 1000)) -> Spectrum:
    """How many events there are, by energy: lines that hold a word, of a length within the window."""
    if "\0" in file:
        raise ValueError("the file is damaged: no line of Python holds a NUL character")
    low, high = window
    energies = [len(line) for line in file.splitlines() if word in line and low <= len(line) < high]
    counts = Counter(energy // WIDTH * WIDTH for energy in energies)
    return {str(energy): counts[energy] for energy in sorted(counts)}


def merge(spectra: list[Spectrum]) -> Spectrum:
    """The sum of spectra."""
    total: Counter[str] = Counter()
    for spectrum in spectra:
        total.update(spectrum)
    return {energy: total[energy] for energy in sorted(total, key=int)}


def points() -> dict[str, tuple[str, tuple[int, int]]]:
    """The signal points, by name."""
    return {f"{word}-{low}": (word, (low, high)) for word in WORDS for low, high in WINDOWS}


def limit(signal: Spectrum, backgrounds: dict[str, Spectrum]) -> float:
    """The share of the signal in all events of the samples, in percent."""
    everything = sum(sum(spectrum.values()) for spectrum in backgrounds.values())
    return round(100 * sum(signal.values()) / everything, 3)


def report(limits: dict[str, float], backgrounds: dict[str, Spectrum], lost: int) -> str:
    """A table, and a picture of the background for a terminal."""
    lines = [f"{name:<12} {share:7.3f} %" for name, share in limits.items()]
    whole = merge(list(backgrounds.values()))
    most = max(whole.values())
    lines += ["", *(f"{energy:>5} {'#' * (50 * count // most)}" for energy, count in whole.items())]
    told = {0: "no file was lost", 1: "1 file was lost"}.get(lost, f"{lost} files were lost")
    return "\n".join([*lines, "", told])


# ---- how the graph grows


def one_task_per_file(sample: str) -> Rule:
    """As soon as a sample is there, its files are known: a node for each."""

    def add(view: Any) -> None:
        for name, text in view[f"download/{sample}"].result.items():
            view[f"events/{sample}/{name}"] = Job(histogram, {"file": text}, tags=["events"])

    return Rule(after(f"download/{sample}"), add, name=f"files of {sample}", may_add="events")


def merge_samples(view: Any) -> None:
    """No more events can come, and those that came are at rest: what failed is left out, and counted."""
    for name in {node.key.split("/")[1] for node in view.nodes("events")}:
        good = view.nodes(f"events/{name}", status="completed")
        view[f"background/{name}"] = Job(merge, {"spectra": good}, tags=["background"])


def scan(point: tuple[str, tuple[int, int]], files: dict[str, dict[str, str]]) -> Extend:
    """One signal point: a node for each file of each sample, their sum by sample, and the sum of these."""
    word, window = point
    dag = DAG()
    for sample, texts in files.items():
        inner = DAG()
        for name, text in texts.items():
            if "\0" not in text:
                inner[name] = Job(histogram, {"file": text, "word": word, "window": window})
        inner["sum"] = Job(merge, {"spectra": [inner[name] for name in inner]})
        dag[sample] = inner
    return Extend(dag, value=[dag[sample]["sum"] for sample in files], then=merge)


def limits(view: Any) -> None:
    """A scope for each point: `scan` adds nodes below its own key, and nothing else."""
    files = {node.key.rpartition("/")[2]: node for node in view.nodes("download")}
    backgrounds = {node.key.rpartition("/")[2]: node for node in view.nodes("background")}
    for name, point in view["points"].result.items():
        view[f"scan/{name}"] = signal = Job(scan, {"point": point, "files": files}, may_add=())
        view[f"limits/{name}"] = Job(limit, {"signal": signal, "backgrounds": backgrounds}, tags=["limit"])


def write_report(view: Any) -> None:
    """All limits that there will ever be."""
    view["report"] = Job(
        report,
        {
            "limits": {node.key.rpartition("/")[2]: node for node in view.nodes("limit")},
            "backgrounds": {node.key.rpartition("/")[2]: node for node in view.nodes("background")},
            "lost": view.count("events", status="failed"),
        },
    )


def flow(get: Callable[[str], dict[str, str]] = download) -> DAG:
    """The graph as far as it is known: downloads, points, and rules. `get` downloads the first sample."""
    dag = DAG(name="physics")
    dag["points"] = Job(points)
    dag["download"] = DAG(
        {sample: Job(download if n else get, {"sample": sample}) for n, sample in enumerate(SAMPLES)}
    )
    for sample in SAMPLES:
        dag.add_rule(one_task_per_file(sample))
    dag.add_rule(
        lambda view: view.closed("events") and view.settled("events"),
        merge_samples,
        name="merge",
        may_add="background",
    )
    dag.add_rule(
        lambda view: view.closed("background") and view.succeeded("points"),
        limits,
        name="limits",
        may_add=["scan", "limit", "limits"],
    )
    dag.add_rule(closed("limit"), write_report, name="report", may_add="report")
    return dag


def damaged() -> DAG:
    """The same with a file that fails: the others go on, and the report says how many were lost."""
    return flow(download_with_damage)


dag = flow()
