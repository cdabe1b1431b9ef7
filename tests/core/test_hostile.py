"""Thousands of random histories, each judged after every event and folded again from its log."""

import pytest

from ramify.core.views import snapshot
from ramify.testing.hostile import History


@pytest.mark.parametrize("block", range(20))
def test_random_histories_keep_the_laws_and_replay_to_the_same_state(block: int) -> None:
    for seed in range(block * 200, block * 200 + 200):
        history = History(seed, reuse=seed % 3 != 0, growth=seed % 2 == 0)
        try:
            engine = history.run()
            assert snapshot(history.replayed()) == snapshot(engine)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
