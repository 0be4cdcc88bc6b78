"""Hashes of what a picture shows: a few bits that copies share, to nominate pairs that are then verified.

The hash is the pHash of Zauner (Implementation and Benchmarking of Perceptual Image Hash Functions, 2010): the signs of
low frequencies of a small grey picture, here without the constant one, which says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from hashlib import blake2b
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import UsageError

BITS = 64
_EDGE = 32  # of the small picture
_HIGHEST = 10  # frequencies that are looked at, each way
_BAND = 16  # bits of a band
_MOST_PROBES = 3000
_CHUNK = 200_000  # candidates at a time: they stay in the cache

Words = NDArray[np.uint64]


class Hashes(NamedTuple):
    """64 bits each, for np.uint64: of the picture, and of its mirror image (left and right exchanged)."""

    picture: int
    mirrored: int


def perceptual(image: Image.Image) -> Hashes:
    """The hashes of an upright RGB picture. A flat one has the hash that rounding gives it: verify before you judge."""
    small = image.resize((_EDGE, _EDGE), Image.Resampling.BOX, reducing_gap=2).convert("L")
    pixels = np.asarray(small, np.float64)
    cosines, places = _basis()
    grid = cosines @ pixels @ cosines.T
    signs = np.where(np.arange(_HIGHEST) % 2, -1.0, 1.0)  # a mirror image: odd frequencies change their sign
    return Hashes(*(_bits(one[places[0], places[1]]) for one in (grid, grid * signs)))


def pixel_hash(image: Image.Image) -> bytes:
    """BLAKE2b, 20 bytes, of an upright RGB picture's size and pixels: another container or other metadata don't change
    it, and one changed pixel does."""
    head = f"{image.mode} {image.width} {image.height} ".encode()
    return blake2b(head + image.tobytes(), digest_size=20).digest()


def distance(a: Any, b: Any) -> NDArray[np.int64]:
    """Bits that differ. `a`, `b`: uint64 of any shapes that broadcast, the last axis being the words of a hash.

    A single number or a hash without that axis counts as one word: `distance(h.picture, g.picture)`.
    """
    left, right = (np.asarray(one, np.uint64) for one in (a, b))
    left, right = (one.reshape(1) if one.ndim == 0 else one for one in (left, right))
    return _count(left ^ right).sum(axis=-1, dtype=np.int64)  # type: ignore[no-any-return]


def pairs_within(hashes: Words, mirrored: Words | None, radius: int) -> NDArray[np.int64]:
    """All pairs of pictures whose hashes differ in at most `radius` bits, or one's from the other's mirror image's.

    `hashes`, `mirrored`: uint64 (n, words) or (n,); without `mirrored`, mirror images aren't looked for. Returns int64
    (m, 2), places with the smaller one first, sorted, each pair once. Complete: none is missed. Many equal hashes make
    quadratically many pairs; a caller who expects them groups equal ones first. Raises UsageError for a negative radius
    or shapes that differ.

    Multi-index hashing (Norouzi, Punjani and Fleet, CVPR 2012): hashes within r bits of each other agree up to r_b bits
    in at least one of m bands b, if the r_b add up to r - m + 1; so each band's table is asked for few keys. A radius
    that is too wide for that is answered by comparing all with all.
    """
    left = _table(hashes)
    right = left if mirrored is None else _table(mirrored)
    if radius < 0 or left.shape != right.shape:
        raise UsageError(
            f"a radius of {radius} and hashes of shapes {left.shape} and {right.shape}: give a radius of 0 or more, "
            "and as many mirrored hashes as hashes"
        )
    found = list(_join(left, left, radius))
    if mirrored is not None:
        found += list(_join(left, right, radius))
    codes = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    return np.stack(np.divmod(codes, max(len(left), 1)), axis=1)


@cache
def _basis() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The cosines, float64 (_HIGHEST, _EDGE), and the places of the 64 lowest frequencies, int64 (2, 64)."""
    waves, steps = np.arange(_HIGHEST)[:, None], np.arange(_EDGE)[None, :]
    rows, columns = np.indices((_HIGHEST, _HIGHEST)).reshape(2, -1)
    order = np.lexsort((rows, np.maximum(rows, columns), rows * rows + columns * columns))[1 : BITS + 1]
    return np.cos(np.pi * waves * (2 * steps + 1) / (2 * _EDGE)), np.stack([rows[order], columns[order]])


