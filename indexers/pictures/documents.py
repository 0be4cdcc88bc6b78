"""PDFs: their pages as pictures, with their text, by PDFium. Scripts and forms in them are not run."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from indexers.errors import UnreadablePicture
from indexers.pictures.stills import Sampling, Still
from indexers.types import PictureFacts

MAX_PAGES = 5000
"""Pages of a file that are read."""
MAX_TEXT = 20_000
"""Characters of a page that are kept."""
DOTS = 150 / 72
"""Pixels of a page in full for each point of it, 1/72 inch: 150 dots an inch."""
MAX_EDGE = 4000
"""The longer edge of a page in full, whatever size it states."""
_LOCK = threading.RLock()  # PDFium keeps its state in the process, and is for one thread at a time


def decode_cover(data: bytes, size: int) -> tuple[Image.Image, PictureFacts]:
    """Return the first page, with both edges at least 2 * size as far as it is that large (0: in full), and facts with
    its size in full. Raises UnreadablePicture."""
    with _LOCK, _open(data) as document:
        page = _load_page(document, 0)
        full = _measure(page)
        image = _render(page, full, 4 * size)
    return image, PictureFacts(*full, "PDF")


def extract(data: bytes, sampling: Sampling) -> Iterator[Still]:
    """Yield the pages with their text; one that is damaged is left out."""
    with _LOCK, _open(data) as document:
        count = min(len(document), MAX_PAGES)
    for number in [number for number in range(count) if sampling.only in (None, number + 1)]:
        with _LOCK, _open(data) as document:  # pages are rendered by turns with other files
            try:
                page = _load_page(document, number)
                image = _render(page, _measure(page), sampling.edge)
            except UnreadablePicture:
                continue
            text = _read_text(page)
        yield Still(image, page=number + 1, text=text)


@contextmanager
def _open(data: bytes) -> Iterator[Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        reason = "it needs a password" if "assword" in str(error) else f"it is damaged: {error}"
        raise UnreadablePicture(f"a PDF that can't be read: {reason}") from error
    try:
        if len(document) < 1:
            raise UnreadablePicture("a PDF without pages")
        yield document
    finally:
        document.close()


def _load_page(document: Any, number: int) -> Any:
    import pypdfium2

    try:
        return document[number]
    except (pypdfium2.PdfiumError, ValueError, IndexError) as error:
        raise UnreadablePicture(f"page {number + 1} of the PDF can't be read: {error}") from error


def _measure(page: Any) -> tuple[int, int]:
    """Return the size of a page in full, in pixels."""
    width, height = page.get_size()
    if not (0 < width < 1e7 and 0 < height < 1e7):
        raise UnreadablePicture("a page of the PDF has no size")
    scale = min(DOTS, MAX_EDGE / max(width, height))
    return max(1, math.ceil(width * scale)), max(1, math.ceil(height * scale))


def _render(page: Any, full: tuple[int, int], edge: int) -> Image.Image:
    """Return a page whose longer edge has `edge` pixels, or as many as in full (0: in full)."""
    import pypdfium2

    scale = (min(edge, max(full)) if edge else max(full)) / max(page.get_size())
    try:
        bitmap = page.render(scale=scale, fill_color=(255, 255, 255, 255), may_draw_forms=False)
        image: Image.Image = bitmap.to_pil().convert("RGB").copy()
        return image
    except (pypdfium2.PdfiumError, ValueError, RuntimeError) as error:
        raise UnreadablePicture(f"a page of the PDF can't be rendered: {error}") from error


def _read_text(page: Any) -> str | None:
    import pypdfium2

    try:
        text = page.get_textpage().get_text_bounded()
    except (pypdfium2.PdfiumError, ValueError, RuntimeError):
        return None
    text = "".join(letter for letter in text[:MAX_TEXT] if letter in "\n\t" or letter.isprintable()).strip()
    return text.encode("utf-8", "ignore").decode() or None
