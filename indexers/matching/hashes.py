"""Hashes of what a picture shows: a few bits that duplicates share, to nominate pairs that are then verified.

The hash is the pHash of Zauner (Implementation and Benchmarking of Perceptual Image Hash Functions, 2010): the signs of
the low frequencies of a small grey picture, here without the constant one, which says nothing.
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
_EDGE = 32  # pixels of the small picture
_FREQUENCIES = 10  # in each direction
_BAND_BITS = 16
_MAX_PROBES = 3000
_BAND_ROWS = 256  # of pixels that are hashed at a time
_CHUNK = 200_000  # candidates at a time: they stay in the processor's cache

Words = NDArray[np.uint64]


VIEWS = 8
"""Ways to lay a picture down: turned by quarters, and mirrored besides."""


def hash_picture(image: Image.Image) -> tuple[int, ...]:
    """Return the hashes of an upright RGB picture in all VIEWS, 64 bits each, for np.uint64.

    The first is that of the picture, the second that of its mirror image (left for right), and the first four are those
    of all pictures that are as wide as this one. A flat picture's bits are rounding noise: verify before you judge.
    """
    small = image.resize((_EDGE, _EDGE), Image.Resampling.BOX, reducing_gap=2).convert("L")
    pixels = np.asarray(small, np.float64)
    cosines, (rows, columns) = _compute_basis()
    spectrum = cosines @ pixels @ cosines.T
    odd = np.where(np.arange(_FREQUENCIES) % 2, -1.0, 1.0)  # in a mirror image odd frequencies change their sign
    signs = np.ones((_FREQUENCIES, 1)), odd[:, None]
    views = [table * sign.T * down for table in (spectrum, spectrum.T) for down in signs for sign in signs]
    return tuple(_pack_signs(view[rows, columns]) for view in views)


def hash_pixels(image: Image.Image) -> bytes:
    """Return the BLAKE2b hash, 20 bytes, of an upright RGB picture's size and pixels.

    Another container or other metadata don't change it; one changed pixel does.
    """
    head = f"{image.mode} {image.width} {image.height} ".encode()
    digest = blake2b(head, digest_size=20)
    for top in range(0, image.height, _BAND_ROWS):  # no copy of a large picture
        digest.update(image.crop((0, top, image.width, min(top + _BAND_ROWS, image.height))).tobytes())
    return digest.digest()


def count_differing_bits(a: Any, b: Any) -> NDArray[np.int64]:
    """Count the bits that differ. `a`, `b`: uint64 of shapes that broadcast, the last axis being the words of a hash.

    A single number, without that axis, counts as a hash of one word.
    """
    left, right = (np.atleast_1d(np.asarray(hashes, np.uint64)) for hashes in (a, b))
    return count_bits(left ^ right).sum(axis=-1, dtype=np.int64)  # type: ignore[no-any-return]


def find_pairs_within(hashes: Words, mirrored: Words | None, radius: int) -> NDArray[np.int64]:
    """Return all pairs of pictures whose hashes differ in at most `radius` bits.

    `hashes`, `mirrored`: uint64 (n, words) or (n,). With `mirrored`, also the pairs of a picture and the mirror image
    of another. Returns int64 (m, 2): places, the smaller one first, sorted, each pair once. Complete: no pair is
    missed. n equal hashes make n (n - 1) / 2 pairs; a caller who expects many groups equal ones first. Raises
    UsageError for a negative radius or shapes that differ.

    Multi-index hashing (Norouzi, Punjani and Fleet, CVPR 2012): hashes within r bits of each other differ in at most
    r_b bits in at least one of m bands b, if the r_b add up to r - m + 1; so each band's table is asked for few keys. A
    radius that is too wide for that is answered by comparing all with all.
    """
    left = _to_table(hashes)
    right = left if mirrored is None else _to_table(mirrored)
    if radius < 0 or left.shape != right.shape:
        raise UsageError(
            f"a radius of {radius} and hashes of shapes {left.shape} and {right.shape}: give a radius of 0 or more, "
            "and as many mirrored hashes as hashes"
        )
    batches = list(_join_by_bands(left, left, radius))
    if mirrored is not None:
        batches += list(_join_by_bands(left, right, radius))
    codes = np.unique(np.concatenate(batches)) if batches else np.empty(0, np.int64)
    return np.stack(np.divmod(codes, max(len(left), 1)), axis=1)


@cache
def _compute_basis() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the cosines, float64 (_FREQUENCIES, _EDGE), and the places of the 64 lowest frequencies, int64 (2, 64)."""
    waves, steps = np.arange(_FREQUENCIES)[:, None], np.arange(_EDGE)[None, :]
    rows, columns = np.indices((_FREQUENCIES, _FREQUENCIES)).reshape(2, -1)
    order = np.lexsort((rows, np.maximum(rows, columns), rows * rows + columns * columns))[1 : BITS + 1]
    return np.cos(np.pi * waves * (2 * steps + 1) / (2 * _EDGE)), np.stack([rows[order], columns[order]])


