from __future__ import annotations

import io

import pytest
from PIL import Image

from indexers.errors import UnreadablePicture
from indexers.pictures import images, media
from indexers.pictures.stills import Sampling
from tests.support import pictures
from tests.support.media import make_pdf


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"\n %PDF-1.7\n", "PDF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "MP4"),
        (b"\0\0\0\x08wide\0\0\0\x08moov", "MP4"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", None),
        (b"\0\0\0\x18ftypheic\0\0\0\0", None),
        (b"\x1a\x45\xdf\xa3....", "MATROSKA"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"RIFF\0\0\0\0WEBPVP8 ", None),
        ((b"G" + bytes(187)) * 4, "MPEG"),
        (b"GIF89a" + bytes(600), None),
        (b"", None),
    ],
)
def test_files_are_told_by_their_first_bytes(head: bytes, kind: str | None) -> None:
    assert media.find_format(head) == kind


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
def test_no_picture_is_taken_for_a_film(kind: str) -> None:
    assert media.find_format(pictures.encoded(Image.new("RGB", (64, 48), "red"), kind)) is None


def test_without_the_package_one_sentence_says_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "find_spec", lambda name: None)
    for data, command in ((make_pdf([("1 0 0 rg", "a")]), "pdf"), (b"RIFF\0\0\0\0AVI LIST", "video")):
        with pytest.raises(UnreadablePicture, match=rf"to read those: pip install 'nearkin\[{command}\]'"):
            images.decode(data)
        with pytest.raises(UnreadablePicture, match="to read those"):
            list(media.extract(data, Sampling()))


def test_what_is_neither_is_refused() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG")
    with pytest.raises(UnreadablePicture, match="neither a PDF nor a film"):
        list(media.extract(stream.getvalue(), Sampling()))
