"""Files of several pictures: PDFs and films. Each is an item like a picture, whose cover is its first page or a telling
frame; its pages and frames are parts of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

from PIL.Image import Image

from indexers.errors import UnreadablePicture
from indexers.pictures.stills import Sampling, Still
from indexers.types import PictureFacts

PDF = "PDF"
FILMS = ("MP4", "MATROSKA", "AVI", "MPEG")
FORMATS = (PDF, *FILMS)
COMMANDS = {"documents": "pip install 'nearkin[pdf]'", "films": "pip install 'nearkin[video]'"}
SUFFIXES = {
    "documents": (".pdf",),
    "films": (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
}
"""Suffixes that a folder is searched for where the package that reads them is installed."""
_PACKAGES = {"documents": "pypdfium2", "films": "av"}
_BRANDS_OF_PICTURES = (b"avif", b"avis", b"hei", b"hev", b"mif1", b"msf1", b"crx ", b"jxl ")
_EBML = b"\x1a\x45\xdf\xa3"
_PACKET = 188
"""Bytes of a packet of an MPEG transport stream, which begins with a G."""


def find_format(data: bytes) -> str | None:
    """Return which of FORMATS a file has, by its first bytes; None for any other."""
    head = data[:1024]
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"%PDF-"):
        return PDF
    if head[4:8] == b"ftyp" and not head[8:12].startswith(_BRANDS_OF_PICTURES):
        return "MP4"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free") and b"moov" in (head[4:8], *_list_boxes(data)):
        return "MP4"
    if head.startswith(_EBML):
        return "MATROSKA"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    if head.startswith(b"\x00\x00\x01\xba") or all(head[start : start + 1] == b"G" for start in (0, 188, 376)):
        return "MPEG"
    if all(head[start : start + 1] == b"G" for start in (4, 196, 388)):
        return "MPEG"
    return None


def _list_boxes(data: bytes) -> list[bytes]:
    """Return the names of the first boxes of an MP4 file."""
    names, offset = list[bytes](), 0
    while offset + 8 <= len(data) and len(names) < 8:
        length = int.from_bytes(data[offset : offset + 4], "big")
        if length == 1:
            length = int.from_bytes(data[offset + 8 : offset + 16], "big")
        names.append(data[offset + 4 : offset + 8])
        if length < 8:
            break
        offset += length
    return names


def find_reader(kind: str) -> str:
    """Return what reads files of a format: "documents" or "films"."""
    return "documents" if kind == PDF else "films"


def explain_missing(kind: str) -> str:
    """Return how to get what reads files of a format, in one sentence; "" if it is installed."""
    reader = find_reader(kind)
    if find_spec(_PACKAGES[reader]) is not None:
        return ""
    what = "a PDF" if kind == PDF else f"a film ({kind})"
    return f"{what}; to read those: {COMMANDS[reader]}, then add it again"


@cache
def list_suffixes() -> frozenset[str]:
    """Return the suffixes of the files that can be read here."""
    readers = [reader for reader, package in _PACKAGES.items() if find_spec(package) is not None]
    return frozenset(suffix for reader in readers for suffix in SUFFIXES[reader])


def decode_cover(data: bytes, kind: str, size: int) -> tuple[Image, PictureFacts]:
    """Return the cover of a file of a format, upright and RGB, with both edges at least 2 * size as far as it is that
    large (0: in full), and facts with its size in full. Raises UnreadablePicture."""
    from indexers.pictures import documents, films

    if missing := explain_missing(kind):
        raise UnreadablePicture(missing)
    return documents.decode_cover(data, size) if kind == PDF else films.decode_cover(data, kind, size)


def extract(data: bytes, sampling: Sampling) -> Iterator[Still]:
    """Yield the pages or frames of a file, in order. Raises UnreadablePicture; what is damaged within it is left out.

    Whoever does not take all of them closes the iterator.
    """
    from indexers.pictures import documents, films

    kind = find_format(data)
    if kind is None:
        raise UnreadablePicture("neither a PDF nor a film")
    if missing := explain_missing(kind):
        raise UnreadablePicture(missing)
    yield from documents.extract(data, sampling) if kind == PDF else films.extract(data, kind, sampling)