def _pack_signs(values: NDArray[np.float64]) -> int:
    return int.from_bytes(np.packbits(values > np.median(values)).tobytes(), "big")


def _to_table(hashes: Words) -> Words:
    array = np.asarray(hashes, np.uint64)
    return np.ascontiguousarray(array[:, None] if array.ndim == 1 else array)


def _join_by_bands(left: Words, right: Words, radius: int) -> Iterator[NDArray[np.int64]]:
    """Yield codes (smaller place * n + larger place) of the pairs within the radius, some of them several times."""
    bands = left.shape[1] * 64 // _BAND_BITS
    shares = [max(-1, (radius - bands + 1 + place) // bands) for place in range(bands)]
    if sum(map(_count_probes, shares)) > _MAX_PROBES:
        yield from _compare_all(left, right, radius)
        return
    for band, share in enumerate(shares):
        keys, right_keys = (table.view(np.uint16)[:, band] for table in (left, right))
        buckets = _make_buckets(right_keys)
        for mask in _list_masks(share):
            for i, j in _find_alike(keys, buckets, mask, left is right):
                yield _keep_close(left, right, i, j, radius)


def _count_probes(bits: int) -> int:
    return sum(comb(_BAND_BITS, size) for size in range(bits + 1))


def _list_masks(bits: int) -> list[int]:
    """Return the masks that turn a band's key into every key that differs from it in at most `bits` bits."""
    flips = (flip for size in range(bits + 1) for flip in combinations(range(_BAND_BITS), size))
    return [sum(1 << bit for bit in flip) for flip in flips]


class _Buckets(NamedTuple):
    """A band's table: `order`, the places sorted by key; for each key, where its places start in it and how many."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]


def _make_buckets(keys: NDArray[np.uint16]) -> _Buckets:
    counts = np.bincount(keys, minlength=2**_BAND_BITS)
    return _Buckets(np.argsort(keys, kind="stable"), np.cumsum(counts) - counts, counts)


def _find_alike(
    keys: NDArray[np.uint16], buckets: _Buckets, mask: int, is_self_join: bool
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield places i, j with keys[i] ^ mask == the key of j, a batch at a time; in a self join each pair once."""
    partner_keys = keys ^ np.uint16(mask)
    rows = np.flatnonzero((buckets.counts[partner_keys] > 0) & ((keys <= partner_keys) | (not is_self_join)))
    starts, counts = buckets.starts[partner_keys[rows]], buckets.counts[partner_keys[rows]]
    ends = np.cumsum(counts)
    cuts = np.searchsorted(ends, np.arange(_CHUNK, ends[-1] if len(ends) else 0, _CHUNK))
    for batch in np.split(np.arange(len(rows)), cuts):
        repeats = counts[batch]
        i = np.repeat(rows[batch], repeats)
        j = buckets.order[np.arange(len(i)) + np.repeat(starts[batch] - np.cumsum(repeats) + repeats, repeats)]
        keep = i < j if is_self_join and not mask else i != j
        yield (i, j) if mask and is_self_join else (i[keep], j[keep])


def _compare_all(left: Words, right: Words, radius: int) -> Iterator[NDArray[np.int64]]:
    rows = max(1, _CHUNK // max(1, len(right)))
    for start in range(0, len(left), rows):
        distances = count_differing_bits(left[start : start + rows, None], right[None])
        i, j = np.nonzero(distances <= radius)
        yield _encode_pairs(i[i + start != j] + start, j[i + start != j], len(left))


def _keep_close(
    left: Words, right: Words, i: NDArray[np.int64], j: NDArray[np.int64], radius: int
) -> NDArray[np.int64]:
    bits = count_bits(left[i] ^ right[j])
    close = (bits[:, 0] if bits.shape[1] == 1 else bits.sum(axis=1, dtype=np.int64)) <= radius
    return _encode_pairs(i[close], j[close], len(left))


def _encode_pairs(i: NDArray[np.int64], j: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.minimum(i, j) * count + np.maximum(i, j)


def _make_bit_counter() -> Callable[[Words], NDArray[np.unsignedinteger[Any]]]:
    """Return numpy's own bit counter, which it has since 2.0; before that, one with a table of 65,536 counts."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count
    counts = np.array([value.bit_count() for value in range(2**16)], np.uint8)
    return lambda words: counts[np.ascontiguousarray(words)[..., None].view(np.uint16)].sum(-1, dtype=np.uint8)


count_bits = _make_bit_counter()
