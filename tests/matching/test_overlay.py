"""The overlay shows both pictures, and a third with what differs in pink."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw, ImageOps

from indexers.matching.overlay import draw_overlay
from indexers.matching.verification import Verdict, verify_pictures
from tests.bench.transforms import crop_randomly
from tests.support.photographs import load_photograph


def test_the_overlay_shows_both_and_paints_what_differs() -> None:
    original = load_photograph("coffee", 512)
    changed = original.copy()
    ImageDraw.Draw(changed).rectangle((200, 100, 280, 160), fill="black")
    verdict = verify_pictures(original, changed)
    sheet = draw_overlay(original, changed, verdict)
    third = np.asarray(sheet)[:, -396:-12].astype(int)
    pink = (third[..., 0] - third[..., 1] > 100) & (third[..., 2] > 60)
    _rows, columns = np.nonzero(pink)
    assert pink.sum() > 500
    assert abs(columns.mean() - 240 * 384 / 512) < 25
    assert sheet.width > 3 * 384


def test_without_a_transform_both_are_shown_beside_each_other() -> None:
    sheet = draw_overlay(
        load_photograph("cat", 512), ImageOps.mirror(load_photograph("coffee", 512)), Verdict("different", 0.0)
    )
    assert sheet.size[0] == 2 * 384 + 3 * 12


def test_a_crop_is_laid_where_it_was() -> None:
    crop = crop_randomly(load_photograph("cat", 512), np.random.default_rng(1), 0.4)
    sheet = draw_overlay(load_photograph("cat", 512), crop, verify_pictures(load_photograph("cat", 512), crop))
    third = np.asarray(sheet)[:, -396:-12].astype(int)
    assert ((third[..., 0] - third[..., 1] > 100) & (third[..., 2] > 100)).mean() < 0.02
