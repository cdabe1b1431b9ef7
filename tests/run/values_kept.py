"""What holds of the values of any run in memory that is at rest."""

from ramify.run.memory import MemoryRun
from ramify.run.values import Away


def check(run: MemoryRun) -> None:
    """What the bookkeeping says of itself."""
    large = run.large
    there = {n: e for n, e in large.entries.items() if e.stored is None}
    assert large.resident == sum(e.size for e in there.values())
    assert not large._expected
    assert all(e.running == 0 for e in large.entries.values())
    assert {n for n, v in enumerate(run.values) if type(v) is Away} == large.gone | (
        large.entries.keys() - there.keys()
    )
    if large.limit is not None:
        shelved = {n for shelf in large._shelves for n in shelf}
        assert shelved == {n for n, e in there.items() if not e.stays}
