"""The pictures that a file of several holds: pages of a PDF, frames of a film."""

from __future__ import annotations

from typing import NamedTuple

from PIL.Image import Image


class Still(NamedTuple):
    """One picture of a file, upright and RGB: a page, from 1 on, or a frame, in seconds. text: what a page says."""

    image: Image
    page: int | None = None
    start: float | None = None
    end: float | None = None
    text: str | None = None


class Sampling(NamedTuple):
    """Which pictures of a file are taken: with their longer edge in pixels, and of a film so many a second.

    only: take just one, a page by its number, or the frame that a film shows at a second.
    """

    edge: int = 640
    rate: float = 1.0
    only: float | None = None
