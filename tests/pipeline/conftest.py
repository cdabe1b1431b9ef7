"""What the tests of pipelines share."""

import pytest

from ramify.pipeline.instance import Instance


@pytest.fixture
def instance(tmp_path):
    return Instance(tmp_path / "instance")
