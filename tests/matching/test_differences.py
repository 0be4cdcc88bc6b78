"""What was done to a duplicate is said in words, from the transform and the pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from indexers.matching.comparing import compare_thumbnails
from indexers.matching.differences import describe_differences
from indexers.matching.features import extract_features
from indexers.matching.geometry import SimilarityTransform
from indexers.matching.judging import Proof
from tests.support.photographs import load_photograph

SAME = SimilarityTransform(1.0, 0j)


def load() -> Image.Image:
    return load_photograph("coffee", 512)


def describe(
    a: Image.Image,
    b: Image.Image,
    transform: SimilarityTransform = SAME,
    scale: float = 1,
    rotation: float = 0,
    kind: str = "same picture",
    **more: Any,
) -> tuple[str, ...]:
    """Describe what made `b` of `a`, under a transform of the normalised pictures that is known."""
    left, right = extract_features(a), extract_features(b)
    pixels = compare_thumbnails(left, right, transform)
    assert pixels is not None
    proof = Proof(left, right, transform, pixels, 1.0, 0, **more)
    return describe_differences(proof, kind, scale, rotation)


def test_a_picture_does_not_differ_from_itself() -> None:
    assert describe(load(), load()) == ()


def test_equal_places_with_other_bytes_are_recompressed() -> None:
    noisy = np.asarray(load()).astype(int) + np.random.default_rng(0).integers(-6, 7, np.asarray(load()).shape)
    assert describe(load(), Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))) == ("recompressed",)


@pytest.mark.parametrize(
    ("scale", "rotation", "words"),
    [(0.5, 0, {"resized"}), (1.02, 1, set()), (1, -12.4, {"rotated 12°"}), (2, 90, {"rotated 90°", "resized"})],
)
def test_scale_and_rotation_are_named_from_a_limit_on(scale: float, rotation: float, words: set[str]) -> None:
    assert set(describe(load(), load(), scale=scale, rotation=rotation)) == words


def test_a_mirror_image_is_named() -> None:
    mirrored = ImageOps.mirror(load())
    assert describe(load(), mirrored, SimilarityTransform(-1.0, 512 + 0j, True))[0] == "mirrored"


@pytest.mark.parametrize(("factor", "word"), [(1.3, "brighter"), (0.7, "darker")])
def test_brightness_is_named(factor: float, word: str) -> None:
    assert word in describe(load(), load().point(lambda value: value * factor))


def test_a_grey_picture_is_named() -> None:
    assert "grey" in describe(load(), load().convert("L").convert("RGB"))
    assert "grey" in describe(load().convert("L").convert("RGB"), load())


def test_a_crop_is_told_from_a_border() -> None:
    picture = load()
    width, height = picture.size
    left = picture.crop((0, 0, width * 3 // 4, height))  # 512 wide became 384, normalised again to 512
    scale = 512 / (width * 3 // 4)
    assert describe(picture, left, SimilarityTransform(scale, 0j)) == ("cropped",)
    framed = ImageOps.expand(picture, 64, "white")  # 640 wide, normalised to 512
    assert describe(picture, framed, SimilarityTransform(0.8, 0.8 * (64 + 64j))) == ("border",)
    assert describe(framed, picture, SimilarityTransform(1.25, -64 - 64j)) == ("cropped",)


def test_something_added_is_named_unless_the_picture_was_rotated() -> None:
    picture = load()
    captioned = picture.copy()
    ImageDraw.Draw(captioned).rectangle((0, picture.height * 3 // 4, picture.width, picture.height), fill="black")
    assert "text or logo added" in describe(picture, captioned)
    assert "text or logo added" not in describe(picture, captioned, rotation=5)


def test_flat_features_that_are_equal_differ_in_nothing() -> None:
    flat = Image.new("RGB", (60, 40), "red")
    assert describe(flat, flat) == ()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"stretch": 1.15, "scale": 1.15**0.5}, ("stretched by 15 %",)),
        ({"stretch": 1 / 1.4, "scale": 1.4**0.5, "is_inverted": True}, ("stretched by 40 %", "inverted")),
        ({"kind": "photo of a print"}, ("seen at an angle",)),
        ({"kind": "inside another picture"}, ("inside another picture",)),
    ],
)
def test_what_was_done_to_a_whole_picture_is_named(more: dict[str, Any], words: tuple[str, ...]) -> None:
    assert describe(load(), load(), **more) == words


def test_a_toned_picture_is_named() -> None:
    sepia = ImageOps.colorize(load().convert("L"), (30, 15, 0), (255, 240, 200))
    assert "toned" in describe(load(), sepia)
    assert "toned" in describe(sepia, load())


def test_a_blurred_ground_is_a_border() -> None:
    picture = load()
    ground = picture.resize((512, 683)).filter(ImageFilter.GaussianBlur(25))
    ground.paste(picture, (0, 171))
    inner = 512 / 683
    assert describe(picture, ground, SimilarityTransform(inner, 171j * inner)) == ("border",)
