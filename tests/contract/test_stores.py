"""Every shipped store through the one suite."""

import pytest

from ramify.stores.folder import FolderStore
from ramify.stores.memory import MemoryStore
from ramify.testing.stores import StoreContract


class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return FolderStore(tmp_path / "outputs")


class TestFolderStoreReopened(StoreContract):
    """As a driver that starts after another: nothing may be remembered between two calls."""

    @pytest.fixture
    def store(self, tmp_path):
        class Reopening:
            def __getattr__(self, name):
                return getattr(FolderStore(tmp_path / "outputs"), name)

        return Reopening()


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()
