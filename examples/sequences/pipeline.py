"""Transcripts and reads: split, measured in parallel, merged, reported.

    split ─┬─ composition.0 ─ orfs.0 ─┐
           ├─ composition.1 ─ orfs.1 ─┼─ merge ─ report
           └─ ...                     ┘            │
    reads ─────────────────────────────────────────┘

`transcripts.fa` and `reads.fastq` are in the instance folder; `get_data.py` puts them there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ramify import pipeline

PER_CHUNK = 6
"""Sequences in a chunk."""

STOPS = ("TAA", "TAG", "TGA")

Record = tuple[str, str]
"""The name of a sequence and its letters."""


def tasks(dsl: Any) -> Iterator[Any]:
    """The tasks, as many as the data asks for."""
    split = (
        dsl.task("split")
        .inputs(fasta=dsl.file("transcripts.fa"), per_chunk=PER_CHUNK)
        .outputs(chunks=dsl.fileset("chunk.*.fa"), sequences=int)
        .calls(split_fasta)()
    )
    yield split
    reads = (
        dsl.task("reads")
        .inputs(fastq=dsl.file("reads.fastq"))
        .outputs(total=int, with_unknown=int, mean_quality=float)
        .calls("reads.sh")()
    )
    yield reads
    for _ in dsl.wait_for_tasks(split):
        for chunk in split.outputs.chunks.fetch():
            yield from of_chunk(dsl, chunk)
    for found in dsl.wait_for_matching_tasks("orfs.*"):
        merge = (
            dsl.task("merge")
            .inputs(tables=found.all.table.as_glob_expression(), expected=split.outputs.sequences)
            .outputs(table=dsl.file("sequences.tsv"))
            .calls("merge.sh")()
        )
        yield merge
        yield (
            dsl.task("report")
            .inputs(merge.outputs.table, reads.outputs.total, reads.outputs.with_unknown)
            .inputs(reads.outputs.mean_quality)
            .outputs(report=dsl.file("report.md"))
            .calls(write_report)()
        )


def of_chunk(dsl: Any, chunk: Any) -> Iterator[Any]:
    """What is done with one chunk: bash for the letters, Python for the reading frames."""
    number = chunk.basename().split(".")[1]
    composition = (
        dsl.task(f"composition.{number}")
        .inputs(fasta=chunk)
        .outputs(composition=dsl.file("composition.tsv"))
        .calls("""
            #!/usr/bin/env bash
            awk '
                function tell() { if (name) printf "%s\\t%d\\t%.4f\\n", name, all, gc / all }
                /^>/ { tell(); name = substr($1, 2); all = gc = 0; next }
                { all += length($0); gc += gsub(/[GC]/, "") }
                END { tell() }
            ' "$fasta" > "$composition"
            test "$(grep -c '^>' "$fasta")" = "$(wc -l < "$composition")"
        """)()
    )
    yield composition
    yield (
        dsl.task(f"orfs.{number}")
        .inputs(composition.outputs.composition, fasta=chunk)
        .outputs(table=dsl.file("table.tsv"))
        .calls(add_orfs)()
    )


# ---- Python steps


@pipeline.python_call()
def split_fasta(fasta: str, per_chunk: int, __task_output_dir: str) -> dict[str, int]:
    """Writes chunks of so many sequences each."""
    records = list(read_fasta(fasta))
    for number, start in enumerate(range(0, len(records), per_chunk)):
        text = "".join(f">{name}\n{letters}\n" for name, letters in records[start : start + per_chunk])
        Path(__task_output_dir, f"chunk.{number}.fa").write_text(text)
    return {"sequences": len(records)}


@pipeline.python_call()
def add_orfs(composition: str, fasta: str, table: str) -> None:
    """The table of a chunk, with the length of the longest open reading frame of each sequence."""
    longest = {name: longest_orf(letters) for name, letters in read_fasta(fasta)}
    with open(composition) as rows, open(table, "w") as made:
        for row in rows:
            name = row.split("\t")[0]
            made.write(f"{row.rstrip()}\t{longest[name]}\n")


@pipeline.python_call()
def write_report(table: str, total: int, with_unknown: int, mean_quality: float, report: str) -> None:
    """What a person wants to know of both."""
    rows = [line.split("\t") for line in Path(table).read_text().splitlines()[1:]]
    letters = sum(int(row[1]) for row in rows)
    gc = sum(int(row[1]) * float(row[2]) for row in rows) / letters
    first = max(rows, key=lambda row: int(row[3]))
    Path(report).write_text(
        f"# {len(rows)} transcripts, {total} reads\n\n"
        f"- {letters} letters, {gc:.1%} of them G or C\n"
        f"- longest open reading frame: {first[3]} codons, in {first[0]}\n"
        f"- reads: mean quality {mean_quality:.1f}, {with_unknown} with unknown letters\n"
    )


# ---- what they stand on


def read_fasta(path: str) -> Iterator[Record]:
    """The sequences of a FASTA file, in capitals."""
    name, parts = "", list[str]()
    for line in Path(path).read_text().splitlines():
        if line.startswith(">"):
            if name:
                yield name, "".join(parts).upper()
            name, parts = line[1:].split()[0], []
        else:
            parts.append(line.strip())
    if name:
        yield name, "".join(parts).upper()


def longest_orf(letters: str) -> int:
    """Codons from an ATG up to a stop, in the three frames of this strand; 0 where there is none.

    >>> longest_orf("CCATGAAATTTTAG"), longest_orf("ATGAAA")
    (3, 0)
    """
    return max(of_frame(letters, frame) for frame in range(3))


def of_frame(letters: str, frame: int) -> int:
    """The same, in one frame."""
    longest, start = 0, -1
    for number, at in enumerate(range(frame, len(letters) - 2, 3)):
        codon = letters[at : at + 3]
        if start < 0 and codon == "ATG":
            start = number
        elif start >= 0 and codon in STOPS:
            longest, start = max(longest, number - start), -1
    return longest


def sequences() -> Any:
    """The pipeline."""
    groups: dict[str, Callable[[str], str]] = {"stage": lambda key: key.partition(".")[0]}
    return pipeline.create_pipeline(tasks, task_groupers=groups)
