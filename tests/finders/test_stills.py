"""Pages and frames as parts: found by look, by words, and at their moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from indexers.errors import BadSetting
from indexers.finders.base import load_finder
from indexers.finders.stills import Frames, Pages
from indexers.pictures.stills import Still
from retrieval import Collection
from tests.support.media import make_pdf, write_film


def test_a_still_becomes_a_part() -> None:
    picture = Image.new("RGB", (4, 3))
    part = Pages().take(Still(picture, page=3, text="words"))
    assert (part.page, part.text, part.box) == (3, "words", None)
    part = Frames().take(Still(picture, start=1.5, end=2.0))
    assert (part.start, part.end) == (1.5, 2.0)
    assert load_finder("frames:2").settings == {"rate": 2.0}
    for argument in ("0", "x", "99", "nan"):
        with pytest.raises(BadSetting, match="frames"):
            load_finder(f"frames:{argument}")


def test_pages_are_found_by_words_and_by_look(collection: Collection, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="PDFs need pypdfium2: pip install 'nearkin[pdf]'")
    (tmp_path / "d").mkdir()
    red, blue, green = "1 0 0 rg", "0 0 1 rg", "0 .8 0 rg"
    (tmp_path / "d" / "a.pdf").write_bytes(make_pdf([(red, "Harbours"), (blue, "Lighthouse keepers")]))
    (tmp_path / "d" / "b.pdf").write_bytes(make_pdf([(green, "Mountains")]))
    Image.new("RGB", (40, 30), "grey").save(tmp_path / "d" / "c.png")
    assert collection.add(tmp_path / "d").added == 3
    report = collection.find_parts("pages")
    assert (report.items, report.parts) == (2, 3)
    assert [hit.key for hit in collection.search(query="lighthouse")] == [collection.get(1).key]
    hits = collection.search(Image.new("RGB", (40, 30), (0, 0, 255)), by="pages", k=2)
    assert hits[0].item == 1
    assert hits[0].part is not None
    assert hits[0].part.page == 2
    hits = collection.search(query="lighthouse", by="pages")
    assert [(hit.item, hit.part.page if hit.part else None) for hit in hits] == [(1, 2)]
    assert collection.verify().ok
    assert collection.find_parts("pages").items == 0


def test_a_search_finds_the_moment(collection: Collection, tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", ["red", "lime", "blue"], seconds=2)
    other = write_film(tmp_path / "b.mkv", ["white", "black"], seconds=1)
    assert collection.add([path, other]).added == 2
    assert collection.get(1).format == "MP4"
    assert collection.find_parts("frames").items == 2
    hits = collection.search(Image.new("RGB", (96, 64), "lime"), by="frames", k=2)
    assert hits[0].item == 1
    assert hits[0].part is not None
    assert hits[0].part.start is not None
    assert 1.8 <= hits[0].part.start <= 4
    assert collection.verify().ok
