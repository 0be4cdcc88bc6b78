"""Shape, colour and texture, and features of one's choice: each block does what it is for, each name makes its own."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexers import plugins
from indexers.embedders.base import Embedder
from indexers.embedders.classic import Classic
from indexers.embedders.features import FEATURES
from indexers.errors import BadSetting
from indexers.testing import EmbedderContract
from retrieval import Collection
from tests.support import pictures


class TestClassic(EmbedderContract):
    def embedder(self) -> Embedder:
        return Classic()


class TestFeatures(EmbedderContract):
    @pytest.fixture(autouse=True, params=[*FEATURES, "hog@3+edges*2", "hu+colour@2*.5", "gabor+lbp*0"])
    def _name(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param

    def embedder(self) -> Embedder:
        return make_classic(self.name)


def make_classic(argument: str, **settings: Any) -> Embedder:
    embedder: Embedder = plugins.load_member("nearkin.embedders", f"classic:{argument}")(**settings)
    return embedder


def test_classic_alone_is_what_it_always_was() -> None:
    """Collections exist that were made with it."""
    embedder = Classic()
    assert (embedder.name, embedder.dimension, embedder.fingerprint()) == ("classic", 734, "1")
    assert list(embedder.settings.items()) == [("shape", 1.0), ("colour", 1.0), ("texture", 0.5)]
    assert Classic(shape=2).settings == {"shape": 2, "colour": 1.0, "texture": 0.5}
    vectors = embedder.embed([pictures.noise(1), pictures.stripes(), pictures.disc("red"), pictures.gradient()])
    directions = np.random.default_rng(0).standard_normal((734, 4))
    kept = [
        [-0.3233, -2.3935, -3.3335, -0.1671],
        [0.6707, -1.3533, -0.7822, 0.458],
        [-0.3805, -2.3008, -1.5175, -0.8705],
        [0.5426, 2.5222, -0.4043, -1.5954],
    ]
    np.testing.assert_allclose(vectors @ directions, kept, atol=2e-4)


def test_classic_alone_has_a_name_by_features_too() -> None:
    images = [pictures.noise(1), pictures.stripes(), pictures.disc("red"), pictures.gradient()]
    np.testing.assert_array_equal(make_classic("hog+colour@2+texture@2*.5").embed(images), Classic().embed(images))


def compute_cosines(images: list[Image.Image], **weights: float) -> Any:
    vectors = Classic(**weights).embed(images)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def test_the_colour_block_tells_colours_apart() -> None:
    red, orange, blue = (pictures.disc(colour) for colour in ("red", (255, 20, 0), "blue"))
    table = compute_cosines([red, orange, blue], shape=0, texture=0)
    assert table[0, 1] > 0.99
    assert table[0, 2] < 0.9


def test_the_shape_block_is_blind_to_colour_and_sees_form() -> None:
    table = compute_cosines([pictures.disc("red"), pictures.disc("blue"), pictures.stripes()], colour=0, texture=0.01)
    assert table[0, 1] > 0.95
    assert table[0, 2] < 0.7


def test_the_texture_block_tells_noise_from_stripes() -> None:
    table = compute_cosines([pictures.noise(1), pictures.noise(2), pictures.stripes()], shape=0, colour=0)
    assert table[0, 1] > 0.98
    assert table[0, 2] < 0.9


def test_the_cosine_is_the_weighted_mean_of_the_blocks() -> None:
    images = [pictures.noise(1), pictures.stripes()]
    colour, texture, mixed = (
        compute_cosines(images, **weights)[0, 1]
        for weights in ({"shape": 0, "texture": 0}, {"shape": 0, "colour": 0}, {"shape": 0, "colour": 3, "texture": 1})
    )
    assert mixed == pytest.approx((3 * colour + texture) / 4, abs=1e-5)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "much", True, None])
def test_a_bad_weight_is_named(value: object) -> None:
    with pytest.raises(BadSetting, match=r"'shape'.*" + repr(value)):
        Classic(shape=value)


def test_weights_that_could_leave_a_zero_vector_are_refused() -> None:
    with pytest.raises(BadSetting, match="flat pictures"):
        Classic(colour=0, texture=0)


def test_does_60_pictures_a_second_on_one_core() -> None:
    embedder, image = Classic(), pictures.noise(3, (448, 448))
    embedder.embed([image])
    start = time.thread_time()
    embedder.embed([image] * 30)
    assert 30 / (time.thread_time() - start) > 60


# ---- features of one's choice


PARTS = st.lists(
    st.tuples(st.sampled_from([*FEATURES]), st.integers(1, 3), st.just(0.0) | st.floats(1e-6, 1e6)),
    min_size=1,
    unique_by=lambda part: part[0],
).filter(lambda parts: any(weight for _, _, weight in parts))


@given(PARTS)
@settings(max_examples=200, deadline=None)
def test_every_choice_has_one_name_and_the_name_makes_it_again(parts: list[tuple[str, int, float]]) -> None:
    weights = {f"{name}@{levels}": weight for name, levels, weight in parts}
    embedder = Classic(features=weights)
    kept = json.loads(json.dumps(embedder.settings, sort_keys=True))
    for again in (
        plugins.load_member("nearkin.embedders", embedder.name)(),
        plugins.load_member("nearkin.embedders", embedder.name)(**kept),
        Classic(**kept),
        Classic(features=dict(reversed(weights.items()))),
    ):
        assert (again.name, again.settings) == (embedder.name, embedder.settings)
        assert again.dimension == embedder.dimension


@pytest.mark.parametrize(
    ("argument", "name", "dimension"),
    [
        ("hog", "hog", 324 + 4),
        ("colour+hog", "hog+colour", 324 + 72),
        ("texture*.5+hog*2.0+colour@1*1", "hog*2+colour+lbp*0.5", 324 + 72 + 10),
        ("colour@3", "colour@3", 21 * 72),
        ("edges@2*1e-3+hu", "edges@2*0.001+hu", 5 * 36 + 8 + 4),
    ],
)
def test_names_are_read_and_said_in_one_way(argument: str, name: str, dimension: int) -> None:
    embedder = make_classic(argument)
    assert embedder.name == f"classic:{name}"
    assert embedder.dimension == dimension
    assert embedder.embed([pictures.disc()]).shape == (1, dimension)


def test_weights_may_come_as_settings() -> None:
    assert Classic(features={"hog": 2, "texture@2": 0.5}).name == "classic:hog*2+lbp@2*0.5"
    assert make_classic("hog", features={"colour": 1}).name == "classic:colour"


def test_the_cosine_is_the_weighted_mean_of_any_blocks() -> None:
    images = [pictures.noise(1), pictures.stripes()]
    colour, moments, mixed = (
        compute_similarity(name, *images) for name in ("colour@2", "moments", "colour@2*3+moments*.5")
    )
    assert mixed == pytest.approx((3 * colour + 0.5 * moments) / 3.5, abs=1e-5)


def compute_similarity(argument: str, *images: Image.Image) -> float:
    first, second = make_classic(argument).embed(images)
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_a_pyramid_sees_where_the_colours_are() -> None:
    image = pictures.quarters()
    turned = image.transpose(Image.Transpose.ROTATE_180)
    assert compute_similarity("colour", image, turned) == pytest.approx(1, abs=1e-5)
    assert compute_similarity("colour@2", image, turned) == pytest.approx(1 / 5, abs=1e-5)  # of five regions, the whole


@pytest.mark.parametrize("argument", ["hog", "gabor@2", "edges", "hu*1e-6", "hog+edges@3", "gabor*1e6+moments*0"])
def test_pictures_without_anything_to_see_are_similar_by_their_colour(argument: str) -> None:
    red, dark, blue = (Image.new("RGB", (40, 30), colour) for colour in ("red", (240, 0, 0), "blue"))
    assert compute_similarity(argument, red, dark) > 0.99
    assert compute_similarity(argument, red, blue) == pytest.approx(0.5, abs=1e-5)
    assert compute_similarity(argument, red, pictures.stripes()) < 0.011


def test_features_that_are_blind_to_colour_stay_so_where_they_see_something() -> None:
    assert (
        compute_similarity("hog", pictures.stripes(), inverted := pictures.stripes().point(lambda value: 255 - value))
        > 0.999
    )
    assert compute_similarity("hog+colour", pictures.stripes(), inverted) > 0.999
    assert compute_similarity("lbp", *(Image.new("RGB", (9, 9), colour) for colour in ("white", "blue"))) > 0.9


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("hogg", r"no feature 'hogg'; it has: hog, colour, moments, lbp, gabor, edges, hu, texture"),
        ("hog+", r"'classic:hog\+' has an empty part"),
        ("hog++colour", "empty part"),
        ("*2", "empty part"),
        ("@2", "no feature ''"),
        ("hog*", "weight 'hog' .* is ''"),
        ("hog*two", "weight 'hog' .* is 'two'"),
        ("hog*-1", "weight 'hog' .* is -1"),
        ("hog*nan", "weight 'hog' .* is nan"),
        ("hog*inf", "weight 'hog' .* is inf"),
        ("hog*1e-9", "weight 'hog' .* is 1e-09; give 0 or 1e-6 to 1e6"),
        ("hog*0+lbp*0", "no feature .* above 0; got hog, lbp"),
        ("colour@4", "pyramid of 'colour@4' has '4' levels; give a whole number from 1 to 3"),
        ("colour@0", "has '0' levels"),
        ("colour@", "has '' levels"),
        ("colour@2.0", "has '2.0' levels"),
        ("colour*2@2", r"weight 'colour' .* is '2@2'"),
        ("hog+colour+hog", "'hog' .* more than once"),
        ("lbp+texture@2", "'lbp' .* more than once"),
    ],
)
def test_a_bad_name_is_refused(argument: str, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        make_classic(argument)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": "hog"}, "`features` .* is 'hog'"),
        ({"features": {}}, "above 0; got none"),
        ({"features": {"hog": True}}, "'hog' .* is True"),
        ({"features": {"hog": 10**400}}, "'hog' .* is 1000"),
        ({"features": {3: 1}}, "no feature '3'"),
        ({"features": {"hog": 1}, "shape": 2}, "`features` or shape, colour, texture; got .*'shape': 2"),
        ({"hog": 1}, "no setting 'hog'; it has: colour, features, shape, texture"),
    ],
)
def test_bad_features_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        Classic(**settings)


def test_a_collection_keeps_its_features(tmp_path: Path) -> None:
    for name in ("disc", "stripes", "gradient"):
        getattr(pictures, name)().save(tmp_path / f"{name}.png")
    with Collection.open(tmp_path / "c", create=True, embedder="classic:colour@2*.5+edges") as collection:
        collection.add(tmp_path)
    with Collection.open(tmp_path / "c") as collection:
        assert collection.info().embedder == "classic:colour@2*0.5+edges"
        assert collection.search(tmp_path / "disc.png", k=1)[0].score == pytest.approx(1, abs=1e-5)
