"""Aligned thumbnails compared block by block: whether the pixels between the points are the same too."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from indexers.matching.features import Features
from indexers.matching.geometry import SimilarityTransform

BLOCK = 8
"""Pixels of the edge of a thumbnail's block."""
_MIN_PIXELS = 64  # of the overlap
_NOISE = 6.0  # grey levels that recompression and resampling may change
_TONES = 12  # classes of brightness
_ODD = 20.0  # grey levels that a class of brightness may be off the line, and more where brightness has changed
_UNLIKE = 0.25  # what a textured block may lack of full correlation, however bright it is
_TONED = 2.0  # chroma by which the colours of a toned picture are off what their brightness says
_RECOLOURED = 20.0  # difference of colours from which on they may have been toned
_PALE = 6.0  # chroma from which a hue is seen
_COLOURFUL, _COLOURED = 0.25, 0.6  # shares of cells with a hue: that tell something; of a picture coloured all over
_ALIKE_TURNS = 6.0  # degrees, standard deviation, up to which hues were turned alike
_FARTHEST_TURN = 100.0  # degrees; farther than that a picture was recoloured, as when its channels are exchanged
_MANY_HUES, _SOME_HUES = 15.0, 4.0  # degrees by which hues differ at least, and in a picture coloured all over
GREY = 2.5  # chroma below which a picture counts as grey

Pixels = NDArray[np.float32]


class Framed(Protocol):
    """Anything that knows the width and height of its normalised picture."""

    @property
    def size(self) -> tuple[int, int]: ...


class Comparison(NamedTuple):
    """How two pictures agree when one is laid over the other.

    `overlap`: the share of the smaller one's area (in the same frame) that both show. `correlation` of the grey values
    there, -1 to 1. `agreeing`: the share of blocks whose pixels are the same. `sharpness`: correlation within the
    blocks that agree, median over those with texture (1 where there is none). `blocks` float32 (h, w): how far each
    block is from agreeing (1 is the limit, NaN outside), in the frame of the picture that shows the overlap smaller.
    `gain`, `offset`: of b's brightness over a's. `texture`: the standard deviation of the grey levels there. `colour`:
    mean difference of Cb and Cr over the fifth where it is largest, as far as neither greying nor brightening explains
    it. `moved`: 0 to .5, how much of what vanished in one place has appeared in another. `hue`: degrees by which all
    hues were turned, which explains the colours; 0 where it doesn't.
    """

    overlap: float
    correlation: float
    agreeing: float
    sharpness: float
    blocks: Pixels
    gain: float
    offset: float
    texture: float
    colour: float
    moved: float
    hue: float = 0.0

    def swap(self) -> Comparison:
        """Return the comparison of b with a; `blocks` stay in their frame."""
        return self._replace(gain=1 / self.gain, offset=-self.offset / self.gain, hue=-self.hue)


def compare_thumbnails(a: Features, b: Features, transform: SimilarityTransform) -> Comparison | None:
    """Compare the thumbnails under `transform`, from normalised `a` to `b`; None where they hardly overlap."""
    if abs(transform.turn) < 1:  # the coarser picture of what both show is the frame
        swapped = compare_thumbnails(b, a, transform.invert())
        return swapped and swapped.swap()
    warped, inside = warp_into_frame(a, b, b.thumbnail, a.thumbnail.shape, transform)
    if inside.sum() < _MIN_PIXELS:
        return None
    left, right = (_blur(pixels).astype(np.float32) for pixels in (a.thumbnail, warped))
    gain, offset, knots, values = fit_brightness(left[inside][::2], right[inside][::2])
    expected: Pixels = np.interp(left, knots, values).astype(np.float32)
    contrast = float(expected[inside].std())
    blocks, likeness = _compare_blocks(expected, right, inside, contrast, _NOISE + min(40 * abs(gain - 1), 25))
    compared = np.isfinite(blocks)
    agreeing = likeness[(blocks <= 1) & np.isfinite(likeness)]
    colour, hue = _measure_colour(a, b, transform, (gain, offset))
    return Comparison(
        _measure_overlap(a, b, transform),
        _correlate(expected[inside], right[inside]),
        float((blocks[compared] <= 1).mean()) if compared.any() else 0.0,
        float(np.median(agreeing)) if len(agreeing) else 1.0,
        blocks,
        gain,
        offset,
        min(contrast, float(right[inside].std())),
        colour,
        _measure_moved(np.where(inside, expected - right, 0), blocks),
        hue,
    )


