"""Puts real sequences into an instance folder: `python get_data.py FOLDER`.

They are test data of the package `screed` (BSD-3-Clause): 22 transcripts of the grey mouse lemur, as Ensembl
predicted them, and 125 reads of an Illumina sequencer.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

NAMES = {"test.fa": "transcripts.fa", "test.fastq": "reads.fastq"}


def main(folder: str) -> None:
    """Copies both files."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    data = files("screed") / "tests" / "test-data"
    for source, name in NAMES.items():
        Path(folder, name).write_bytes((data / source).read_bytes())


if __name__ == "__main__":
    main(sys.argv[1])
