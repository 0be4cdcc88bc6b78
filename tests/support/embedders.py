"""The contract of embedders for those that take long to load: one instance serves all tests that allow it."""

from __future__ import annotations

from typing import ClassVar

import pytest

from indexers import plugins
from indexers.embedders.base import Embedder
from indexers.testing import EmbedderContract


class SharedContract(EmbedderContract):
    """The contract, with one embedder for all tests but those that compare instances or try the first use.

    Override `make` to make yours with its default settings.
    """

    FRESH = frozenset(
        {
            "test_is_deterministic_across_instances",
            "test_threads_may_share_it",
            "test_the_fingerprint_does_not_change_with_use",
        }
    )
    shared: ClassVar[dict[type, Embedder]] = {}
    is_fresh = True

    @pytest.fixture(autouse=True)
    def _decide(self, request: pytest.FixtureRequest) -> None:
        self.is_fresh = request.node.originalname in self.FRESH

    def make(self) -> Embedder:
        raise NotImplementedError("return a new embedder with its default settings")

    def share(self) -> Embedder:
        if type(self) not in self.shared:
            self.shared[type(self)] = self.make()
        return self.shared[type(self)]

    def embedder(self) -> Embedder:
        return self.make() if self.is_fresh else self.share()


def check_name_and_settings(contract: EmbedderContract) -> None:
    """Check that an embedder's name and settings alone make one of the same vectors."""
    embedder, pictures = contract.embedder(), contract.pictures(2)
    again = plugins.load_member("nearkin.embedders", embedder.name)(**embedder.settings)
    assert (again.name, again.settings) == (embedder.name, embedder.settings)
    assert again.fingerprint() == embedder.fingerprint()
    contract.check_equal(again.embed(pictures), embedder.embed(pictures))