def warp_into_frame(
    a: Framed, b: Framed, pixels: NDArray[Any], shape: tuple[int, ...], transform: SimilarityTransform
) -> tuple[Pixels, NDArray[np.bool_]]:
    """Warp a small version of `b`, `pixels` uint8 or float32 (h, w), into the frame of one of `a` of that `shape`.

    Returns its grey levels, float32 `shape`, and where they are well inside `b`, bool.
    """
    matrix = _compute_warp(a, b, pixels.shape, shape, transform)
    image = _smooth(Image.fromarray(pixels), abs(transform.turn))
    size, coefficients = (shape[1], shape[0]), tuple(matrix.ravel().tolist())
    warped = image.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(warped, np.float32), _mask_inside(
        matrix, pixels.shape, shape, 0.5 + max(1.0, abs(transform.turn))
    )


def _compute_warp(
    a: Framed, b: Framed, source: tuple[int, ...], shape: tuple[int, ...], transform: SimilarityTransform
) -> NDArray[np.float64]:
    """Return the matrix, float64 (2, 3), from a small version of `a` of that shape to one of `b` of shape `source`."""
    matrix = transform.to_matrix()
    matrix[:, :2] *= np.array(a.size) / shape[1::-1]
    return matrix * (np.array(source[1::-1]) / b.size)[:, None]


def _mask_inside(
    matrix: NDArray[np.float64], source: tuple[int, ...], shape: tuple[int, ...], margin: float
) -> NDArray[np.bool_]:
    x, y = np.arange(shape[1]) + 0.5, np.arange(shape[0])[:, None] + 0.5
    u, v = (row[0] * x + (row[1] * y + row[2]) for row in matrix)
    inside: NDArray[np.bool_] = (u >= margin) & (v >= margin) & (u <= source[1] - margin) & (v <= source[0] - margin)
    return inside


def _smooth(image: Image.Image, shrinking: float) -> Image.Image:
    if shrinking < 2:
        return image
    size = (max(1, round(image.width / shrinking)), max(1, round(image.height / shrinking)))
    return image.resize(size, Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR)


