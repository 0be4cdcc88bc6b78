"""Flat drawings: signs, symbols, emoji, flags. Turned, recoloured or with more beside them they mean another thing.

A photograph proves itself by its texture, whatever was done to it. A drawing of a few flat tones has none: a heart of
another colour, an arrow that points the other way and a disc of another size are other drawings, not edits of one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from indexers.matching.comparing import GREY, fit_brightness, mask_covered, warp_into_frame
from indexers.matching.details import DetailComparison
from indexers.matching.features import Features, decode_detail, fit_size
from indexers.matching.geometry import SimilarityTransform

BUSY = 20
"""Changes between ground and ink along most lines of a page with writing, which may lie on its side; signs have 16."""
OTHER_CELLS = 3
"""Cells of another colour that make another drawing."""
_TONES = 5  # grey levels that a drawing consists of
_NEAR = 4  # grey levels on either side of a tone
_PURE = 0.8  # the share of a drawing that has one of its tones
_BLANK_SHARE = 0.45  # the share of its thumbnail that is blank
_EVEN = 1  # grey levels, range within 3 x 3 pixels, up to which it is blank there
_TURNED = 0.3  # radians from which on a drawing was turned
_SEEN = 0.97  # the share of a picture that counts as all of it
_WHITE, _BLACK = 235, 30  # grey levels from which, and up to which, a cell tells little of a change of brightness
_FEW_BLOCKS = 130  # blocks that don't prove how large a shape was drawn
_CELLS = 24  # pixels of the longer edge of the picture that colours are compared in
_OTHER = 28.0  # levels by which a cell of another colour differs
_TINT, _GREYED = 10.0, 6.0  # levels from which a cell lost its colour, and by which its brightness may change then
_INK = 40.0  # grey levels that ink differs from the ground
_PART, _PART_CONTRAST = (
    5,
    25.0,
)  # pixels of half the stored picture, and grey levels, of a part that makes another drawing
_TINGED, _TINGED_SHARE = 16.0, 0.2  # levels by which so many cells may not differ where no brightness was changed
_STEADY = 0.08  # the share by which it isn't

_SAME_COLOUR, _FOREIGN = 4.0, 35.0  # levels of Cb or Cr by which most cells, and a thing that was not there, differ
_FADED = 0.2  # the share by which colours were made stronger or weaker, from which on that explains them
_OFF = 12.0  # levels of red, green or blue by which a colour may be off one change of the brightness
_GAINS = np.linspace(0.4, 2.5, 43, dtype=np.float32)
_TO_RGB = np.array([[1, 1, 1], [0, -0.344, 1.772], [1.402, -0.714, 0]], np.float32)  # of luma, Cb and Cr
_OFFSET = -128 * _TO_RGB[1:].sum(axis=0)

Colours = NDArray[np.float32]


class Overlay(NamedTuple):
    """Two drawings that agree: `transform` from normalised `a` to `b`; blocks `drawn`; whether a bar covers one."""

    a: Features
    b: Features
    transform: SimilarityTransform
    drawn: int
    is_covered: bool


def is_drawing(picture: Features) -> bool:
    """Return True if a picture has a few flat tones on a blank ground."""
    return _is_flat(decode_detail(picture), picture.thumbnail)


def is_sign(grey: NDArray[np.uint8], thumbnail: NDArray[np.uint8]) -> bool:
    """Return True for a drawing, uint8 (h, w), that isn't written all over: turned it means another thing."""
    return _is_flat(grey, thumbnail) and not _is_page(grey)


def _is_flat(grey: NDArray[np.uint8], thumbnail: NDArray[np.uint8]) -> bool:
    counts = np.bincount(grey.ravel(), minlength=256)
    share, total = 0.0, counts.sum()
    for _ in range(_TONES):
        sums = np.convolve(counts, np.ones(2 * _NEAR + 1, np.int64), "same")
        place = int(sums.argmax())
        share += sums[place] / total
        counts[max(0, place - _NEAR) : place + _NEAR + 1] = 0
    if share < _PURE or min(thumbnail.shape) < 3 or float(thumbnail.std()) < 1:
        return False
    lowest, highest = (_pick_of_neighbours(thumbnail, pick) for pick in (np.minimum, np.maximum))
    return float((highest - lowest <= _EVEN).mean()) >= _BLANK_SHARE


