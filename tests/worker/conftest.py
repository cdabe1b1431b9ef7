"""The suites are in the package: their assertions are to be explained like those of any test."""

import pytest

pytest.register_assert_rewrite("ramify.testing.bench", "ramify.testing.executors")
