"""Several spaces beside each other: filled, switched to in one step, dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.embedders.base import Embedder
from indexers.errors import BadQuery, BadSetting, SpaceNotFound, UnknownPlugin, UsageError
from indexers.types import Vectors
from retrieval import Collection


class Brightness(Embedder):
    """Two numbers: how bright, how dark."""

    name = "brightness"
    dimension = 2
    input_size = 8

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.embedded = 0
        self.stop_after = stop_after

    def forward(self, batch: Sequence[Any]) -> Vectors:
        if self.stop_after is not None and self.embedded >= self.stop_after:
            raise KeyboardInterrupt
        self.embedded += len(batch)
        means = [np.asarray(image.convert("L")).mean() / 255 for image in batch]
        return np.array([(mean, 1 - mean) for mean in means], np.float32)


class Broken(Brightness):
    """Other weights under the same name."""

    def fingerprint(self) -> str:
        return "other"


class Senseless(Brightness):
    def forward(self, batch: Sequence[Any]) -> Vectors:
        return np.full((len(batch), 2), np.nan, np.float32)


@pytest.fixture
def filled(collection: Collection, folder: Path) -> Collection:
    """Five discs in the space `tiny`."""
    assert collection.add(folder).added == 5
    return collection


def test_a_second_space_fills_beside_the_first(filled: Collection, folder: Path) -> None:
    report = filled.fill(Brightness())
    assert (report.added, report.known, report.failed) == (5, 0, 0)
    assert [(one.name, one.vectors, one.current) for one in filled.spaces()] == [
        ("tiny", 5, True),
        ("brightness", 5, False),
    ]
    assert filled.count() == 5
    assert filled.info().space == "tiny"


def test_filling_again_embeds_only_what_is_missing(filled: Collection, folder: Path) -> None:
    embedder = Brightness()
    filled.fill(embedder)
    Image.new("RGB", (40, 40), "orange").save(folder / "orange.png")
    filled.add(folder)
    assert filled.fill(embedder).added == 1
    assert embedder.embedded == 6


def test_an_interrupted_filling_keeps_what_was_finished(tmp_path: Path, filled: Collection) -> None:
    with Collection.open(filled.path, batch=1, threads=1) as other:
        with pytest.raises(KeyboardInterrupt):
            other.fill(Brightness(stop_after=3))
        counts = {one.name: one.vectors for one in other.spaces()}
        assert counts["brightness"] >= 1
        again = Brightness()
        assert other.fill(again).added == 5 - counts["brightness"]
        assert again.embedded == 5 - counts["brightness"]


def test_a_named_space_is_searched_beside_the_current_one(filled: Collection, folder: Path) -> None:
    filled.fill(Brightness())
    grey = Image.new("RGB", (8, 8), (250, 250, 250))
    assert filled.search(grey, space="brightness", k=1)[0].uri == str(folder / "yellow.png")
    assert (
        filled.search_many([[0.0, 1.0]], space="brightness", k=1).ids[0, 0] == filled.get(str(folder / "black.png")).id
    )
    with pytest.raises(SpaceNotFound, match="there is no space 'none'; there are: tiny, brightness"):
        filled.search(grey, space="none")


def test_a_switch_is_one_step_in_every_process(filled: Collection) -> None:
    with Collection.open(filled.path) as other:
        assert other.search(item=1, k=1).hits  # tiny is taken up here too
        filled.fill(Brightness())
        filled.use("brightness")
        assert filled.search(vector=[0.0, 1.0], k=1).hits
        assert other.search(vector=[0.0, 1.0], k=1).hits  # of two dimensions: the new space
        assert other.info().space == "brightness"
        assert other.search_many([[1.0, 0.0]], k=2).ids.shape == (1, 2)


def test_a_space_that_lacks_items_is_not_switched_to_unless_told(filled: Collection, folder: Path) -> None:
    filled.fill(Brightness())
    Image.new("RGB", (40, 40), "orange").save(folder / "orange.png")
    filled.add(folder)
    with pytest.raises(UsageError, match="lacks the vectors of 1 items"):
        filled.use("brightness")
    filled.use("brightness", partial=True)
    assert filled.info().space == "brightness"


def test_what_was_added_before_and_after_a_switch_is_found(filled: Collection, folder: Path) -> None:
    filled.fill(Brightness())
    filled.use("brightness")
    Image.new("RGB", (40, 40), "white").save(folder / "white.png")
    assert filled.add(folder).added == 1
    assert filled.search(folder / "white.png", k=1)[0].uri == str(folder / "white.png")
    assert {one.name: one.vectors for one in filled.spaces()} == {"tiny": 5, "brightness": 6}


def test_the_current_space_is_not_dropped_another_is_with_its_files(filled: Collection) -> None:
    filled.fill(Brightness())
    with pytest.raises(UsageError, match="is the current one"):
        filled.drop_space("tiny")
    filled.use("brightness")
    filled.drop_space("tiny")
    assert [one.name for one in filled.spaces()] == ["brightness"]
    assert filled.verify().ok
    with pytest.raises(SpaceNotFound):
        filled.search(item=1, space="tiny")


def test_a_removed_item_leaves_every_space(filled: Collection) -> None:
    filled.fill(Brightness())
    filled.remove(1)
    assert {one.vectors for one in filled.spaces()} == {4}
    assert len(filled.search(vector=[1.0, 0.0], space="brightness", k=9)) == 4


def test_a_replaced_picture_leaves_the_other_spaces_until_they_are_filled(collection: Collection) -> None:
    collection.add([Image.new("RGB", (8, 8), "white")], keys=["one"])
    collection.fill(Brightness())
    assert [one.vectors for one in collection.spaces()] == [1, 0]  # it has no place to be read from


def test_pictures_that_can_not_be_read_again_are_reported(filled: Collection, folder: Path) -> None:
    (folder / "red.png").unlink()
    Image.new("RGB", (9, 9), "pink").save(folder / "blue.png")
    filled.add([Image.new("RGB", (8, 8), "white")], keys=["no place"])
    report = filled.fill(Brightness())
    assert (report.added, report.failed) == (3, 3)
    reasons = {failure.uri: failure.reason for failure in report.failures}
    assert reasons["no place"] == "it has no location to be read from"
    assert reasons[str(folder / "red.png")] == "there is no such file"
    assert "has changed since it was added" in reasons[str(folder / "blue.png")]
    assert filled.failures() == []


def test_another_embedder_than_the_collections_is_refused_on_opening(filled: Collection) -> None:
    with pytest.raises(
        BadSetting, match=r"made with the embedder 'tiny', not 'classic'.*nearkin add --embedder classic"
    ):
        Collection.open(filled.path, embedder="classic")
    with pytest.raises(UnknownPlugin, match="there is no embedder 'nope'"):
        filled.fill("nope")


def test_other_weights_under_the_same_name_are_refused(filled: Collection) -> None:
    filled.fill(Brightness())
    with Collection.open(filled.path, embedder=Broken()) as other:
        other.use("brightness")
        with pytest.raises(BadSetting, match="has other weights here"):
            other.search(Image.new("RGB", (8, 8)))


def test_vectors_that_are_no_vectors_are_not_written(collection: Collection, folder: Path, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "senseless", create=True, embedder=Senseless()) as made:
        with pytest.raises(ValueError, match="the embedder 'brightness' returned unusable vectors"):
            made.add(folder)
        assert made.count() == 0


def test_ready_made_vectors_take_no_pictures(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "vectors", create=True) as made:
        made.add_vectors([[1.0, 0.0]])
        with pytest.raises(BadQuery, match="holds ready-made vectors and has no embedder"):
            made.add(folder)
        with pytest.raises(BadQuery, match="no embedder"):
            made.search(folder / "red.png")
