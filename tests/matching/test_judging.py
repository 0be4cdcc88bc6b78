"""A proof is lowered where what is drawn differs, and swapped without loss."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

from indexers.matching.comparing import compare_thumbnails
from indexers.matching.features import Features, extract_features
from indexers.matching.geometry import SimilarityTransform
from indexers.matching.judging import SAME, Proof, check_details, invert_matrix, measure_covered, score_pixels
from tests.support.photographs import load_photograph

SAME_PLACE = SimilarityTransform(1, 0)


def prove(a: Features, b: Features, score: float = 0.9) -> Proof:
    pixels = compare_thumbnails(a, b, SAME_PLACE)
    assert pixels is not None
    return Proof(a, b, SAME_PLACE, pixels, score, 40)


def test_what_differs_lowers_the_score_and_what_agrees_leaves_it() -> None:
    photo = load_photograph("coffee", 512)
    changed = photo.copy()
    ImageDraw.Draw(changed).rectangle((150, 100, 350, 250), fill="white", outline="black", width=5)
    a, b = extract_features(photo), extract_features(changed)
    assert check_details(prove(a, a)).score == 0.9
    assert check_details(prove(a, b)).score < SAME
    assert score_pixels(prove(a, a).comparison) > 0.9 > score_pixels(prove(a, b).comparison)


def test_a_proof_is_turned_round() -> None:
    whole = load_photograph("coffee", 512)
    a, b = extract_features(whole), extract_features(whole.crop((0, 0, 256, whole.height)).resize((256, whole.height)))
    half = Proof(a, b, SimilarityTransform(b.size[1] / a.size[1], 0), prove(a, a).comparison, 0.9, 40)
    assert measure_covered(half.swap()) == measure_covered(half)[::-1]
    assert half.swap().swap().transform == half.transform
    matrix = np.array([[1.0, 0.1, 3], [0, 2, 1], [0, 0, 1]])
    np.testing.assert_allclose(invert_matrix(matrix) @ matrix, np.eye(3), atol=1e-12)
