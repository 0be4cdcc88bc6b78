"""Names of clusters: by what is seen where the embedder reads words, else by what members say; a person's stays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.embedders.tiny import Tiny
from indexers.types import Vectors
from retrieval import Collection

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


class Reader(Tiny):
    """Knows the words for three colours: a picture of that colour all over; all else looks grey to it."""

    name = "reader"
    supports_text = True
    embedded = 0

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        Reader.embedded += len(texts)
        rows = []
        for text in texts:
            colours = [value for word, value in COLOURS.items() if word in text.lower().split()]
            colour = np.array(colours[0] if colours else (128, 128, 128)) / 255
            rows.append(np.append(np.tile(colour, 4), 1))
        return np.array(rows, np.float32)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Twenty pictures of each colour, whose names say nothing."""
    folder = tmp_path / "IMG_0001"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number, colour in enumerate(list(COLOURS.values()) * 20):
        array = np.clip(np.array(colour) + random.integers(-12, 12, (6, 6, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(array).save(folder / f"DSC_{number:04}.png")
    return folder


def test_clusters_are_named_by_what_is_seen(tmp_path: Path, place: Path) -> None:
    Reader.embedded = 0
    with Collection.open(tmp_path / "c", create=True, embedder=Reader()) as collection:
        collection.add(place)
        names = sorted((cluster.name or "") for cluster in collection.clusters("medium"))
        assert len(names) == 3
        assert {colour for colour in COLOURS for name in names if colour in name.split()} == set(COLOURS)
        count = Reader.embedded
        assert count > 1000
        collection.recluster()
        assert Reader.embedded == count, "the vocabulary is embedded once"
        assert sorted((cluster.name or "") for cluster in collection.clusters("medium")) == names
    with Collection.open(tmp_path / "c", embedder=Reader()) as collection:
        collection.recluster()
        assert Reader.embedded == count


def test_without_a_text_tower_they_are_named_by_what_members_say(tmp_path: Path, place: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        files = sorted(place.glob("*.png"))
        colours = [list(COLOURS)[number % 3] for number in range(60)]
        collection.add(files, metadata=[{"what": f"a {colour} thing"} for colour in colours])
        assert sorted((cluster.name or "") for cluster in collection.clusters("medium")) == ["blue", "green", "red"]
        ids = {cluster.name: cluster.id for cluster in collection.clusters("medium")}
        assert ids["red"]
        collection.rename(ids["red"], "mine")
        collection.recluster()
        assert {cluster.name for cluster in collection.clusters("medium")} == {"blue", "green", "mine"}


def test_where_nothing_is_said_there_is_no_name(tmp_path: Path, place: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(place)
        assert {cluster.name for cluster in collection.clusters("medium")} == {None}


def test_an_embedder_that_can_not_be_had_names_nothing_and_stops_nothing(tmp_path: Path, place: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder=Reader()) as collection:
        collection.add(place, catch_up=False)
    with Collection.open(tmp_path / "c") as collection:  # which knows no embedder of that name
        assert len(collection.clusters("medium")) == 3