def _pick_of_neighbours(pixels: NDArray[np.uint8], pick: np.ufunc) -> NDArray[np.uint8]:
    """Return the least or the greatest of each 3 x 3 pixels, as Pillow's slower rank filter does."""
    rows = pick(pick(pixels[:-2], pixels[1:-1]), pixels[2:])
    picked: NDArray[np.uint8] = pick(pick(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return picked


def has_other_part(a: Colours, b: Colours, reach: int, limit: float) -> bool:
    """Return True if grey levels, float32 (h, w) both, differ by more than the limit all over a square of an edge of
    `reach`, odd: a part is drawn in one and not in the other. Lines that lie a little beside each other are narrower.
    """
    unlike = Image.fromarray((np.abs(a - b) > limit).astype(np.uint8))
    return bool(np.asarray(unlike.filter(ImageFilter.MinFilter(reach))).any())


def are_other_drawings(a: Features, b: Features, transform: SimilarityTransform, details: DetailComparison) -> bool:
    """Return True if both pictures are drawings, and other ones although `details` agree."""
    if not (is_drawing(a) and is_drawing(b)):
        return False
    return is_other_drawing(Overlay(a, b, transform, details.drawn, details.cover == "bar"))


def is_other_drawing(overlay: Overlay) -> bool:
    """Return True if two drawings whose strokes agree are not the same: turned, recoloured, or one thing of several."""
    if is_turned(overlay.transform) and not _is_page(decode_detail(overlay.a)):
        return True
    return _is_elsewhere(overlay) or _is_recoloured(overlay) or _has_other_part(overlay)


def is_turned(transform: SimilarityTransform) -> bool:
    """Return True if a transform makes another sign of a sign: turned far, or mirrored."""
    return transform.mirrored or abs(float(np.angle(transform.turn))) > _TURNED


def _has_other_part(overlay: Overlay) -> bool:
    """Return True if something small is drawn in one picture and not in the other, where no bar covers it."""
    if overlay.is_covered:
        return False
    a, b, transform = overlay.a, overlay.b, overlay.transform
    if abs(transform.turn) < 1:
        a, b, transform = b, a, transform.invert()
    left, right = (_shrink(decode_detail(picture)) for picture in (a, b))
    warped, inside = warp_into_frame(a, b, right, left.shape, transform)
    blurred = [np.asarray(_blur(pixels), np.float32) for pixels in (left, warped)]
    if not inside.any():
        return False
    _, _, knots, values = fit_brightness(blurred[0][inside], blurred[1][inside])
    expected = np.interp(blurred[0], knots, values)
    return has_other_part(np.where(inside, expected, 0), np.where(inside, blurred[1], 0), _PART, _PART_CONTRAST)


def _shrink(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture by two: strokes are still seen, and what compression changed is not."""
    image = Image.fromarray(grey)
    return np.asarray(image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BOX))


def _blur(pixels: NDArray[Any]) -> Image.Image:
    return Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.BoxBlur(1))


def _is_page(grey: NDArray[np.uint8]) -> bool:
    """Return True if a picture is written all over."""
    ink = _find_ink(grey)
    changes = [(lines[:, 1:] != lines[:, :-1]).sum(axis=1) for lines in (ink, ink.T)]
    return max(_find_quantile(count[count > 0], 0.75) for count in changes) >= BUSY


def _find_quantile(values: NDArray[np.int64], share: float) -> float:
    """Return a quantile, between two values in proportion; 0 of none. (np.percentile takes eight times as long.)"""
    if not len(values):
        return 0.0
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    ordered = np.partition(values, (low, high))
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))


def _find_ink(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels are unlike the ground, which is seen at the edges."""
    pixels = grey.astype(np.float32)
    edges = np.sort(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]))  # np.median takes longer
    ground = (edges[(len(edges) - 1) // 2] + edges[len(edges) // 2]) / 2
    ink: NDArray[np.bool_] = np.abs(pixels - ground) > _INK
    return ink


def _is_elsewhere(overlay: Overlay) -> bool:
    """Return True if one drawing is only a thing in the other, or too simple to tell its size."""
    a, b, transform = overlay.a, overlay.b, overlay.transform
    seen = mask_covered(a, b, transform), mask_covered(b, a, transform.invert())
    shares = [float(mask.mean()) for mask in seen]
    if min(shares) >= _SEEN:
        return False
    if overlay.drawn < _FEW_BLOCKS:
        return True
    outer, mask, inner = (a, seen[0], b) if shares[0] < shares[1] else (b, seen[1], a)
    edges = _find_ink(inner.thumbnail)
    is_cut = edges[[0, -1]].any() or edges[:, [0, -1]].any()
    return not is_cut and bool((_find_ink(outer.thumbnail) & ~mask).any())


def _is_recoloured(overlay: Overlay) -> bool:
    """Return True if places have other colours, and neither greying nor one brightness explains it."""
    left, right, inside = _read_cells(overlay.a, overlay.b, overlay.transform)
    return not overlay.is_covered and bool(inside.any()) and are_recoloured(left[inside], right[inside])


def has_other_colour(a: Features, b: Features, transform: SimilarityTransform) -> bool:
    """Return True if a few cells have other colours while most have the same: a thing as bright as its ground."""
    if min(a.chroma, b.chroma) < GREY:
        return False
    left, right, inside = _read_cells(a, b, transform)
    x, y = left[..., 1:] - 128, right[..., 1:] - 128
    is_tinted = inside[..., None] & (np.abs(x) > _TINT)
    gain = float(np.median(y[is_tinted] / x[is_tinted])) if is_tinted.any() else 1.0
    if not inside.any() or abs(gain - 1) > _FADED:
        return False
    x = gain * x
    if float(np.median(np.abs(x - y).max(axis=2)[inside])) > _SAME_COLOUR:
        return False
    apart = np.maximum(_measure_foreign(x, y), _measure_foreign(y, x))
    return int((apart[inside] > _FOREIGN).sum()) >= 2


def _measure_foreign(a: Colours, b: Colours) -> Colours:
    """Return by how much the colours of each cell of `a`, float32 (h, w, 2), differ from the nearest of it and its
    neighbours in `b`: an edge may lie a little beside itself."""
    height, width = a.shape[:2]
    around = np.pad(b, ((1, 1), (1, 1), (0, 0)), mode="edge")
    shifted = [around[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    nearest: Colours = np.min([np.abs(a - cells).max(axis=2) for cells in shifted], axis=0)
    return nearest


def are_recoloured(a: Colours, b: Colours, least: int = OTHER_CELLS) -> bool:
    """Return True if at least so many cells have other colours, and neither greying nor one brightness explains it.

    `a`, `b`: luma, Cb and Cr of cells that lie on each other, float32 (n, 3).
    """
    difference = np.abs(a - b)
    if min(float(np.abs(cells[:, 1:] - 128).mean()) for cells in (a, b)) < GREY:  # greying leaves the brightness
        tinted = difference[:, 1:].max(axis=1) > _TINT
        is_brighter = bool(tinted.any()) and float(np.median(difference[tinted, 0])) > _GREYED
        return is_brighter or int((difference[:, 0] > _OTHER).sum()) >= least
    differences = [difference.max(axis=1), _measure_brightened(a, b), _measure_brightened(b, a)]
    is_steady = abs(_find_gain(a, b) - 1) < _STEADY
    tinged = float((differences[0] > _TINGED).mean()) if is_steady else _measure_tinged(a, b)
    if tinged >= _TINGED_SHARE:
        return True
    return all(int((difference > _OTHER).sum()) >= least for difference in differences)


def _measure_tinged(a: Colours, b: Colours) -> float:
    """Return the share of cells, float32 (n, 3) both, whose colour no one gain of red, green and blue explains."""
    rgb = [np.clip(cells @ _TO_RGB + _OFFSET, 0, 255) for cells in (a, b)]
    return min(
        float((np.abs(np.clip(gain * left, 0, 255) - right).max(axis=1) > _OFF).mean())
        for left, right in (rgb, rgb[::-1])
        for gain in _GAINS
    )


def _measure_brightened(a: Colours, b: Colours) -> Colours:
    """Return how far each cell of `b`, float32 (n, 3), is from that of `a` under one change of the brightness."""
    gain = _find_gain(a, b)
    expected = np.column_stack([np.clip(gain * a[:, 0], 0, 255), 128 + gain * (a[:, 1:] - 128)])
    missed = np.abs(expected - b)
    return np.where(b[:, 0] >= _WHITE, missed[:, 0], missed.max(axis=1)).astype(np.float32)  # white loses its colours


def _find_gain(a: Colours, b: Colours) -> float:
    """Return how many times as bright the cells of `b` are as those of `a`."""
    lit = (b[:, 0] < _WHITE) & (a[:, 0] > _BLACK)
    return float(np.median(b[lit, 0] / a[lit, 0])) if lit.any() else 1.0


def _read_cells(a: Features, b: Features, transform: SimilarityTransform) -> tuple[Colours, Colours, NDArray[np.bool_]]:
    """Return luma, Cb and Cr of both, float32 (h, w, 3), in the frame of the coarser one; and where both show it."""
    if abs(transform.turn) < 1:
        right, left, inside = _read_cells(b, a, transform.invert())
        return left, right, inside
    size = fit_size(a.width, a.height, _CELLS)
    warped, mask = warp_into_frame(a, b, b.thumbnail, a.thumbnail.shape, transform)
    lumas = [np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX)) for grey in (a.thumbnail, warped)]
    colours = [np.ascontiguousarray(b.colours[:, :, channel]) for channel in (0, 1)]
    tints = [warp_into_frame(a, b, colour, a.colours.shape[:2], transform) for colour in colours]
    cells = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    left = np.dstack([lumas[0], a.colours]).astype(np.float32)
    right = np.dstack([lumas[1], *(tint for tint, _ in tints)]).astype(np.float32)
    inside = (np.asarray(cells) == 255) & tints[0][1]
    return left, right, inside
