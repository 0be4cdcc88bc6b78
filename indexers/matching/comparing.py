"""Aligned thumbnails, block by block: what points can't say, whether the pixels between them are the same too."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from indexers.matching.features import Features
from indexers.matching.geometry import Similarity

BLOCK = 8
"""Pixels of a thumbnail's block, each way."""
_FEWEST = 64  # pixels that have to overlap
_NOISE = 6.0  # grey levels that recompression and resampling may change
_TONES = 12
_ODD = 20.0  # grey levels that a class may be off the line, and more where brightness has changed
_UNLIKE = 0.25  # what a block with texture may lack of full correlation, however bright it is
GREY = 2.5  # chroma below which a picture counts as grey

Pixels = NDArray[np.float32]


class Comparison(NamedTuple):
    """Two pictures laid over each other.

    `overlap`: the share of the smaller area (where they lie over each other) that both show; `correlation` of the grey
    values there, -1 to 1; `agreeing`: share of the blocks whose pixels are the same; `sharpness`: correlation within
    the blocks that agree, median over those with texture (1 where there is none); `blocks` float32 (h, w), how far each
    block is from agreeing (1 is the limit, NaN outside), in the frame of the one that shows it smaller; `gain`,
    `offset`: of b's brightness over a's; `texture`: grey levels, the standard deviation there; `colour`: mean
    difference of Cb and Cr where it is largest (a fifth), as far as neither greying nor brightening explains it.
    `moved`: 0 to .5, how much of what vanished in one place has come up in another.
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

    def inverse(self) -> Comparison:
        """The same of b and a; `blocks` stay in their frame."""
        return self._replace(gain=1 / self.gain, offset=-self.offset / self.gain)


def compare(a: Features, b: Features, similarity: Similarity) -> Comparison | None:
    """What the thumbnails say about `similarity`, from normalised `a` to `b`; None where they hardly overlap."""
    if abs(similarity.turn) < 1:  # the coarser picture of what both show is the frame
        back = compare(b, a, similarity.inverse())
        return back and back.inverse()
    other, inside = laid_over(a, b, b.thumbnail, a.thumbnail.shape, similarity)
    if inside.sum() < _FEWEST:
        return None
    one, other = (_blurred(pixels).astype(np.float32) for pixels in (a.thumbnail, other))
    gain, offset, knots, values = light(one[inside][::2], other[inside][::2])
    expected: Pixels = np.interp(one, knots, values).astype(np.float32)
    contrast = float(expected[inside].std())
    blocks, likeness = _blocks(expected, other, inside, contrast, _NOISE + min(40 * abs(gain - 1), 25))
    seen = np.isfinite(blocks)
    good = likeness[(blocks <= 1) & np.isfinite(likeness)]
    return Comparison(
        _overlap(a, b, similarity),
        _correlation(expected[inside], other[inside]),
        float((blocks[seen] <= 1).mean()) if seen.any() else 0.0,
        float(np.median(good)) if len(good) else 1.0,
        blocks,
        gain,
        offset,
        min(contrast, float(other[inside].std())),
        _colour(a, b, similarity, (gain, offset)),
        _moved(np.where(inside, expected - other, 0), blocks),
    )


def laid_over(
    a: Features, b: Features, pixels: NDArray[Any], shape: tuple[int, ...], similarity: Similarity
) -> tuple[Pixels, NDArray[np.bool_]]:
    """A small version of `b`, `pixels` uint8 or float32 (h, w), in the frame of a small version of `a` of that `shape`:
    float32, and where they are well inside `b`."""
    matrix = _between(a, b, pixels.shape, shape, similarity)
    image = _smoothed(Image.fromarray(pixels), abs(similarity.turn))
    size = (shape[1], shape[0])
    laid = image.transform(size, Image.Transform.AFFINE, tuple(matrix.ravel().tolist()), Image.Resampling.BILINEAR)
    return np.asarray(laid, np.float32), _inside(matrix, pixels.shape, shape, 0.5 + max(1.0, abs(similarity.turn)))


def _between(
    a: Features, b: Features, pixels: tuple[int, ...], shape: tuple[int, ...], similarity: Similarity
) -> NDArray[np.float64]:
    """The similarity, float64 (2, 3), from a small version of `a` of that shape to one of `b` of the shape `pixels`."""
    matrix = similarity.matrix()
    matrix[:, :2] *= np.array(a.size) / shape[1::-1]
    return matrix * (np.array(pixels[1::-1]) / b.size)[:, None]


def _inside(
    matrix: NDArray[np.float64], pixels: tuple[int, ...], shape: tuple[int, ...], margin: float
) -> NDArray[np.bool_]:
    x, y = np.arange(shape[1]) + 0.5, np.arange(shape[0])[:, None] + 0.5
    u, v = (row[0] * x + row[1] * y + row[2] for row in matrix)
    inside: NDArray[np.bool_] = (u >= margin) & (v >= margin) & (u <= pixels[1] - margin) & (v <= pixels[0] - margin)
    return inside


def _smoothed(image: Image.Image, shrinking: float) -> Image.Image:
    if shrinking < 2:
        return image
    size = (max(1, round(image.width / shrinking)), max(1, round(image.height / shrinking)))
    return image.resize(size, Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR)


def _blurred(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Without what resampling leaves of the finest detail."""
    return np.asarray(Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.BoxBlur(1)))


