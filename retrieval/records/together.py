"""How pictures lie on each other, and what is made of several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from indexers.errors import UsageError
from retrieval.records.base import HANDLE, Record
from retrieval.records.pictures import PictureSource

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Alignment(Record):
    """How a picture lies on another."""

    a: int
    """The item that is laid on the other."""
    b: int
    """The item that it is laid on."""
    model: str
    """similarity, affine or homography."""
    matrix: Rows
    """Three rows of three numbers, which take pixels of `a` (x, y, 1) to those of `b`."""
    residual: float
    """By how many pixels of `b` the points that agree are off, root mean square."""
    overlap: float
    """The share of the smaller picture that both show."""
    inliers: int
    """Points that agree."""
    matches: int
    """Points that look alike."""
    _pictures: PictureSource | None = field(default=None, repr=False, compare=False, metadata=HANDLE)

    def difference(self) -> Any:
        """Return a picture of what `a`, laid on `b`, differs by from it: grey where alike, of the size of `b`."""
        import numpy as np

        from indexers.matching.stitching import draw_difference

        if self._pictures is None:
            raise UsageError("this alignment is not connected to an open collection; align the pictures again")
        return draw_difference(self._pictures.load(self.a), self._pictures.load(self.b), np.array(self.matrix))


@dataclass(frozen=True, slots=True)
class Stitched(Record):
    """Pictures that overlap, as one."""

    items: tuple[int, ...]
    """The items that are in it."""
    apart: tuple[int, ...]
    """The items that overlap none of them."""
    kind: str
    """flat, where the pictures are laid side by side, or panorama, of a camera that was turned."""
    width: int
    """Its width in pixels."""
    height: int
    """Its height in pixels."""
    matrices: tuple[Rows, ...]
    """Of each item, what takes its pixels (x, y, 1) to those of the whole; empty for a panorama."""
    _image: Any = field(default=None, repr=False, compare=False, metadata=HANDLE)

    def image(self) -> Any:
        """Return the picture, a PIL image in RGB."""
        if self._image is None:
            raise UsageError("this record does not hold its picture any more; stitch again")
        return self._image
