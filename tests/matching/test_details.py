"""Aligned pictures are compared where something is drawn: strokes that differ are seen, blank paper proves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from indexers.matching.details import DetailComparison, compare_details
from indexers.matching.features import extract_features
from indexers.matching.geometry import SimilarityTransform
from tests.bench.transforms import recompress, resize
from tests.support.photographs import load_photograph

SAME = SimilarityTransform(1.0, 0j)


def write(*lines: str) -> Image.Image:
    """Return a page with a title and these lines."""
    page = Image.new("RGB", (600, 800), "white")
    pen = ImageDraw.Draw(page)
    for row, line in enumerate(("THE SAME FORM FOR ALL", *lines)):
        pen.text((40, 60 + 70 * row), line, "black", font=ImageFont.load_default(30))
        pen.line((40, 110 + 70 * row, 560, 110 + 70 * row), "grey")
    return page


def compare(a: Image.Image, b: Image.Image, transform: SimilarityTransform = SAME) -> DetailComparison:
    comparison = compare_details(extract_features(a), extract_features(b), transform)
    assert comparison is not None
    return comparison


def test_a_page_agrees_with_its_copies() -> None:
    page = write("paid to Miller", "on the second of May", "in all 340.20")
    for copy in (page, recompress(page, 30), resize(page, 0.5), page.convert("L").convert("RGB")):
        comparison = compare(page, copy)
        assert comparison.drawn > 25
        assert (comparison.differing, comparison.worst) == (0, 0)
        assert comparison.blank > 0.3


@pytest.mark.parametrize("other", ["paid to Wagner", "paid to Mi11er", ""])
def test_another_word_on_the_same_form_is_seen(other: str) -> None:
    rest = "on the second of May", "in all 340.20"
    comparison = compare(write("paid to Miller", *rest), write(other, *rest))
    assert comparison.differing >= 1
    assert comparison.worst > 14
    assert not comparison.is_covered
    rows, _ = np.nonzero(comparison.unexplained > 0.5)
    assert set(rows.tolist()) & {3, 4}  # the line of the word, at 130 of 800 pixels


def test_a_bar_with_words_over_a_photograph_is_not_held_against_it() -> None:
    photo = load_photograph("coffee", 512)
    captioned = photo.copy()
    pen = ImageDraw.Draw(captioned)
    pen.rectangle((0, 280, 512, 341), "black")
    pen.text((10, 290), "SEND THIS TO ALL", "white", font=ImageFont.load_default(34))
    comparison = compare(photo, captioned)
    assert comparison.differing > 10
    assert comparison.is_covered
    assert compare(captioned, photo).is_covered
    second = captioned.copy()
    ImageDraw.Draw(second).rectangle((0, 280, 512, 341), "black")
    ImageDraw.Draw(second).text((10, 290), "NEVER WAS IT TRUE", "white", font=ImageFont.load_default(34))
    assert not compare(captioned, second).is_covered  # two memes of one photograph


def test_a_thing_that_was_moved_is_seen_at_both_places() -> None:
    photo = load_photograph("coffee", 512)
    thing = load_photograph("astronaut", 90)
    frames = [photo.copy(), photo.copy()]
    for frame, left in zip(frames, (40, 300), strict=True):
        frame.paste(thing, (left, 130))
    comparison = compare(*frames)
    _, columns = np.nonzero((comparison.unexplained > 0.5) & (comparison.contrast > 12))
    assert columns.min() < 8
    assert columns.max() > 12
    assert not comparison.is_covered


def test_a_brighter_picture_agrees_where_white_has_swallowed_something() -> None:
    photo = load_photograph("coffee", 512)
    brighter = photo.point(lambda value: min(255, round(value * 1.5)))
    comparison = compare_details(extract_features(photo), extract_features(brighter), SAME, (1.5, 0.0))
    assert comparison is not None
    assert comparison.differing <= comparison.drawn * 0.02


def test_pictures_that_hardly_overlap_are_not_compared() -> None:
    features = extract_features(load_photograph("coffee", 512))
    assert compare_details(features, features, SimilarityTransform(1.0, 509 + 0j)) is None


def test_a_bar_with_other_words_than_the_bar_of_the_same_meme_is_no_cover() -> None:
    photograph = load_photograph("chelsea")
    memes = []
    for words in ("KISTER TENVERARA\nBAFA TENPOLMI", "SOGANKOPOL STERFA KOT\nSTERRI SOKI MIKOPOL"):
        meme = Image.new("RGB", (photograph.width, photograph.height + 80), "white")
        meme.paste(photograph, (0, 80))
        ImageDraw.Draw(meme).text((10, 8), words, "black", font=ImageFont.load_default(24))
        memes.append(meme)
    assert compare(*memes).cover == ""
    without = memes[0].copy()
    without.paste("white", (0, 0, without.width, 79))
    assert compare(memes[0], without).differing


def test_a_bright_thing_on_a_dark_ground_is_no_writing() -> None:
    photograph = load_photograph("rocket")
    other = photograph.copy()
    ImageDraw.Draw(other).ellipse((60, 60, 130, 130), fill=(230, 235, 250), outline="black")
    assert compare(photograph, other).cover == ""