def _bits(values: NDArray[np.float64]) -> int:
    return int.from_bytes(np.packbits(values > np.median(values)).tobytes(), "big")


def _table(hashes: Words) -> Words:
    array = np.asarray(hashes, np.uint64)
    return np.ascontiguousarray(array[:, None] if array.ndim == 1 else array)


def _join(left: Words, right: Words, radius: int) -> Iterator[NDArray[np.int64]]:
    """Codes (smaller place * n + larger place) of pairs within the radius, some of them several times."""
    bands = left.shape[1] * 64 // _BAND
    shares = [max(-1, (radius - bands + 1 + place) // bands) for place in range(bands)]
    if sum(map(_probes, shares)) > _MOST_PROBES:
        yield from _all(left, right, radius)
        return
    for band, share in enumerate(shares):
        keys, others = (one.view(np.uint16)[:, band] for one in (left, right))
        buckets = _buckets(others)
        for mask in _masks(share):
            for i, j in _alike(keys, buckets, mask, left is right):
                yield _close(left, right, i, j, radius)


def _probes(bits: int) -> int:
    return sum(comb(_BAND, few) for few in range(bits + 1))


def _masks(bits: int) -> list[int]:
    """What a key of a band is changed by, to meet all that differ from it in at most so many bits."""
    return [sum(1 << bit for bit in chosen) for few in range(bits + 1) for chosen in combinations(range(_BAND), few)]


class _Buckets(NamedTuple):
    order: NDArray[np.int64]
    """Places in the order of their keys."""
    starts: NDArray[np.int64]
    """Where each key starts among them."""
    counts: NDArray[np.int64]


def _buckets(keys: NDArray[np.uint16]) -> _Buckets:
    counts = np.bincount(keys, minlength=2**_BAND)
    return _Buckets(np.argsort(keys, kind="stable"), np.cumsum(counts) - counts, counts)


def _alike(
    keys: NDArray[np.uint16], buckets: _Buckets, mask: int, within: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places i, j with keys[i] ^ mask == key of j, some at a time; `within` one table, each pair once."""
    wanted = keys ^ np.uint16(mask)
    asking = np.flatnonzero((buckets.counts[wanted] > 0) & ((keys <= wanted) | (not within)))
    first, count = buckets.starts[wanted[asking]], buckets.counts[wanted[asking]]
    ends = np.cumsum(count)
    cuts = np.searchsorted(ends, np.arange(_CHUNK, ends[-1] if len(ends) else 0, _CHUNK))
    for part in np.split(np.arange(len(asking)), cuts):
        many = count[part]
        i = np.repeat(asking[part], many)
        j = buckets.order[np.arange(len(i)) + np.repeat(first[part] - np.cumsum(many) + many, many)]
        once = i < j if within and not mask else i != j
        yield (i, j) if mask and within else (i[once], j[once])


def _all(left: Words, right: Words, radius: int) -> Iterator[NDArray[np.int64]]:
    rows = max(1, _CHUNK // max(1, len(right)))
    for start in range(0, len(left), rows):
        apart = distance(left[start : start + rows, None], right[None])
        i, j = np.nonzero(apart <= radius)
        yield _codes(i[i + start != j] + start, j[i + start != j], len(left))


def _close(left: Words, right: Words, i: NDArray[np.int64], j: NDArray[np.int64], radius: int) -> NDArray[np.int64]:
    apart = _count(left[i] ^ right[j])
    near = (apart[:, 0] if apart.shape[1] == 1 else apart.sum(axis=1, dtype=np.int64)) <= radius
    return _codes(i[near], j[near], len(left))


def _codes(i: NDArray[np.int64], j: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.minimum(i, j) * count + np.maximum(i, j)


def _counter() -> Callable[[Words], NDArray[np.unsignedinteger[Any]]]:
    """numpy's own since 2.0; before, by a table of 65,536."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count
    ones = np.array([value.bit_count() for value in range(2**16)], np.uint8)
    return lambda words: ones[np.ascontiguousarray(words)[..., None].view(np.uint16)].sum(-1, dtype=np.uint8)


_count = _counter()
