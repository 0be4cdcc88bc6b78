"""The promises of each family, tried on these members: inherit the class, make yours."""

from __future__ import annotations

from importlib.metadata import entry_points

from nearkin_example.clusterer import Leader
from nearkin_example.embedder import Moments
from nearkin_example.finder import Halves
from nearkin_example.index import Plain

from indexers.testing import ClustererContract, EmbedderContract, FinderContract, VectorIndexContract


class TestMoments(EmbedderContract):
    def embedder(self) -> Moments:
        return Moments()


class TestPlain(VectorIndexContract):
    least_recall = 1.0

    def index(self) -> Plain:
        return Plain(self.dimension)


class TestLeader(ClustererContract):
    def clusterer(self, **more: object) -> Leader:
        return Leader(**more)  # type: ignore[arg-type]


class TestHalves(FinderContract):
    def finder(self) -> Halves:
        return Halves()


def test_the_entry_points_lead_here() -> None:
    expected = {"embedders": ("moments", Moments), "vectors": ("plain", Plain), "clusterers": ("leader", Leader)}
    expected["finders"] = ("halves", Halves)
    for family, (name, member) in expected.items():
        assert entry_points(group=f"nearkin.{family}")[name].load() is member