def _blur(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Remove the finest detail, which resampling changes."""
    return np.asarray(Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.BoxBlur(1)))


def fit_brightness(a: Pixels, b: Pixels) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
    """Fit how the brightness of `a` became that of `b`, float32 (n,) both.

    Returns gain, offset, and the knots and values of a rising curve. Medians of a dozen equally filled classes of `a`;
    a line through them (Theil-Sen: the median of all slopes), which classes that show something else hardly move; and
    the medians again where they are near the line.
    """
    edges = np.unique(np.quantile(a, np.linspace(0, 1, _TONES + 1)))
    place = np.clip(np.searchsorted(edges, a, side="right") - 1, 0, max(0, len(edges) - 2))
    classes = [np.flatnonzero(place == number) for number in np.unique(place)]
    tones = np.array([_find_median(a[members]) for members in classes])
    medians = np.array([_find_median(b[members]) for members in classes])
    gain, offset = _fit_line(tones, medians, np.array([len(members) for members in classes]))
    line = np.clip(gain * tones + offset, 0, 255)
    medians = np.where(np.abs(medians - line) <= _ODD + 80 * abs(gain - 1), medians, line)
    rising = (np.maximum.accumulate(medians) + np.minimum.accumulate(medians[::-1])[::-1]) / 2
    knots = np.concatenate([[0], tones, [255]])
    ends = rising[0] - gain * tones[0], rising[-1] + gain * (255 - tones[-1])
    return gain, offset, knots, np.clip(np.concatenate([ends[:1], rising, ends[1:]]), 0, 255)


def _find_median(values: Pixels) -> float:
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


def _fit_line(x: NDArray[np.float64], y: NDArray[np.float64], count: NDArray[np.int64]) -> tuple[float, float]:
    use = (y > 2) & (y < 250) if ((y > 2) & (y < 250)).sum() >= 3 else np.ones(len(y), bool)
    x, y, count = x[use], y[use], count[use]
    i, j = np.triu_indices(len(x), 1)
    wide = x[j] - x[i] >= _NOISE
    i, j = i[wide], j[wide]
    gain = _find_weighted_median((y[j] - y[i]) / (x[j] - x[i]), count[i] * count[j]) if len(i) else 1.0
    gain = min(max(gain, 0.25), 4.0)
    return gain, _find_weighted_median(y - gain * x, count)


def _find_weighted_median(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float:
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def _correlate(a: Pixels, b: Pixels) -> float:
    x, y = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    if norm < len(x):  # hardly any contrast
        return 1.0 if float(np.abs(a - b).mean()) < _NOISE else 0.0
    return float((x * y).sum()) / norm


def _compare_blocks(
    a: Pixels, b: Pixels, inside: NDArray[np.bool_], contrast: float, noise: float
) -> tuple[Pixels, Pixels]:
    """Return how far each block is from agreeing, and the correlation within it (NaN where it is flat or outside)."""
    count = np.maximum(_sum_blocks(inside.astype(np.float32)), 1e-6)
    means = [_sum_blocks(np.where(inside, values, 0)) / count for values in (a, b)]
    squares = [_sum_blocks(np.where(inside, x * y, 0)) / count for x, y in ((a, a), (b, b), (a, b))]
    errors = squares[0] + squares[1] - 2 * squares[2]
    variances = [np.maximum(square - mean * mean, 0) for square, mean in zip(squares, means, strict=False)]
    covariance = squares[2] - means[0] * means[1]
    limit = noise**2 + (0.15 * contrast) ** 2 + 0.3 * np.minimum(variances[0], variances[1])
    outside = count < BLOCK * BLOCK / 2
    textured = (variances[0] > 4 * _NOISE**2) & (variances[1] > 4 * _NOISE**2) & ~outside
    likeness = np.where(textured, covariance / np.sqrt(np.maximum(variances[0] * variances[1], 1e-6)), np.nan)
    blocks = np.fmin(np.maximum(errors, 0) / limit, (1 - likeness) / _UNLIKE)
    blocks[outside] = np.nan
    return blocks.astype(np.float32), likeness.astype(np.float32)


def _measure_moved(difference: Pixels, blocks: Pixels) -> float:
    """Measure how much of what vanished in one place appeared in another.

    What moves is bright in the difference in one place and dark in the other, or the other way round: the most negative
    value of the autocorrelation of the blocks that don't agree, beyond a block's width.
    """
    disagreeing = np.kron(np.nan_to_num(blocks) > 1, np.ones((BLOCK, BLOCK)))
    changes = (difference * disagreeing[: difference.shape[0], : difference.shape[1]]).astype(np.float32)
    energy = float((changes * changes).sum())
    if energy < BLOCK * BLOCK * _NOISE**2:
        return 0.0
    shape = tuple(2 * edge for edge in changes.shape)
    spectrum = np.fft.rfft2(changes, shape)
    autocorrelation = np.fft.irfft2(spectrum * np.conj(spectrum), shape)
    for rows in (slice(BLOCK), slice(-BLOCK, None)):
        autocorrelation[rows, :BLOCK] = autocorrelation[rows, -BLOCK:] = 0
    return float(-autocorrelation.min()) / energy


def _sum_blocks(values: Pixels) -> Pixels:
    """Sum over each block; the last ones reach past the edge."""
    height, width = (-(-edge // BLOCK) * BLOCK for edge in values.shape)
    padded = np.zeros((height, width), np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    sums: Pixels = padded.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).sum(axis=(1, 3))
    return sums


def mask_covered(a: Features, b: Features, transform: SimilarityTransform, margin: float = 0) -> NDArray[np.bool_]:
    """Return which pixels of a's thumbnail `b` shows too, at least `margin` of its thumbnail's pixels from its edge."""
    shapes = b.thumbnail.shape, a.thumbnail.shape
    return _mask_inside(_compute_warp(a, b, *shapes, transform), *shapes, margin)


def _measure_overlap(a: Features, b: Features, transform: SimilarityTransform) -> float:
    """Return the share of the smaller area, as `a` sees both, that both show."""
    inside = mask_covered(a, b, transform)
    area_a = float(a.size[0] * a.size[1])
    area_b = float(b.size[0] * b.size[1]) / float(abs(transform.turn)) ** 2
    return min(1.0, float(inside.mean()) * area_a / min(area_a, area_b))


def is_toned(picture: Features) -> bool:
    """Return True if a picture is grey, or its colours follow from its brightness, as in sepia."""
    if picture.chroma < GREY:
        return True
    rows, columns, _ = picture.colours.shape
    small = Image.fromarray(picture.thumbnail).resize((columns, rows), Image.Resampling.BOX)
    tones = np.asarray(small, np.float64).ravel() / 128 - 1
    design = np.stack([np.ones_like(tones), tones, tones**2], axis=1)
    colours = picture.colours.reshape(-1, 2).astype(np.float64)
    solution, *_ = np.linalg.lstsq(design, colours, rcond=None)
    return float(np.abs(colours - design @ solution).mean()) < _TONED


def _measure_colour(
    a: Features, b: Features, transform: SimilarityTransform, brightness: tuple[float, float]
) -> tuple[float, float]:
    """Return the mean over the fifth where colours, which may have grown with the brightness, differ most.

    Where only one picture is grey or toned: by how many grey levels brightness and contrast were changed besides. Where
    all hues were turned alike: 0. Second, the degrees by which they were.
    """
    changed = 128 * abs(brightness[0] - 1) + abs(brightness[1] + 128 * (brightness[0] - 1))
    if min(a.chroma, b.chroma) < GREY:
        return (0.0 if max(a.chroma, b.chroma) < 2 * GREY else changed), 0.0
    channels: list[tuple[Pixels, Pixels]] = []
    for channel in range(2):
        left = a.colours[:, :, channel].astype(np.float32) - 128
        right, inside = warp_into_frame(a, b, np.ascontiguousarray(b.colours[:, :, channel]), left.shape, transform)
        channels.append((left[inside], right[inside] - 128))
    differences = [
        np.minimum(*(np.abs(gain * left - right) for gain in (1.0, brightness[0]))) for left, right in channels
    ]
    worst = np.sort(np.hypot(*differences))[-max(1, len(differences[0]) // 5) :]
    colour = float(worst.mean()) if len(worst) else 0.0
    if colour <= _RECOLOURED:
        return colour, 0.0
    (blue, other_blue), (red, other_red) = channels
    hue = _find_hue_turn(blue + 1j * red, other_blue + 1j * other_red)
    if hue:
        return 0.0, hue
    return (changed if colour > changed and is_toned(a) != is_toned(b) else colour), 0.0


def _find_hue_turn(a: NDArray[np.complex64], b: NDArray[np.complex64]) -> float:
    """Return by how many degrees all hues were turned alike between colours, complex64 (n,) both; 0 if they weren't.

    Of one hue in a part of the picture nothing is said: that may be a thing of another colour.
    """
    weights = np.minimum(np.abs(a), np.abs(b))
    seen = weights > _PALE
    share = float(seen.mean()) if len(a) else 0.0
    if share < _COLOURFUL:
        return 0.0
    turn, deviation = _average_directions(b[seen] / a[seen], weights[seen])
    spread = min(_average_directions(colours[seen], weights[seen])[1] for colours in (a, b))
    has_many_hues = spread >= (_SOME_HUES if share >= _COLOURED else _MANY_HUES)
    is_filtered = abs(turn) <= _FARTHEST_TURN and deviation <= _ALIKE_TURNS
    return turn if is_filtered and has_many_hues else 0.0


def _average_directions(values: NDArray[np.complex64], weights: Pixels) -> tuple[float, float]:
    """Return the mean direction of complex numbers and its circular standard deviation, in degrees."""
    mean = complex((values / np.abs(values) * weights).sum() / weights.sum())
    return float(np.degrees(np.angle(mean))), float(np.degrees(np.sqrt(-2 * np.log(min(max(abs(mean), 1e-6), 1.0)))))
