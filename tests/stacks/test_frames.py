"""Whether shots show one frame, by what is stored of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.catalogue.duplicates import PairRow
from indexers.matching.clarity import Clarity, measure_clarity, unpack_clarity
from retrieval import Collection
from retrieval.stacks.frames import Frames, correlate, is_blank
from tests.support import pictures


def test_tables_correlate_as_numbers_do() -> None:
    table = np.arange(64.0).reshape(8, 8)
    assert correlate(table, 3 * table + 5) == pytest.approx(1)
    assert correlate(table, -table) == pytest.approx(-1)
    assert correlate(table, np.ones((8, 8))) == 0


def test_a_lid_on_the_lens_shows_nothing() -> None:
    assert is_blank(measure_clarity(Image.new("RGB", (300, 200), (8, 8, 8))))
    assert not is_blank(measure_clarity(pictures.noise(1, (300, 200))))
    assert not is_blank(Clarity(np.zeros((8, 8), np.float32), np.linspace(0, 200, 64, dtype=np.float32).reshape(8, 8)))


def test_pictures_are_alike_if_the_same_is_seen(tmp_path: Path) -> None:
    scene = pictures.noise(3, (32, 24)).resize((320, 240), Image.Resampling.BICUBIC)
    brighter = scene.point(lambda value: min(255, round(value * 1.3)))
    shown = {"a": scene, "b": brighter, "c": pictures.noise(4, (32, 24)).resize((320, 240), Image.Resampling.BICUBIC)}
    shown |= {"d": Image.new("RGB", (320, 240), (9, 9, 9)), "e": Image.new("RGB", (320, 240), (10, 10, 10))}
    for name, image in shown.items():
        image.save(tmp_path / f"{name}.png")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(sorted(tmp_path.glob("*.png")))
        collection.duplicates()
        contents = {item.id: bytes.fromhex(item.hash or "") for item in collection.walk()}
        frames = Frames()
        with collection._spaces._catalogue.snapshot() as snapshot:
            frames.read(snapshot, contents, [])
            a, b, c, d, e = contents.items()
            assert frames.are_alike(a, c) is False
            frames.read(snapshot, contents, [PairRow(a[0], c[0], "same scene", 0.4, {})])
            assert frames.are_alike(c, a) is True, "a later verdict counts"
            frames.read(snapshot, contents, [])
        assert frames.are_alike(a, b) is True
        assert frames.are_alike(b, a) is True
        assert frames.are_alike(a, c) is False
        assert frames.are_alike(d, e) is None
        assert frames.list_unmeasured(contents) == []
        frames.clarities.pop(a[0])
        assert frames.list_unmeasured(contents) == [a[0]]
        measured = frames.measure([a[0]], lambda item_id, edge: scene)
        assert unpack_clarity(measured[a[0]]).overall == pytest.approx(frames.clarities[a[0]].overall, abs=1 / 16)
