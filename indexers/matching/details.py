"""Aligned pictures compared where something is drawn, at a resolution at which strokes of writing are seen.

Different papers of one form agree in most of their area, which is blank, and in the form. So each block in which there
is contrast has to be explained by the other picture: a least-squares fit of its pixels by those of the other, their
slopes (which allow for a shift of a pixel, as in Lucas and Kanade, 1981) and a constant. What is left unexplained has
been drawn anew, or added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from indexers.matching.comparing import warp_into_frame
from indexers.matching.features import Features, decode_detail
from indexers.matching.geometry import SimilarityTransform
from indexers.matching.resolution import shrink

BLOCK = 16
"""Pixels of the edge of a block of the stored picture."""
CONTRAST = 12.0
"""Grey levels, standard deviation, from which on something is drawn in a block."""
UNEXPLAINED = 0.5
"""The share of a block's variance from which on the other picture doesn't explain it."""
_BLANK = 4.0  # grey levels, standard deviation, below which nothing is drawn
_STRONG = 40.0  # grey levels from which more contrast makes a difference no clearer
_MIN_PIXELS = 1024  # of the overlap
_STEEPNESS = 4.0  # grey levels squared, added to the variances of what explains a block, against noise
_LARGEST_STEP = 1.5  # pixels that a block may be shifted
_DIFFERENT = 24  # grey levels by which pixels differ that show something else
_LIGHT = 6.0  # grey levels from which on a picture counts as brighter or darker
_CLIPPED = 60  # grey levels that brightening makes white or black
_NARROW = 8  # grey levels on either side of a colour
_LEAST_AROUND = 12  # blocks that agree around what was drawn over a picture
_STRIP = 0.35  # the share of the height, or width, that a bar covers at most
_ACROSS = 0.6  # the share of the width, or height, over which it differs at least
_EDGE = 12  # grey levels between a bar and what is below it
_CUT = 0.04  # the share of the width in which a bar cuts off what is drawn
_EVEN = 8.0  # grey levels, standard deviation, below which a row has one colour
_MARGINS = 0.2  # the share of such rows in a bar
_PLAIN = 0.9  # the share of them on a ground on which nothing is written
_BLACK_ON_WHITE = 150  # grey levels between the darkest and the brightest pixel of a block of large letters
_MOST = 0.75  # the share of blocks with letters that have them
_RICH = 0.35  # the share of all blocks that agree around letters
_TWO_TONES, _MANY_TONES = 0.75, 0.7  # shares of two grey levels in a bar with words, and in a picture
_STROKES = 0.9  # changes between dark and bright along a line of a block with letters; the rim of a thing has .65
_COMMON = 0.4  # the share of two bars in which both have their ground
_TEXTURE = 4.0  # grey levels, standard deviation, of what shows between letters on a picture

Blocks = NDArray[np.float32]


class DetailComparison(NamedTuple):
    """What agrees of what is drawn.

    `contrast` float32 (h, w): the standard deviation of each block of the coarser picture's frame, in the picture where
    it is larger, NaN outside the overlap. `unexplained` float32 (h, w): the share of that variance which the other
    picture doesn't explain. `drawn`: blocks of both in which something is drawn; `differing`: those of them that are
    not explained. `worst`: grey levels that the worst block leaves unexplained, at most 40. `cover`: what was drawn
    over one picture where they differ: a "bar" with words, large "letters", or "" for neither.
    """

    contrast: Blocks
    unexplained: Blocks
    drawn: int
    differing: int
    worst: float
    cover: Literal["", "bar", "letters"]

    @property
    def is_covered(self) -> bool:
        """True if what differs was drawn over one picture."""
        return self.cover != ""

    @property
    def share(self) -> float:
        """The share of what is drawn that differs."""
        return self.differing / max(self.drawn, 1)

    @property
    def blank(self) -> float:
        """The share of the overlap in which nothing at all is drawn."""
        return float((self.contrast < _BLANK).sum()) / max(int(np.isfinite(self.contrast).sum()), 1)

    @property
    def coverage(self) -> float:
        """The share of the overlap in which something is drawn."""
        return self.drawn / max(int(np.isfinite(self.contrast).sum()), 1)


def compare_details(
    a: Features,
    b: Features,
    transform: SimilarityTransform,
    brightness: tuple[float, float] = (1.0, 0.0),
    resolution: float = 1.0,
) -> DetailComparison | None:
    """Compare the stored pictures under `transform`, from normalised `a` to `b`; None where they hardly overlap.

    `brightness`: gain and offset of b's grey levels over a's, as `compare_thumbnails` finds them. `resolution`: the
    share of their edges to which the stored pictures are shrunk before.
    """
    gain, offset = brightness
    if abs(transform.turn) < 1:  # the coarser picture of what both show is the frame
        return compare_details(b, a, transform.invert(), (1 / gain, -offset / gain), resolution)
    target, source = (shrink(decode_detail(picture), resolution) for picture in (a, b))
    warped, inside = warp_into_frame(a, b, source, target.shape, transform)
    if inside.sum() < _MIN_PIXELS:
        return None
    left, right = (_blur(pixels).astype(np.float32) for pixels in (target, warped))
    if gain > 1:  # the darker picture is brightened, so that what is white in the brighter one is so in both
        left = np.clip(gain * left + offset, 0, 255)
    else:
        right = np.clip((right - offset) / gain, 0, 255)
    if abs(offset + 128 * (gain - 1)) > _LIGHT:
        _ignore_clipped(left, right)
    covered = _count_pixels(inside)
    contrast = _measure_contrast(left, right, inside, np.maximum(covered, 1))
    contrast[covered < BLOCK * BLOCK / 2] = np.nan
    drawn = np.nan_to_num(contrast) > CONTRAST + min(40 * abs(gain - 1), 25)
    blocks = _cut_into_blocks(left, right, inside, drawn)
    unexplained = np.zeros(len(drawn), np.float32)
    unexplained[drawn] = _explain_blocks(blocks, covered[drawn])
    differing = unexplained > UNEXPLAINED
    worst = float((unexplained * np.minimum(contrast, _STRONG))[differing].max(initial=0))
    shape = -(-target.shape[0] // BLOCK), -(-target.shape[1] // BLOCK)
    return DetailComparison(
        contrast.reshape(shape),
        unexplained.reshape(shape),
        int(drawn.sum()),
        int(differing.sum()),
        worst,
        _find_cover(left, right, blocks[differing[drawn]], drawn, differing) if differing.any() else "",
    )


def _blur(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Remove the finest detail, which resampling changes."""
    return np.asarray(Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.BoxBlur(1)))


