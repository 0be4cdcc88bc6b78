"""What every embedder inherits: checked settings, a clear no to words, and facts that cost nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers import plugins
from indexers.embedders.base import Embedder, list_text_embedders, revive_embedder
from indexers.embedders.tiny import Tiny
from indexers.errors import BadSetting, NoTextTower
from indexers.types import Json, Vectors


class Widths(Embedder):
    """The width of a picture, times `factor`; its bare inheritance."""

    name = "widths"
    dimension = 1
    input_size = 8

    @classmethod
    def defaults(cls) -> Json:
        return {"factor": 2, "mode": "plain"}

    def forward(self, batch: Sequence[Any]) -> Vectors:
        return np.array([[image.width * self.settings["factor"]] for image in batch], np.float32)


def test_settings_are_the_defaults_and_what_was_changed() -> None:
    assert Widths().settings == {"factor": 2, "mode": "plain"}
    assert Widths(factor=3).settings == {"factor": 3, "mode": "plain"}
    assert Widths.defaults() == {"factor": 2, "mode": "plain"}


def test_an_unknown_setting_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(BadSetting, match="the embedder 'widths' has no setting 'a'; it has: factor, mode"):
        Widths(factor=1, b=1, a=1)
    with pytest.raises(BadSetting, match="'tiny' has no setting 'a'; it has: none"):
        Tiny(a=1)


def test_embedding_prepares_and_forwards_one_batch() -> None:
    pictures = [Image.new("RGB", (width, 1)) for width in (3, 5)]
    assert Widths().embed(pictures).tolist() == [[6], [10]]
    assert Widths().prepare(pictures[0]) is pictures[0]


def test_no_pictures_give_an_empty_array_without_a_computation() -> None:
    vectors = Widths(factor="not a number").embed([])
    assert (vectors.shape, vectors.dtype) == ((0, 1), np.float32)


def test_an_embedder_without_weights_lacks_nothing() -> None:
    embedder = Widths()
    assert (embedder.missing(), embedder.weights_bytes(), embedder.fingerprint()) == ("", 0, "1")
    embedder.limit_threads(1)
    assert (embedder.supports_text, embedder.metric, embedder.extra) == (False, "cosine", None)


def test_an_argument_is_refused_by_an_embedder_that_takes_none() -> None:
    with pytest.raises(BadSetting, match="'tiny' takes no argument after a colon; got 'b'"):
        plugins.load_member("nearkin.embedders", "tiny:b")


class Later(Widths):
    """A version in which the width was added as a setting; before, all were 2 wide, now the default is 3."""

    @classmethod
    def defaults(cls) -> Json:
        return {"width": 3, "exact": True}

    @classmethod
    def complete_settings(cls, stored: Json) -> Json:
        return super().complete_settings({"width": 2} | stored)


def test_stored_settings_are_completed_by_what_was_before() -> None:
    assert Widths.complete_settings({}) == Widths.defaults()
    assert Later.complete_settings({}) == {"width": 2, "exact": True}
    assert Later.complete_settings({"width": 5}) == {"width": 5, "exact": True}


def test_an_embedder_without_settings_adopts_those_of_a_space() -> None:
    plain, chosen = Later(), Later(exact=True)
    plain.device = "cpu"
    adopted = plain.adopt({})
    assert (adopted.settings["width"], adopted.device, adopted.name) == (2, "cpu", plain.name)
    assert plain.adopt({"width": 3}) is plain
    assert chosen.adopt({}) is chosen


def test_a_stored_embedder_is_the_one_of_its_time() -> None:
    assert revive_embedder("lite0", {}).settings == {"fit": "crop", "layers": "last"}
    today = plugins.load_member("nearkin.embedders", "lite0")()
    assert revive_embedder("lite0", today.settings).fingerprint() == today.fingerprint()
    padded = revive_embedder("lite0:pad", {"fit": "pad", "layers": "inner"})
    assert (padded.name, padded.settings["fit"]) == ("lite0:pad", "pad")
    assert revive_embedder("lite0", padded.settings).name == "lite0"
    with pytest.raises(BadSetting, match="no setting 'colour'"):
        revive_embedder("tiny", {"colour": 1})


def test_embedders_without_words_name_those_that_read_them() -> None:
    for embedder in (Widths(), plugins.load_member("nearkin.embedders", "resnet18")()):
        with pytest.raises(NoTextTower, match=r"can't search for 'a cat'.*embedder that reads words: clip"):
            embedder.embed_texts(["a cat"])


def test_those_that_read_words_are_listed() -> None:
    names = list_text_embedders()
    assert {"clip", "lite0"} <= {*names}
    assert "tiny" not in names
    assert names == sorted(names)
