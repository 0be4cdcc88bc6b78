"""Copies are the same picture whatever was done to them, and what only looks alike is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from indexers.matching import descriptors
from indexers.matching.features import Features, extract_features
from indexers.matching.overlay import draw_overlay
from indexers.matching.verification import SAME, Verdict, verify_features, verify_pictures
from tests.bench.transforms import TRANSFORMS, burst, cropped, rotated
from tests.support import pictures

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


@cache
def photograph(name: str) -> Image.Image:
    from skimage import data

    picture = Image.fromarray(getattr(data, name)()).convert("RGB")
    picture.thumbnail((512, 512))
    return picture


@cache
def seen(name: str) -> Features:
    return extract_features(photograph(name))


def changed(name: str, what: str) -> Image.Image:
    return TRANSFORMS[what](photograph(name), np.random.default_rng(len(name)))


def soft(seed: int = 0) -> Image.Image:
    """Clouds without a corner."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize((320, 240), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(12))


@pytest.mark.parametrize("what", TRANSFORMS)
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_the_same_picture(name: str, what: str) -> None:
    found = verify_features(seen(name), extract_features(changed(name, what)))
    assert found.kind == "same picture", found
    assert found.score >= SAME
    assert found.mirrored == (what == "mirror")
    expected = WORDS[what] - ({"grey"} if name == "camera" else set())
    assert expected <= set(found.differs), found


@pytest.mark.parametrize("what", ["crop 30 %", "rotation 10°", "mirror", "half size"])
def test_the_transform_says_where_a_point_went(what: str) -> None:
    made = changed("coffee", what)
    found = verify_features(seen("coffee"), extract_features(made))
    assert found.transform is not None
    there = Image.fromarray(np.asarray(photograph("coffee"))).transform(
        made.size, Image.Transform.AFFINE, inverse(found.transform), Image.Resampling.BILINEAR
    )
    inside = (
        np.asarray(
            Image.new("L", photograph("coffee").size, 255).transform(
                made.size, Image.Transform.AFFINE, inverse(found.transform)
            )
        )
        > 0
    )
    apart = np.abs(np.asarray(there.convert("L"), float) - np.asarray(made.convert("L"), float))
    assert apart[inside].mean() < 6


def inverse(matrix: np.ndarray) -> tuple[float, ...]:
    return tuple(np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2].ravel().tolist())


def test_scale_and_rotation_are_those_of_the_pixels_as_given() -> None:
    half = verify_features(seen("cat"), extract_features(changed("cat", "half size")))
    assert half.scale == pytest.approx(0.5, abs=0.01)
    assert half.rotation == pytest.approx(0, abs=0.5)
    for degrees in (-25, 8, 90, 180):
        turned = verify_pictures(photograph("cat"), rotated(photograph("cat"), degrees))
        assert turned.kind == "same picture"
        assert np.cos(np.radians(turned.rotation + degrees)) == pytest.approx(1, abs=0.001)
        assert turned.scale == pytest.approx(1, abs=0.01)