def _ignore_clipped(a: Blocks, b: Blocks) -> None:
    """Make two pictures equal where one is white or black and the other nearly so: brightening has removed the rest."""
    for first, second in ((a, b), (b, a)):
        lost = ((first > 250) & (second > 250 - _CLIPPED)) | ((first < 5) & (second < 5 + _CLIPPED))
        second[lost] = first[lost]


def _measure_contrast(a: Blocks, b: Blocks, inside: NDArray[np.bool_], count: NDArray[np.float32]) -> Blocks:
    """Return the larger of both standard deviations within each block, row by row, float32 (n,)."""
    strongest = np.zeros(len(count), np.float32)
    for pixels in (a, b):
        values = np.where(inside, pixels - 128, np.float32(0))
        mean = _sum_blocks(values) / count
        np.maximum(strongest, _sum_blocks(values * values) / count - mean * mean, out=strongest)
    return np.sqrt(strongest)


def _sum_blocks(values: Blocks) -> Blocks:
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], BLOCK), axis=0)
    sums: Blocks = np.add.reduceat(rows, np.arange(0, values.shape[1], BLOCK), axis=1).ravel()
    return sums


def _cut_into_blocks(a: Blocks, b: Blocks, inside: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Blocks:
    """Return for each wanted block, row by row, the pixels of a, their slopes to the right and down, and those of b.

    float32 (n, 6, 256): grey levels less 128, 0 outside and where the last blocks reach past the edge.
    """
    height, width = inside.shape
    rows, across = np.divmod(np.flatnonzero(wanted), -(-width // BLOCK))
    margins = [(1, 1 - edge % -BLOCK) for edge in (height, width)]
    blocks = np.empty((len(rows), 6, BLOCK, BLOCK), np.float32)
    for place, pixels in ((0, a), (3, b)):
        cut = _cut_patches(np.pad(pixels, margins, mode="edge"), rows, across)
        blocks[:, place] = cut[:, 1:-1, 1:-1] - 128
        blocks[:, place + 1] = (cut[:, 1:-1, 2:] - cut[:, 1:-1, :-2]) / 2
        blocks[:, place + 2] = (cut[:, 2:, 1:-1] - cut[:, :-2, 1:-1]) / 2
    if not inside.all() or height % BLOCK or width % BLOCK:
        blocks *= _cut_patches(np.pad(inside, margins), rows, across)[:, None, 1:-1, 1:-1]
    return blocks.reshape(-1, 6, BLOCK * BLOCK)


def _cut_patches(padded: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[Any]:
    """Return blocks with a pixel around each, (n, BLOCK + 2, BLOCK + 2), of a picture with a pixel around it."""
    windows = np.lib.stride_tricks.sliding_window_view(padded, (BLOCK + 2, BLOCK + 2))
    return windows[rows * BLOCK, columns * BLOCK]


def _count_pixels(inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how many pixels of each block are inside, float32 (n,)."""
    return _sum_blocks(inside.astype(np.float32))


def _explain_blocks(blocks: Blocks, count: NDArray[np.float32]) -> Blocks:
    """Return the share of each block's variance that stays unexplained, where it is larger, float32 (n,)."""
    means = blocks.sum(axis=2) / count[:, None]
    covariance = blocks @ blocks.swapaxes(1, 2) / count[:, None, None] - means[:, :, None] * means[:, None, :]
    variances = np.maximum(covariance[:, [0, 3], [0, 3]], 1e-3)
    left = np.stack([_leave_unexplained(covariance, 3, 0), _leave_unexplained(covariance, 0, 3)], axis=1)
    rows, stronger = np.arange(len(blocks)), variances.argmax(axis=1)
    share: Blocks = np.clip(left[rows, stronger] / variances[rows, stronger], 0, 1)
    return share


def _leave_unexplained(covariance: Blocks, source: int, target: int) -> Blocks:
    """Return the variance of column `target` that columns source, source + 1 and source + 2 leave, float32 (n,)."""
    within = covariance[:, source : source + 3, source : source + 3]
    between = covariance[:, source : source + 3, target]
    weights = np.linalg.solve(within + _STEEPNESS * np.eye(3, dtype=np.float32), between[..., None])[..., 0]
    weights[:, 1:] = np.clip(weights[:, 1:], -_LARGEST_STEP, _LARGEST_STEP)
    explained = 2 * (weights * between).sum(axis=1) - ((weights[:, None] @ within)[:, 0] * weights).sum(axis=1)
    left: Blocks = np.maximum(covariance[:, target, target] - explained, 0)
    return left


def _find_cover(
    a: Blocks, b: Blocks, blocks: Blocks, drawn: NDArray[np.bool_], differing: NDArray[np.bool_]
) -> Literal["", "bar", "letters"]:
    """Return what was drawn over one picture, and not over the other, in the blocks that differ; "" for neither.

    `a`, `b`: grey levels float32 (h, w); `drawn` and `differing` say so of each block, bool (n,); `blocks`: the
    differing ones, as of `_cut_into_blocks`.
    """
    if drawn.sum() - differing.sum() < _LEAST_AROUND:
        return ""
    shape = -(-a.shape[0] // BLOCK), -(-a.shape[1] // BLOCK)
    changed = differing.reshape(shape)
    if _has_bar(a, b, changed) or _has_bar(a.T, b.T, changed.T):
        return "bar"
    ranges = np.ptp(blocks[:, [0, 3]], axis=2)
    letters = int(np.median(ranges[:, 1] - ranges[:, 0]) > 0)
    below = blocks[:, 0 if letters else 3]
    is_lettered = (
        (drawn & ~differing).sum() >= _RICH * drawn.size
        and (ranges[:, letters] >= _BLACK_ON_WHITE).mean() >= _MOST
        and np.quantile(ranges[:, 1 - letters], _MOST) < _BLACK_ON_WHITE
        and (below.std(axis=1) >= _TEXTURE).mean() >= _MOST
        and _count_strokes(blocks[:, 3 if letters else 0]) >= _STROKES
    )
    return "letters" if is_lettered else ""


def _count_strokes(blocks: Blocks) -> float:
    """Return how often a line across a block, or down, goes from dark to bright or back, the median over the blocks."""
    pixels = blocks.reshape(-1, BLOCK, BLOCK)
    is_bright = pixels > ((pixels.max(axis=(1, 2)) + pixels.min(axis=(1, 2))) / 2)[:, None, None]
    changes = [np.diff(is_bright, axis=axis).sum(axis=(1, 2)) for axis in (1, 2)]
    return float(np.median(changes[0] + changes[1])) / (2 * BLOCK)


def _has_bar(a: Blocks, b: Blocks, changed: NDArray[np.bool_]) -> bool:
    """Return True if the blocks that differ, bool (h, w), are a bar across the top or foot of one of the pictures."""
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    height, width = changed.shape
    at_top = bool(rows[0] <= 1)
    is_strip = (at_top or rows[-1] >= height - 2) and len(range(rows[0], rows[-1] + 1)) <= max(2, _STRIP * height)
    if not is_strip or len(columns) < _ACROSS * width:
        return False
    first, last = rows[0] * BLOCK, min((rows[-1] + 1) * BLOCK, len(a))
    if not at_top:  # so that the picture's edge comes first
        a, b, first, last = a[::-1], b[::-1], len(a) - last, len(a) - first
    bars = _find_bar(a, b, first, last), _find_bar(b, a, first, last)
    if all(bar is not None for bar in bars):  # only one of them may be a ground with writing
        if _share_ground(a[first:last], b[first:last], bars):
            return False
        tones = sorted(_measure_purity(pixels[first:last].ravel(), 2) for pixels in (a, b))
        plain = [(pixels[first:last].std(axis=1) < _EVEN).mean() >= _PLAIN for pixels in (a, b)]
        return sum(plain) == 1 or (tones[0] < _MANY_TONES and tones[1] >= _TWO_TONES)
    for bar, pixels in zip(bars, (b, a), strict=True):
        if bar is not None:
            other = pixels[first:last][bar.margins]
            seen = (other.std(axis=1) >= _EVEN) | (np.abs(other.mean(axis=1) - bar.level) > _DIFFERENT)
            return bar.cuts or bool(seen.mean() >= _PLAIN)
    return False


def _share_ground(a: Blocks, b: Blocks, bars: Sequence[_Bar | None]) -> bool:
    """Return True if two bars of one colour are both written on, as in memes of one template."""
    levels = [bar.level for bar in bars if bar is not None]
    are_written = [(pixels.std(axis=1) < _EVEN).mean() < _PLAIN for pixels in (a, b)]
    grounds = [np.abs(pixels - level) < _EVEN for pixels, level in zip((a, b), levels, strict=True)]
    return all(are_written) and abs(levels[0] - levels[1]) < _EVEN and bool((grounds[0] & grounds[1]).mean() >= _COMMON)


class _Bar(NamedTuple):
    """A bar: its grey level, which rows are its margins, and whether it cuts off what goes on in the other picture."""

    level: float
    margins: NDArray[np.bool_]
    cuts: bool


def _find_bar(pixels: Blocks, partner: Blocks, first: int, last: int) -> _Bar | None:
    """Return the bar in the rows from `first` to `last` of a picture.

    Rows between the lines of a bar have one colour all across. Below it the picture looks otherwise; or, on a ground of
    the same colour, what is drawn is cut off there, and goes on in the other picture.
    """
    strip = pixels[first:last]
    flat = strip.std(axis=1) < _EVEN
    level = float(np.median(strip[flat])) if flat.any() else 0.0
    margins = flat & (np.abs(strip.mean(axis=1) - level) < _EVEN)
    if margins.sum() < _MARGINS * len(strip):
        return None
    end = first + int(np.flatnonzero(margins)[-1])
    below = np.abs(pixels[end + 4 : end + 7] - level)  # blurring has widened the edge
    if not len(below):
        return None
    ink = below[0] > _DIFFERENT
    cuts = ink.mean() >= _CUT and (np.abs(partner[end - 1, ink] - level) > _DIFFERENT).mean() >= _MOST
    return _Bar(level, margins, bool(cuts)) if cuts or (below > _EDGE).mean() >= 0.5 else None


def _measure_purity(values: NDArray[np.float32], colours: int) -> float:
    """Return the share of grey levels that are near one of the most frequent ones, `colours` of them."""
    counts = np.bincount(values.astype(np.int64).clip(0, 255), minlength=256)
    share = 0.0
    for _ in range(colours):
        sums = np.convolve(counts, np.ones(2 * _NARROW + 1, np.int64), "same")
        place = int(sums.argmax())
        share += sums[place] / len(values)
        counts[max(0, place - _NARROW) : place + _NARROW + 1] = 0
    return float(share)
