"""Pictures at a glance: what can't be the same is told from what may be in a fraction of a millisecond.

A look is made of a picture once. Two looks are laid on each other as whole frames, turned by quarters, mirrored or
inverted, and as their local features say; of the blocks in which something is drawn enough have to be alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from indexers.matching.comparing import warp_into_frame
from indexers.matching.drawings import OTHER_CELLS, are_recoloured, has_other_part, is_sign, is_turned
from indexers.matching.features import EDGE, Features, decode_detail, fit_size
from indexers.matching.geometry import SimilarityTransform

LOOK_EDGE = 96
"""Pixels of the longer edge of a look, and of the edges of its square."""
ALIKE_SHARE, ALIKE_ON_BLANK = 0.8, 0.9
"""The share of the blocks with something drawn that have to be alike, also where most blocks are blank."""
SQUARE = 24
"""Pixels of the edges of the squares by which whole frames are compared."""
ALIKE_FRAMES = 0.75
"""The correlation of two squares from which on the frames may be the same."""
RESEMBLANCE = 0.5
"""The correlation from which on pictures with few points are worth a search for how one lies on the other."""
_BLOCK = 8  # pixels
_DRAWN = 6.0  # grey levels, standard deviation, from which on something is drawn in a block
_LIKENESS = 0.5  # the correlation from which on a block is alike
_BAR = 5  # a bar has this part of the height at most
_FULL = 0.6  # the share of blocks with something drawn in a photograph
_LEAST_DRAWN = 3  # blocks that tell anything
_UPRIGHT = 0.005  # by which the picture as it is may be less alike than a turned one, to come first
_PART, _PART_CONTRAST = 3, 55.0  # pixels and grey levels of a part of a sign; copies of it differ by up to 43
_STILL = 0.015, 5.0  # of a transform: what it scales or turns by, and pixels of the normalised picture it shifts by
_LEAST_GAIN = 0.3  # of the contrast of one sign over the other's, for that
_FLAT = 2.0  # grey levels, standard deviation, of a picture with nothing in it

Pixels = NDArray[np.float32]


class Look(NamedTuple):
    """What is seen of a picture at a glance.

    `width`, `height` of the original; `grey` uint8 (h, w), longer edge LOOK_EDGE, slightly blurred; `frame` uint8
    (LOOK_EDGE, LOOK_EDGE): the same without its proportions; `square` float32 (SQUARE * SQUARE,), of mean 0 and
    deviation 1 (0 of a blank picture); `cells` uint8 (SQUARE, SQUARE, 3): luma, Cb and Cr; `is_sign`: a flat drawing,
    which turned over means another thing.
    """

    width: int
    height: int
    grey: NDArray[np.uint8]
    frame: NDArray[np.uint8]
    square: Pixels
    cells: NDArray[np.uint8]
    is_sign: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """The width and height of the normalised picture."""
        return fit_size(self.width, self.height, EDGE)


def look_at(image: Image.Image) -> Look:
    """Take a look at an upright picture."""
    grey = image.convert("L")
    small = grey.resize(fit_size(*image.size, LOOK_EDGE), Image.Resampling.BOX, reducing_gap=2)
    cells = image.resize((SQUARE, SQUARE), Image.Resampling.HAMMING, reducing_gap=4).convert("YCbCr")
    return _make_look(grey, small, cells.split(), image.size)


def look_at_features(features: Features) -> Look:
    """Take a look at a picture by its stored features."""
    grey, thumbnail = (Image.fromarray(pixels) for pixels in (decode_detail(features), features.thumbnail))
    channels = [Image.fromarray(np.ascontiguousarray(channel)) for channel in np.moveaxis(features.colours, 2, 0)]
    return _make_look(grey, thumbnail, [thumbnail, *channels], (features.width, features.height))


def _make_look(grey: Image.Image, small: Image.Image, bands: Sequence[Image.Image], size: tuple[int, int]) -> Look:
    frame = grey.resize((LOOK_EDGE, LOOK_EDGE), Image.Resampling.BOX, reducing_gap=2)
    blurred, square = (np.asarray(pixels.filter(ImageFilter.BoxBlur(1))) for pixels in (small, frame))
    cells = [np.asarray(band.resize((SQUARE, SQUARE), Image.Resampling.BOX)) for band in bands]
    is_flat = is_sign(np.asarray(grey), np.asarray(small))
    return Look(*size, blurred, square, make_square(np.asarray(grey)), np.dstack(cells), is_flat)


def make_square(pixels: NDArray[Any]) -> Pixels:
    """Shrink a grey picture to a square of mean 0 and deviation 1, float32 (SQUARE * SQUARE,); 0 if it is blank."""
    box = Image.fromarray(pixels).resize((SQUARE, SQUARE), Image.Resampling.BOX)
    small = np.asarray(box, np.float32).ravel()
    deviation = float(small.std())
    return (small - small.mean()) / deviation if deviation >= _FLAT else np.zeros_like(small)


@cache
def _list_views() -> tuple[list[tuple[bool, int]], NDArray[np.int64]]:
    """Return mirroring and clockwise quarter turns of the eight views, and which pixels of a square each shows."""
    places = np.arange(SQUARE * SQUARE).reshape(SQUARE, SQUARE)
    views = [(mirror, quarters) for mirror in (False, True) for quarters in range(4)]
    turned = [np.rot90(places[::-1] if mirror else places, -quarters).ravel() for mirror, quarters in views]
    return views, np.stack(turned)


def compare_squares(a: Pixels, b: Pixels) -> list[tuple[float, bool, int]]:
    """Return correlation, mirroring and clockwise quarter turns of `a` for all eight of them, the strongest first."""
    views, places = _list_views()
    correlations = (a[places] @ b / len(b)).tolist()
    trials = [(value, *view) for value, view in zip(correlations, views, strict=True)]
    return sorted(trials, key=lambda trial: -abs(trial[0]) - (_UPRIGHT if trial[1:] == (False, 0) else 0.0))


def resemble(a: Look, b: Look) -> bool:
    """Return True if the pictures are somewhat alike as whole frames, as a crop and its original mostly are."""
    return abs(compare_squares(a.square, b.square)[0][0]) >= RESEMBLANCE


def may_be_whole(a: Look, b: Look) -> bool:
    """Return True if the pictures may be the same from edge to edge, turned, mirrored, stretched or inverted."""
    if not a.square.any() and not b.square.any():  # there may be colours
        return True
    are_signs = a.is_sign and b.is_sign
    for correlation, mirror, quarters in compare_squares(a.square, b.square)[:2]:
        if abs(correlation) < ALIKE_FRAMES:
            break
        if are_signs and (mirror or quarters):
            continue
        turned = np.rot90(a.frame[::-1] if mirror else a.frame, -quarters).astype(np.float32)
        if _are_alike(turned, b.frame * np.float32(np.sign(correlation))):
            return not are_signs or not (
                (correlation > 0 and _are_recoloured(a, b)) or _are_other_signs(turned, b.frame.astype(np.float32))
            )
    return False


def lie_on_each_other(a: Look, b: Look, transform: SimilarityTransform) -> bool:
    """Return True if a transform lays whole frames on each other as `may_be_whole` does: there is no more to see."""
    is_still = abs(transform.turn - 1) < _STILL[0] and abs(transform.shift) < _STILL[1] and not transform.mirrored
    return is_still and float(np.vdot(a.square, b.square)) / len(a.square) >= ALIKE_FRAMES


def may_be_laid(a: Look, b: Look, transform: SimilarityTransform) -> bool:
    """Return True if what both pictures show under a transform, from normalised `a` to `b`, may be the same."""
    if abs(transform.turn) < 1:  # the coarser picture of what both show is the frame
        a, b, transform = b, a, transform.invert()
    are_signs = a.is_sign and b.is_sign
    if are_signs and is_turned(transform):
        return False
    warped, inside = warp_into_frame(a, b, b.grey, a.grey.shape, transform)
    grey = a.grey.astype(np.float32)
    return _are_alike(grey, warped, inside) and not (are_signs and _are_other_signs(grey, warped, inside))


def _are_recoloured(a: Look, b: Look) -> bool:
    """Return True if two signs have other colours. A cell may be another one since a line lies a little beside it."""
    left, right = (look.cells.astype(np.float32) for look in (a, b))
    return all(
        are_recoloured(left[rows].reshape(-1, 3), right[rows].reshape(-1, 3), 4 * OTHER_CELLS)
        for rows in _omit_bars(SQUARE)
    )


def _are_other_signs(a: Pixels, b: Pixels, inside: NDArray[np.bool_] | None = None) -> bool:
    """Return True if something is drawn in one sign and not in the other.

    `a`, `b`: grey levels, float32 (h, w); `inside`: which pixels count.
    """
    mask = np.ones(a.shape, np.bool_) if inside is None else inside
    return all(_has_other_part(a[rows], b[rows], mask[rows]) for rows in _omit_bars(len(a)))


def _omit_bars(height: int) -> tuple[slice, slice, slice]:
    """Return all rows, those below a bar at the top and those above one at the foot, over which words are written."""
    bar = -(-height // _BAR)
    return slice(None), slice(bar, None), slice(None, -bar)


def _has_other_part(a: Pixels, b: Pixels, inside: NDArray[np.bool_]) -> bool:
    if inside.sum() < _PART * _PART:
        return False
    x, y = a - a[inside].mean(), b - b[inside].mean()
    gain = float(np.vdot(x[inside], y[inside])) / max(1.0, float(np.vdot(x[inside], x[inside])))
    limit = _PART_CONTRAST * min(1.0, max(_LEAST_GAIN, abs(gain)))
    return has_other_part(np.where(inside, gain * x, 0), np.where(inside, y, 0), _PART, limit)


def _are_alike(a: Pixels, b: Pixels, inside: NDArray[np.bool_] | None = None) -> bool:
    """Return True if the blocks in which something is drawn are alike, or too few to tell.

    Perhaps without a bar at the top or the foot, over which words are written. `a`, `b`: grey levels, float32 (h, w);
    `inside`: which pixels count.
    """
    mask = np.ones(a.shape, np.float32) if inside is None else inside.astype(np.float32)
    x, y = a * mask, b * mask
    count, *sums = _sum_blocks(np.stack([mask, x, y, x * x, y * y, x * y]))
    within = count >= _BLOCK * _BLOCK / 2
    mean_x, mean_y, square_x, square_y, product = (part / np.maximum(count, 1) for part in sums)
    variance_x, variance_y = square_x - mean_x * mean_x, square_y - mean_y * mean_y
    drawn = (np.maximum(variance_x, variance_y) > _DRAWN**2) & within
    norm = np.sqrt(np.maximum(variance_x * variance_y, 1.0))
    alike = drawn & ((product - mean_x * mean_y) / norm >= _LIKENESS)
    if drawn.sum() < _LEAST_DRAWN:
        return True
    share = max(
        float(alike[rows].sum() / drawn[rows].sum())
        for rows in _omit_bars(len(drawn))
        if drawn[rows].sum() >= _LEAST_DRAWN
    )
    return share >= (ALIKE_SHARE if drawn.sum() >= _FULL * within.sum() else ALIKE_ON_BLANK)


def _sum_blocks(values: Pixels) -> Pixels:
    """Sum over blocks, float32 (n, h, w) -> (n, rows, columns); the last ones reach past the edge."""
    count, height, width = values.shape
    rows, columns = -(-height // _BLOCK), -(-width // _BLOCK)
    padded = np.zeros((count, rows * _BLOCK, columns * _BLOCK), np.float32)
    padded[:, :height, :width] = values
    sums: Pixels = padded.reshape(count, rows, _BLOCK, columns, _BLOCK).sum(axis=(2, 4))
    return sums