def light(one: Pixels, other: Pixels) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
    """How brightness was changed: gain, offset, and a rising curve as its knots over `one` and in `other`.

    Medians of a dozen equally filled classes of `one`; a line through them (Theil-Sen: the median of all slopes), which
    those that show something else hardly move; and the medians again where they are near the line.
    """
    edges = np.unique(np.quantile(one, np.linspace(0, 1, _TONES + 1)))
    place = np.clip(np.searchsorted(edges, one, side="right") - 1, 0, max(0, len(edges) - 2))
    classes = [np.flatnonzero(place == number) for number in np.unique(place)]
    low = np.array([_middle(one[members]) for members in classes])
    high = np.array([_middle(other[members]) for members in classes])
    gain, offset = _line(low, high, np.array([len(members) for members in classes]))
    line = np.clip(gain * low + offset, 0, 255)
    high = np.where(np.abs(high - line) <= _ODD + 80 * abs(gain - 1), high, line)
    rising = (np.maximum.accumulate(high) + np.minimum.accumulate(high[::-1])[::-1]) / 2
    knots = np.concatenate([[0], low, [255]])
    ends = rising[0] - gain * low[0], rising[-1] + gain * (255 - low[-1])
    return gain, offset, knots, np.clip(np.concatenate([ends[:1], rising, ends[1:]]), 0, 255)


