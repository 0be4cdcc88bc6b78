"""Members of a family by name: built-in ones, and those of other distributions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexers import plugins
from indexers.embedders.base import Embedder
from indexers.embedders.tiny import Tiny
from indexers.errors import MissingPackage, UnknownPlugin
from indexers.vectors.base import VectorIndex
from indexers.vectors.hnsw import Hnsw
from indexers.vectors.usearch import Usearch

CODE = '''
import numpy as np
from indexers.embedders.base import Embedder
class Grey(Embedder):
    """The mean brightness."""
    name, dimension, input_size = "grey", 2, 8
    def forward(self, batch):
        return np.array([[1, np.asarray(one).mean()] for one in batch], np.float32)
'''
POINTS = """[nearkin.embedders]
grey = their_pictures:Grey
tiny = their_pictures:Grey
broken = their_pictures_without:Grey
"""


@pytest.fixture
def other_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another distribution that brings an embedder, as pip leaves it on disk."""
    facts = tmp_path / "their_pictures-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: their-pictures\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(POINTS)
    (tmp_path / "their_pictures.py").write_text(CODE)
    (tmp_path / "their_pictures_without.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.find_members.cache_clear()
    yield
    plugins.find_members.cache_clear()
    for name in ("their_pictures", "their_pictures_without"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("group", "base"), [("nearkin.embedders", Embedder), ("nearkin.vectors", VectorIndex)])
def test_every_built_in_member_is_one_of_its_family(group: str, base: type) -> None:
    for name in plugins.BUILT_IN[group]:
        member = plugins.load_member(group, name)
        assert issubclass(member, base)
        if base is Embedder:
            assert member.name == name


@pytest.mark.usefixtures("other_distribution")
def test_another_distribution_brings_a_member() -> None:
    member = plugins.load_member("nearkin.embedders", "grey")
    assert member.name == "grey"
    assert "grey" in plugins.find_members("nearkin.embedders")


@pytest.mark.usefixtures("other_distribution")
def test_a_built_in_name_can_not_be_taken() -> None:
    assert plugins.load_member("nearkin.embedders", "tiny") is Tiny
    assert plugins.find_members("nearkin.embedders")["tiny"].load() is Tiny


@pytest.mark.usefixtures("other_distribution")
def test_a_member_whose_package_is_missing_says_which() -> None:
    with pytest.raises(MissingPackage, match=r"'broken' needs the package 'no_such_package_at_all'"):
        plugins.load_member("nearkin.embedders", "broken")


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    known = "alexnet, classic, clip, inception_v3, lite0, onnx, resnet101, resnet152, resnet18, resnet34, resnet50, "
    known += "timm, tiny, torchvision, transformers, vgg16, vgg19"
    with pytest.raises(UnknownPlugin, match=f"there is no embedder 'clipp'; there are: {known}"):
        plugins.load_member("nearkin.embedders", "clipp")
    with pytest.raises(UnknownPlugin, match="there are: auto, exact, faiss, hnsw, pgvector, rabitq, usearch"):
        plugins.find_member("nearkin.vectors", "")


def test_a_member_without_its_package_is_served_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    assert plugins.find_serving_name("nearkin.vectors", "hnsw") == "usearch"
    assert plugins.load_member("nearkin.vectors", "hnsw") is Usearch
    monkeypatch.setitem(sys.modules, "rabitqlib", None)
    assert plugins.load_member("nearkin.vectors", "rabitq") is Usearch
    assert plugins.find_serving_name("nearkin.vectors", "exact") == "exact"
    assert plugins.find_serving_name("nearkin.embedders", "hnsw") == "hnsw"
    monkeypatch.delitem(sys.modules, "hnswlib")
    monkeypatch.setattr(plugins, "find_spec", lambda package: package)
    assert plugins.load_member("nearkin.vectors", "hnsw") is Hnsw


@pytest.mark.usefixtures("other_distribution")
def test_a_collection_takes_it_by_name(tmp_path: Path, folder: Path) -> None:
    from retrieval import Collection

    with Collection.open(tmp_path / "c", create=True, embedder="grey") as collection:
        collection.add(folder)
    with Collection.open(tmp_path / "c") as collection:
        assert collection.info().embedder == "grey"
        assert len(collection.search(folder / "red.png", k=2)) == 2
