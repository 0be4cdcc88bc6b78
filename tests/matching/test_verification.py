"""Duplicates are the same picture whatever was done to them, and pictures that only look alike are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from indexers.matching import descriptors
from indexers.matching.features import Features, extract_features
from indexers.matching.verification import SAME, verify_features, verify_pictures
from tests.bench.transforms import TRANSFORMS, burst, rotate
from tests.support import pictures
from tests.support.photographs import load_photograph

pytest.importorskip("skimage", reason="scikit-image's samples are the pictures")

NAMES = ("astronaut", "coffee", "cat", "rocket", "camera")
WORDS = {
    "JPEG 30": {"recompressed"},
    "half size": {"resized"},
    "crop 10 %": {"cropped"},
    "crop 30 %": {"cropped"},
    "mirror": {"mirrored"},
    "brightness 1.5": {"brighter"},
    "text bar": {"text or logo added"},
    "rotation 10°": {"rotated 10°"},
    "border": {"border"},
    "grey": {"grey"},
    "screenshot": {"border", "resized"},
}


def load(name: str) -> Image.Image:
    return load_photograph(name, 512)


@cache
def extract(name: str) -> Features:
    return extract_features(load(name))


def make_edit(name: str, edit: str) -> Image.Image:
    return TRANSFORMS[edit](load(name), np.random.default_rng(len(name)))


@pytest.mark.parametrize("edit", TRANSFORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_the_same_picture(name: str, edit: str) -> None:
    verdict = verify_features(extract(name), extract_features(make_edit(name, edit)))
    assert verdict.kind == "same picture", verdict
    assert verdict.score >= SAME
    assert verdict.mirrored == (edit == "mirror")
    expected = WORDS[edit] - ({"grey"} if name == "camera" else set())
    assert expected <= set(verdict.differs), verdict


@pytest.mark.parametrize("edit", ["crop 30 %", "rotation 10°", "mirror", "half size"])
def test_the_transform_says_where_a_point_went(edit: str) -> None:
    edited = make_edit("coffee", edit)
    verdict = verify_features(extract("coffee"), extract_features(edited))
    assert verdict.transform is not None
    warped = Image.fromarray(np.asarray(load("coffee"))).transform(
        edited.size, Image.Transform.AFFINE, invert_matrix(verdict.transform), Image.Resampling.BILINEAR
    )
    inside = (
        np.asarray(
            Image.new("L", load("coffee").size, 255).transform(
                edited.size, Image.Transform.AFFINE, invert_matrix(verdict.transform)
            )
        )
        > 0
    )
    differences = np.abs(np.asarray(warped.convert("L"), float) - np.asarray(edited.convert("L"), float))
    assert differences[inside].mean() < 6


def invert_matrix(matrix: np.ndarray) -> tuple[float, ...]:
    return tuple(np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2].ravel().tolist())


def test_scale_and_rotation_are_those_of_the_pixels_as_given() -> None:
    half = verify_features(extract("cat"), extract_features(make_edit("cat", "half size")))
    assert half.scale == pytest.approx(0.5, abs=0.01)
    assert half.rotation == pytest.approx(0, abs=0.5)
    for degrees in (-25, 8, 90, 180):
        turned = verify_pictures(load("cat"), rotate(load("cat"), degrees))
        assert turned.kind == "same picture"
        assert np.cos(np.radians(turned.rotation + degrees)) == pytest.approx(1, abs=0.001)
        assert turned.scale == pytest.approx(1, abs=0.01)


def test_the_share_that_both_show_is_told() -> None:
    crop = verify_features(extract("astronaut"), extract_features(make_edit("astronaut", "crop 30 %")))
    assert crop.overlap > 0.95
    width = load("astronaut").width
    left = load("astronaut").crop((0, 0, width * 2 // 3, 512))
    right = load("astronaut").crop((width // 3, 0, width, 512))
    assert verify_pictures(left, right).overlap == pytest.approx(0.5, abs=0.06)


def test_twins_differ_in_nothing() -> None:
    verdict = verify_features(extract("coffee"), extract("coffee"))
    assert verdict.score > 0.95
    assert verdict.differs == ()


@pytest.mark.parametrize("name", NAMES)
def test_other_pictures_are_different(name: str) -> None:
    for second in NAMES:
        if second != name:
            assert verify_features(extract(name), extract(second)).kind == "different"


@pytest.mark.parametrize("name", NAMES)
def test_the_next_shot_of_a_burst_is_the_same_scene_only(name: str) -> None:
    thing = load(NAMES[NAMES.index(name) - 1])
    verdicts = [verify_pictures(*burst(load(name), thing, np.random.default_rng(seed))) for seed in range(3)]
    assert sum(verdict.kind == "same picture" for verdict in verdicts) <= 1
    assert any(verdict.kind in ("same scene", "same template") for verdict in verdicts)


def test_a_recoloured_picture_is_not_the_same() -> None:
    red, green, blue = load("coffee").split()
    assert verify_pictures(load("coffee"), Image.merge("RGB", (blue, red, green))).kind != "same picture"


@pytest.mark.parametrize("edit", TRANSFORMS)
def test_it_is_the_same_both_ways_round(edit: str) -> None:
    a, b = extract("rocket"), extract_features(make_edit("rocket", edit))
    forth, back = verify_features(a, b), verify_features(b, a)
    assert forth.kind == back.kind
    assert forth.score == pytest.approx(back.score)
    assert forth.mirrored == back.mirrored
    assert forth.scale == pytest.approx(1 / back.scale, rel=1e-6)
    assert forth.transform is not None
    assert back.transform is not None
    np.testing.assert_allclose(invert_matrix(forth.transform), back.transform.ravel(), atol=1e-6)


@pytest.mark.parametrize("edit", ["crop 30 %", "mirror", "brightness 1.5"])
def test_the_same_verdict_comes_twice(edit: str) -> None:
    two = extract_features(make_edit("cat", edit))
    first, second = verify_features(extract("cat"), two), verify_features(extract("cat"), two)
    assert first.to_dict() == second.to_dict()
    assert json.loads(json.dumps(first.to_dict()))["kind"] == "same picture"


# ---- pictures without points


def test_discs_of_other_colours_are_different() -> None:
    assert verify_pictures(pictures.disc("red"), pictures.disc("red").resize((320, 240))).kind == "same picture"
    assert verify_pictures(pictures.disc("red"), pictures.disc("blue")).kind != "same picture"


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (3, 2), (64, 48)])
def test_flat_and_tiny_pictures_do_not_fail(size: tuple[int, int]) -> None:
    flat = Image.new("RGB", size, "white")
    for second in (Image.new("RGB", (1, 1)), flat, pictures.disc(), load("cat"), Image.new("RGB", size, "black")):
        verdict = verify_pictures(flat, second)
        assert 0 <= verdict.score <= 1
        assert verdict.kind == verify_pictures(second, flat).kind
        if second is not flat:
            assert verdict.kind != "same picture"


# ---- the other engine


@pytest.fixture
def without_opencv(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if find_spec("cv2") is None:
        pytest.skip("cv2 is not installed: all other tests run without it")
    for name in ("features", "geometry", "descriptors"):
        monkeypatch.setattr(f"indexers.matching.{name}.load_opencv", lambda: None)
    return


@pytest.mark.usefixtures("without_opencv")
@pytest.mark.parametrize("edit", ["crop 30 %", "mirror", "half size", "text bar"])
def test_without_opencv_copies_are_found_too(edit: str) -> None:
    assert descriptors.load_opencv() is None
    verdict = verify_pictures(load("coffee"), make_edit("coffee", edit), "numpy")
    assert verdict.kind == "same picture", verdict
    assert verify_pictures(load("coffee"), load("cat"), "numpy").kind == "different"


@pytest.mark.parametrize("colour", ["white", "black", "teal"])
def test_blank_pictures_prove_nothing(colour: str) -> None:
    blank = Image.new("RGB", (320, 240), colour)
    assert verify_pictures(blank, blank).kind == "different"
    assert verify_pictures(blank, blank.resize((160, 120))).score == 0.0