def _middle(values: Pixels) -> float:
    return float(np.partition(values, len(values) // 2)[len(values) // 2])


def _line(x: NDArray[np.float64], y: NDArray[np.float64], count: NDArray[np.int64]) -> tuple[float, float]:
    use = (y > 2) & (y < 250) if ((y > 2) & (y < 250)).sum() >= 3 else np.ones(len(y), bool)
    x, y, count = x[use], y[use], count[use]
    i, j = np.triu_indices(len(x), 1)
    wide = x[j] - x[i] >= _NOISE
    i, j = i[wide], j[wide]
    gain = _median((y[j] - y[i]) / (x[j] - x[i]), count[i] * count[j]) if len(i) else 1.0
    gain = min(max(gain, 0.25), 4.0)
    return gain, _median(y - gain * x, count)


def _median(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float:
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def _correlation(one: Pixels, other: Pixels) -> float:
    x, y = one - one.mean(), other - other.mean()
    below = float(np.sqrt((x * x).sum() * (y * y).sum()))
    if below < len(x):  # hardly any contrast
        return 1.0 if float(np.abs(one - other).mean()) < _NOISE else 0.0
    return float((x * y).sum()) / below


def _blocks(
    one: Pixels, other: Pixels, inside: NDArray[np.bool_], contrast: float, noise: float
) -> tuple[Pixels, Pixels]:
    """How far each block is from agreeing, and the correlation within it (NaN where a block is flat or outside)."""
    count = np.maximum(_sums(inside.astype(np.float32)), 1e-6)
    means = [_sums(np.where(inside, values, 0)) / count for values in (one, other)]
    squares = [_sums(np.where(inside, x * y, 0)) / count for x, y in ((one, one), (other, other), (one, other))]
    errors = squares[0] + squares[1] - 2 * squares[2]
    variances = [np.maximum(square - mean * mean, 0) for square, mean in zip(squares, means, strict=False)]
    covariance = squares[2] - means[0] * means[1]
    limit = noise**2 + (0.15 * contrast) ** 2 + 0.3 * np.minimum(variances[0], variances[1])
    outside = count < BLOCK * BLOCK / 2
    textured = (variances[0] > 4 * _NOISE**2) & (variances[1] > 4 * _NOISE**2) & ~outside
    likeness = np.where(textured, covariance / np.sqrt(np.maximum(variances[0] * variances[1], 1e-6)), np.nan)
    apart = np.fmin(np.maximum(errors, 0) / limit, (1 - likeness) / _UNLIKE)
    apart[outside] = np.nan
    return apart.astype(np.float32), likeness.astype(np.float32)


def _moved(apart: Pixels, blocks: Pixels) -> float:
    """What moves from here to there is bright in the difference here and dark there, or the other way round: the most
    negative value of the autocorrelation of the blocks that don't agree, beyond a block's width."""
    odd = np.kron(np.nan_to_num(blocks) > 1, np.ones((BLOCK, BLOCK)))[: apart.shape[0], : apart.shape[1]]
    left = (apart * odd).astype(np.float32)
    energy = float((left * left).sum())
    if energy < BLOCK * BLOCK * _NOISE**2:
        return 0.0
    shape = tuple(2 * edge for edge in left.shape)
    spectrum = np.fft.rfft2(left, shape)
    found = np.fft.irfft2(spectrum * np.conj(spectrum), shape)
    found[:BLOCK, :BLOCK] = found[-BLOCK:, :BLOCK] = found[:BLOCK, -BLOCK:] = found[-BLOCK:, -BLOCK:] = 0
    return float(-found.min()) / energy


def _sums(values: Pixels) -> Pixels:
    """Over blocks; the last ones reach past the edge."""
    height, width = (-(-edge // BLOCK) * BLOCK for edge in values.shape)
    padded = np.zeros((height, width), np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    sums: Pixels = padded.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).sum(axis=(1, 3))
    return sums


def covered(a: Features, b: Features, similarity: Similarity, margin: float = 0) -> NDArray[np.bool_]:
    """Which pixels of a's thumbnail `b` shows too, at least `margin` of its thumbnail's pixels from its edge."""
    shapes = b.thumbnail.shape, a.thumbnail.shape
    return _inside(_between(a, b, *shapes, similarity), *shapes, margin)


def _overlap(a: Features, b: Features, similarity: Similarity) -> float:
    """Of the smaller of both areas, as the first sees them."""
    inside = covered(a, b, similarity)
    area_a = float(a.size[0] * a.size[1])
    area_b = float(b.size[0] * b.size[1]) / float(abs(similarity.turn)) ** 2
    return min(1.0, float(inside.mean()) * area_a / min(area_a, area_b))


def _colour(a: Features, b: Features, similarity: Similarity, brightness: tuple[float, float]) -> float:
    """Mean over the fifth where colours, which may have grown with the brightness, differ most. Where only one picture
    is grey: how much the other's brightness and contrast would have been changed beside, in grey levels."""
    if min(a.chroma, b.chroma) < GREY:
        grey = max(a.chroma, b.chroma) < 2 * GREY
        return 0.0 if grey else 128 * abs(brightness[0] - 1) + abs(brightness[1] + 128 * (brightness[0] - 1))
    apart: list[Pixels] = []
    for channel in range(2):
        one = a.colours[:, :, channel].astype(np.float32) - 128
        colours = np.ascontiguousarray(b.colours[:, :, channel])
        other, inside = laid_over(a, b, colours, one.shape, similarity)
        apart.append(np.minimum(*(np.abs(gain * one - other + 128)[inside] for gain in (1.0, brightness[0]))))
    worst = np.sort(np.hypot(*apart))[-max(1, len(apart[0]) // 5) :]
    return float(worst.mean()) if len(apart[0]) else 0.0