def test_the_share_that_both_show_is_told() -> None:
    crop = verify_features(seen("astronaut"), extract_features(changed("astronaut", "crop 30 %")))
    assert crop.overlap > 0.95
    width = photograph("astronaut").width
    left = photograph("astronaut").crop((0, 0, width * 2 // 3, 512))
    right = photograph("astronaut").crop((width // 3, 0, width, 512))
    assert verify_pictures(left, right).overlap == pytest.approx(0.5, abs=0.06)


def test_twins_differ_in_nothing() -> None:
    found = verify_features(seen("coffee"), seen("coffee"))
    assert found.score > 0.95
    assert found.differs == ()


@pytest.mark.parametrize("name", NAMES)
def test_other_pictures_are_different(name: str) -> None:
    for other in NAMES:
        if other != name:
            assert verify_features(seen(name), seen(other)).kind == "different"


@pytest.mark.parametrize("name", NAMES)
def test_the_next_shot_of_a_burst_is_the_same_scene_only(name: str) -> None:
    other = photograph(NAMES[NAMES.index(name) - 1])
    found = [verify_pictures(*burst(photograph(name), other, np.random.default_rng(seed))) for seed in range(3)]
    assert sum(each.kind == "same picture" for each in found) <= 1
    assert any(each.kind == "same scene" for each in found)


def test_a_recoloured_picture_is_not_the_same() -> None:
    red, green, blue = photograph("coffee").split()
    assert verify_pictures(photograph("coffee"), Image.merge("RGB", (blue, red, green))).kind != "same picture"


@pytest.mark.parametrize("what", TRANSFORMS)
def test_it_is_the_same_both_ways_round(what: str) -> None:
    one, two = seen("rocket"), extract_features(changed("rocket", what))
    there, back = verify_features(one, two), verify_features(two, one)
    assert there.kind == back.kind
    assert there.score == pytest.approx(back.score)
    assert there.mirrored == back.mirrored
    assert there.scale == pytest.approx(1 / back.scale, rel=1e-6)
    assert there.transform is not None
    assert back.transform is not None
    np.testing.assert_allclose(inverse(there.transform), back.transform.ravel(), atol=1e-6)


@pytest.mark.parametrize("what", ["crop 30 %", "mirror", "brightness 1.5"])
def test_the_same_evidence_comes_twice(what: str) -> None:
    two = extract_features(changed("cat", what))
    first, second = verify_features(seen("cat"), two), verify_features(seen("cat"), two)
    assert first.to_dict() == second.to_dict()
    assert json.loads(json.dumps(first.to_dict()))["kind"] == "same picture"


# ---- pictures without points


@pytest.mark.parametrize("what", ["JPEG 30", "half size", "crop 10 %", "crop 30 %", "mirror", "rotation 10°", "grey"])
def test_a_copy_of_a_picture_without_points_is_found_by_its_pixels(what: str) -> None:
    picture = soft()
    assert len(extract_features(picture).points) < 40
    found = verify_pictures(picture, TRANSFORMS[what](picture, np.random.default_rng(3)))
    assert found.kind == "same picture", found
    assert found.mirrored == (what == "mirror")


def test_other_clouds_are_different() -> None:
    assert [verify_pictures(soft(0), soft(seed)).kind for seed in range(1, 6)] == ["different"] * 5


def test_discs_of_other_colours_are_different() -> None:
    assert verify_pictures(pictures.disc("red"), pictures.disc("red").resize((320, 240))).kind == "same picture"
    assert verify_pictures(pictures.disc("red"), pictures.disc("blue")).kind != "same picture"


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (3, 2), (64, 48)])
def test_flat_and_tiny_pictures_do_not_fail(size: tuple[int, int]) -> None:
    flat = Image.new("RGB", size, "white")
    for other in (Image.new("RGB", (1, 1)), flat, pictures.disc(), photograph("cat"), Image.new("RGB", size, "black")):
        found = verify_pictures(flat, other)
        assert 0 <= found.score <= 1
        assert found.kind == verify_pictures(other, flat).kind
        if other is not flat:
            assert found.kind != "same picture"


# ---- the other engine


@pytest.fixture
def without_opencv(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if find_spec("cv2") is None:
        pytest.skip("cv2 is not installed: all other tests run without it")
    for name in ("features", "geometry", "descriptors"):
        monkeypatch.setattr(f"indexers.matching.{name}.load_opencv", lambda: None)
    return


@pytest.mark.usefixtures("without_opencv")
@pytest.mark.parametrize("what", ["crop 30 %", "mirror", "half size", "text bar"])
def test_without_opencv_copies_are_found_too(what: str) -> None:
    assert descriptors.load_opencv() is None
    found = verify_pictures(photograph("coffee"), changed("coffee", what), "scikit-image")
    assert found.kind == "same picture", found
    assert verify_pictures(photograph("coffee"), photograph("cat"), "scikit-image").kind == "different"


# ---- for people's eyes


def test_the_overlay_shows_both_and_paints_what_differs() -> None:
    one = photograph("coffee")
    two = one.copy()
    ImageDraw.Draw(two).rectangle((200, 100, 280, 160), fill="black")
    found = verify_pictures(one, two)
    sheet = draw_overlay(one, two, found)
    third = np.asarray(sheet)[:, -396:-12].astype(int)
    pink = (third[..., 0] - third[..., 1] > 100) & (third[..., 2] > 60)
    _rows, columns = np.nonzero(pink)
    assert pink.sum() > 500
    assert abs(columns.mean() - 240 * 384 / 512) < 25
    assert sheet.width > 3 * 384


def test_without_a_transform_both_are_shown_beside_each_other() -> None:
    sheet = draw_overlay(photograph("cat"), ImageOps.mirror(photograph("coffee")), Verdict("different", 0.0))
    assert sheet.size[0] == 2 * 384 + 3 * 12


def test_a_crop_is_laid_where_it_was() -> None:
    crop = cropped(photograph("cat"), np.random.default_rng(1), 0.4)
    sheet = draw_overlay(photograph("cat"), crop, verify_pictures(photograph("cat"), crop))
    third = np.asarray(sheet)[:, -396:-12].astype(int)
    assert ((third[..., 0] - third[..., 1] > 100) & (third[..., 2] > 100)).mean() < 0.02
