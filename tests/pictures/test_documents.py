from __future__ import annotations

import random

import pytest

from indexers.errors import UnreadablePicture
from indexers.pictures import images, media
from indexers.pictures.stills import Sampling
from tests.support.media import make_pdf

pytest.importorskip("pypdfium2", reason="PDFs need pypdfium2: pip install 'nearkin[pdf]'")
PDF = make_pdf([("1 0 0 rg", "A harbour"), ("0 0 1 rg", "Oslo in winter")])


def test_the_cover_is_the_first_page() -> None:
    picture = images.decode(PDF)
    assert (picture.facts.format, picture.facts.width, picture.facts.height) == ("PDF", 417, 313)
    assert picture.image.size == (417, 313)
    assert picture.image.getpixel((5, 5)) == (255, 0, 0)
    small = images.decode(PDF, 32)
    assert small.image.size == (128, 96)
    assert small.facts == picture.facts


def test_pages_come_with_their_text() -> None:
    stills = list(media.extract(PDF, Sampling(100)))
    assert [(still.page, still.text, still.image.size) for still in stills] == [
        (1, "A harbour", (100, 75)),
        (2, "Oslo in winter", (100, 75)),
    ]
    assert stills[1].image.getpixel((5, 5)) == (0, 0, 255)


def test_damaged_files_end_in_an_error_of_ours_or_in_pages() -> None:
    chance = random.Random(0)
    outcomes = set()
    for _ in range(60):
        data = bytearray(PDF)
        for _ in range(chance.randint(1, 30)):
            data[chance.randrange(8, len(data))] = chance.randrange(256)
        damaged = bytes(data[: chance.randrange(20, len(data))]) if chance.random() < 0.3 else bytes(data)
        try:
            assert images.decode(damaged).image.size
            assert len(list(media.extract(damaged, Sampling(50)))) <= 2
            outcomes.add("read")
        except UnreadablePicture:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_a_page_of_any_size_has_a_bounded_number_of_pixels() -> None:
    huge = PDF.replace(b"[0 0 200 150]", b"[0 0 9e5 150]")
    assert max(images.decode(huge).image.size) <= 4000
    with pytest.raises(UnreadablePicture):
        images.decode(b"%PDF-1.4\n%%EOF")
