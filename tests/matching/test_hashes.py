"""Hashes nominate: copies are near, mirrored ones are foreseen, and no pair within the radius is missed."""

from __future__ import annotations

import time
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from indexers.errors import UsageError
from indexers.matching.hashes import count_differing_bits, find_pairs_within, hash_picture, hash_pixels
from indexers.pictures.images import decode
from tests.support import pictures
from tests.support.photographs import load_photograph

WORD = st.integers(0, 2**64 - 1)


def to_word(value: int) -> np.ndarray:
    return np.array(value, np.uint64)


def test_a_recompressed_or_smaller_copy_is_near_and_another_picture_is_far() -> None:
    original = load_photograph()
    hashed = hash_picture(original)[0]
    for copy in (original.resize((200, 200)), decode(pictures.jpeg(original, quality=30)).image):
        assert count_differing_bits(to_word(hashed), to_word(hash_picture(copy)[0])) <= 4
    assert count_differing_bits(to_word(hashed), to_word(hash_picture(load_photograph("coffee"))[0])) > 16


VIEWS = (
    lambda picture: picture,
    ImageOps.mirror,
    ImageOps.flip,
    lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    lambda picture: picture.transpose(Image.Transpose.TRANSPOSE),
    lambda picture: picture.transpose(Image.Transpose.ROTATE_270),
    lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    lambda picture: picture.transpose(Image.Transpose.TRANSVERSE),
)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "camera"])
def test_the_hashes_of_the_views_are_those_of_the_pictures_laid_down_so(name: str) -> None:
    picture = load_photograph(name)
    hashed = hash_picture(picture)
    turned = [hash_picture(view(picture))[0] for view in VIEWS]
    apart = count_differing_bits(np.array(hashed, np.uint64)[:, None, None], np.array(turned, np.uint64)[None, :, None])
    assert (np.diag(apart) <= 6).all()
    assert apart[0, 1] > 8
    assert set(apart.argmin(axis=1).tolist()) == set(range(8))


def test_an_inverted_picture_has_the_opposite_hash() -> None:
    picture = load_photograph()
    opposite = np.uint64(2**64 - 1) ^ np.uint64(hash_picture(picture)[0])
    assert count_differing_bits(opposite, to_word(hash_picture(ImageOps.invert(picture))[0])) <= 4


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (31, 33)])
def test_tiny_and_flat_pictures_have_hashes(size: tuple[int, int]) -> None:
    hashed = hash_picture(Image.new("RGB", size, "red"))
    assert all(0 <= value < 2**64 for value in hashed)
    assert hashed == hash_picture(Image.new("RGB", size, "red"))


def test_the_pixel_hash_is_of_pixels_and_not_of_the_container() -> None:
    picture = pictures.gradient()
    png = decode(pictures.encoded(picture, "PNG")).image
    bmp = decode(pictures.encoded(picture, "BMP")).image
    turned = decode(pictures.oriented(6, "PNG")).image
    assert hash_pixels(picture) == hash_pixels(png) == hash_pixels(bmp)
    assert hash_pixels(turned) == hash_pixels(pictures.quarters())
    assert len(hash_pixels(picture)) == 20


def test_the_pixel_hash_sees_one_changed_pixel_and_another_shape() -> None:
    picture = Image.new("RGB", (6, 4), "red")
    changed = picture.copy()
    changed.putpixel((3, 2), (254, 0, 0))
    assert len({hash_pixels(image) for image in (picture, changed, Image.new("RGB", (4, 6), "red"))}) == 3


@given(st.lists(WORD, min_size=1, max_size=8), WORD)
def test_distance_counts_the_bits_that_differ(many: list[int], value: int) -> None:
    bits = count_differing_bits(np.array(many, np.uint64)[:, None], np.array([value], np.uint64))
    assert bits.tolist() == [(word ^ value).bit_count() for word in many]


def test_distance_adds_up_over_words() -> None:
    a, b = np.array([[1, 0, 7]], np.uint64), np.array([[0, 2**63, 7]], np.uint64)
    assert count_differing_bits(a, b).tolist() == [2]


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Hashes near to a few seeds, so that there are pairs to find."""
    words, count = draw(st.integers(1, 2)), draw(st.integers(0, 12))
    seeds = [draw(WORD) for _ in range(words)]

    def row() -> list[int]:
        return [seed ^ sum(1 << bit for bit in draw(st.sets(st.integers(0, 63), max_size=9))) for seed in seeds]

    parts = [np.array([row() for _ in range(count)], np.uint64).reshape(-1, words) for _ in range(2)]
    return parts[0], parts[1]


def find_pairs_by_hand(hashes: np.ndarray, mirrored: np.ndarray | None, radius: int) -> np.ndarray:
    near = count_differing_bits(hashes[:, None], hashes[None]) <= radius
    if mirrored is not None:
        across = count_differing_bits(hashes[:, None], mirrored[None]) <= radius
        near = near | across | across.T
    return np.argwhere(np.triu(near, 1))


@settings(max_examples=60, deadline=None)
@given(tables(), st.integers(0, 14))
def test_all_pairs_within_the_radius_are_found(table: tuple[np.ndarray, np.ndarray], radius: int) -> None:
    hashes, mirrored = table
    for mirror in (None, mirrored):
        pairs = find_pairs_within(hashes, mirror, radius)
        assert pairs.dtype == np.int64
        np.testing.assert_array_equal(pairs, find_pairs_by_hand(hashes, mirror, radius))


@pytest.mark.parametrize("radius", [0, 1, 3, 4, 7, 8, 11, 12, 20, 40, 64])
def test_every_way_of_looking_finds_the_same_pairs(radius: int) -> None:
    random = np.random.default_rng(radius)
    hashes, mirrored = random.integers(0, 2**64, (2, 90), dtype=np.uint64)
    for place in range(20):
        bits = random.choice(64, place % 13, replace=False)
        (hashes if place % 2 else mirrored)[60 + place] = hashes[place] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    np.testing.assert_array_equal(
        find_pairs_within(hashes, mirrored, radius), find_pairs_by_hand(hashes[:, None], mirrored[:, None], radius)
    )


def test_equal_hashes_are_all_paired() -> None:
    pairs = find_pairs_within(np.full((40, 1), 7, np.uint64), None, 0)
    assert len(pairs) == 40 * 39 // 2


def test_twenty_thousand_take_a_moment() -> None:
    hashes, mirrored = np.random.default_rng(0).integers(0, 2**64, (2, 20_000, 1), dtype=np.uint64)
    start = time.perf_counter()
    find_pairs_within(hashes, mirrored, 8)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(("radius", "more"), [(-1, 0), (3, 1)])
def test_a_negative_radius_and_shapes_that_differ_are_refused(radius: int, more: int) -> None:
    with pytest.raises(UsageError, match=r"radius of.*shapes"):
        find_pairs_within(np.zeros((4, 1), np.uint64), np.zeros((4 + more, 1), np.uint64), radius)


def test_pixels_are_hashed_in_bands_as_they_are_in_one_piece() -> None:
    image = pictures.noise(1, (7, 700))
    whole = b"RGB 7 700 " + image.tobytes()
    assert hash_pixels(image) == blake2b(whole, digest_size=20).digest()
