"""Which pictures may show the same as another: an index over compact features, which answers with votes.

An LSH forest (Bawa, Condie and Ganesan, WWW 2005): for each word of the points a sorted table, in which a point finds
those that begin with the same bits, as many bits as leave only a few. What it finds votes for its picture: the less,
the more it finds. Votes count together if they turn the picture by the same angle (weak geometric consistency, Jégou,
Douze and Schmid, ECCV 2008), and points of one picture that find the same share a vote, so that bricks don't shout
(burstiness, the same, CVPR 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.matching.compact import DIRECTIONS, MIRRORED_WORDS, WORDS, CompactFeatures
from indexers.types import Ids

BUCKET = 5
"""Points that a point finds at most in a table. With 12, the original of a hard edit was less often among the first."""
PREFIXES = (14, 17, 20, 23, 26, 29, 32)
"""Bits that a point has in common with those that it finds; more where these leave more than BUCKET."""
MIN_VOTES = 1.0
"""Votes below which a picture is not named: half of what the twentieth of 2,500 other pictures has."""
MERGED_SHARE = 0.25
"""A segment is merged with the next one once that one holds this share of its points."""
_BINS = 8  # of the angle by which a picture is turned; each overlaps the next by half
_PLACE = 256  # an entry is the place of its picture times this, and its level and direction
_SUFFIXES = (".keys", ".entries")

Words = NDArray[np.uint32]


class Votes(NamedTuple):
    """Who got votes, the most first for each query.

    `queries` int64 (n,): the place of the picture that asked. `item_ids` int64 (n,). `votes` float64 (n,).
    `are_mirrored` bool (n,): the mirror image got them.
    """

    queries: Ids
    item_ids: Ids
    votes: NDArray[np.float64]
    are_mirrored: NDArray[np.bool_]

    def take(self, places: Ids) -> Votes:
        """Return the votes at these places."""
        return Votes(self.queries[places], self.item_ids[places], self.votes[places], self.are_mirrored[places])


class Segment(NamedTuple):
    """A part of the index.

    `item_ids` int64 (m,), -1 where an item has gone. `marks` uint64 (m,): what told the item's picture from others when
    it was added. `keys` uint32 (4, n), each row sorted. `entries` uint32 (4, n): what each key belongs to.
    """

    item_ids: Ids
    marks: NDArray[np.uint64]
    keys: Words
    entries: Words


class NominationIndex:
    """Compact features of many items. Items are added and removed at any time; searches may run beside each other."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []

    def __len__(self) -> int:
        return sum(int((segment.item_ids >= 0).sum()) for segment in self._segments)

    def marks(self, item_ids: Sequence[int]) -> dict[int, int]:
        """Return the mark of each of these items that is here, by id."""
        marks: dict[int, int] = {}
        for segment in self._segments:
            places = np.flatnonzero(np.isin(segment.item_ids, item_ids))
            marks |= zip(segment.item_ids[places].tolist(), segment.marks[places].tolist(), strict=True)
        return marks

    def add(self, item_ids: Sequence[int], marks: Sequence[int], features: Sequence[CompactFeatures]) -> None:
        """Add items, in place of those with the same ids. `marks`: of each item, to be told by `marks`."""
        self.remove(item_ids)
        if not len(item_ids):
            return
        self._segments.append(_build_segment(item_ids, marks, features))
        while len(self._segments) > 1 and _is_due(*self._segments[-2:]):
            self._segments[-2:] = [_merge_segments(self._segments[-2:])]

    def remove(self, item_ids: Sequence[int]) -> None:
        """Remove those of these items that are here."""
        for segment in self._segments:
            segment.item_ids[np.isin(segment.item_ids, item_ids)] = -1

    def find(self, pictures: Sequence[CompactFeatures], limit: int) -> Votes:
        """Return the `limit` items that get the most votes of each picture, or of its mirror image."""
        found = _join_votes([_find_in_segment(segment, pictures) for segment in self._segments])
        found = found.take(np.flatnonzero((found.votes >= MIN_VOTES) & (found.item_ids >= 0)))
        found = found.take(np.lexsort((found.item_ids, -found.votes, found.queries)))
        ranks = np.arange(len(found.queries)) - np.searchsorted(found.queries, found.queries)
        return found.take(np.flatnonzero(ranks < limit))

    def save(self, path: Path) -> None:
        """Write the index to a file, and files beside it."""
        segment = _merge_segments(self._segments)
        with path.open("wb") as file:
            np.save(file, np.stack([segment.item_ids.view(np.uint64), segment.marks]), allow_pickle=False)
        for suffix, table in zip(_SUFFIXES, (segment.keys, segment.entries), strict=True):
            with path.with_name(path.name + suffix).open("wb") as file:
                np.save(file, table, allow_pickle=False)

    def load(self, path: Path) -> None:
        """Load what `save` wrote; the tables stay on the disk until they are looked at. Raises FileNotFoundError."""
        head = np.load(path, allow_pickle=False)
        paths = [path.with_name(path.name + suffix) for suffix in _SUFFIXES]
        tables = [
            np.load(part, mmap_mode="r" if part.stat().st_size > 4096 else None, allow_pickle=False) for part in paths
        ]
        self._segments = [Segment(head[0].view(np.int64), head[1], *map(np.asarray, tables))]


def _build_segment(item_ids: Sequence[int], marks: Sequence[int], features: Sequence[CompactFeatures]) -> Segment:
    words = np.concatenate([picture.words for picture in features])
    entries = np.concatenate(
        [
            np.uint32(place * _PLACE)
            + picture.levels.astype(np.uint32) * np.uint32(DIRECTIONS)
            + picture.directions.astype(np.uint32)
            for place, picture in enumerate(features)
        ]
    )
    return _sort_tables(
        np.array(item_ids, np.int64),
        np.array(marks, np.uint64),
        words.T,
        np.broadcast_to(entries, (WORDS, len(entries))),
    )


def _sort_tables(item_ids: Ids, marks: NDArray[np.uint64], keys: Words, entries: Words) -> Segment:
    sorted_keys, sorted_entries = np.empty(keys.shape, np.uint32), np.empty(keys.shape, np.uint32)
    for table in range(WORDS):
        order = np.argsort(keys[table], kind="stable")
        sorted_keys[table], sorted_entries[table] = keys[table][order], entries[table][order]
    return Segment(item_ids, marks, sorted_keys, sorted_entries)


def _is_due(segment: Segment, following: Segment) -> bool:
    return bool(following.keys.shape[1] >= MERGED_SHARE * segment.keys.shape[1])


def _merge_segments(segments: Sequence[Segment]) -> Segment:
    """Make one segment of several, without the items that have gone."""
    starts = np.cumsum([0, *(len(segment.item_ids) for segment in segments)])
    item_ids = np.concatenate([np.empty(0, np.int64), *(segment.item_ids for segment in segments)])
    marks = np.concatenate([np.empty(0, np.uint64), *(segment.marks for segment in segments)])
    is_live = item_ids >= 0
    places = (np.cumsum(is_live) - 1).astype(np.uint32)
    keys: list[list[Words]] = [[np.empty(0, np.uint32)] for _ in range(WORDS)]
    entries: list[list[Words]] = [[np.empty(0, np.uint32)] for _ in range(WORDS)]
    for start, segment in zip(starts.tolist(), segments, strict=False):
        for table in range(WORDS):
            owners = (segment.entries[table] // np.uint32(_PLACE)).astype(np.int64) + start
            live = is_live[owners]
            keys[table].append(segment.keys[table][live])
            entries[table].append(
                places[owners[live]] * np.uint32(_PLACE) + segment.entries[table][live] % np.uint32(_PLACE)
            )
    joined = [np.stack([np.concatenate(parts) for parts in tables]) for tables in (keys, entries)]
    return _sort_tables(item_ids[is_live], marks[is_live], *joined)


# ---- votes


def _join_votes(parts: Sequence[Votes]) -> Votes:
    return Votes(
        np.concatenate([np.empty(0, np.int64), *(part.queries for part in parts)]),
        np.concatenate([np.empty(0, np.int64), *(part.item_ids for part in parts)]),
        np.concatenate([np.empty(0), *(part.votes for part in parts)]),
        np.concatenate([np.empty(0, np.bool_), *(part.are_mirrored for part in parts)]),
    )


def _find_in_segment(segment: Segment, pictures: Sequence[CompactFeatures]) -> Votes:
    owners = np.repeat(np.arange(len(pictures)), [len(picture.words) for picture in pictures])
    words = np.concatenate([np.empty((0, WORDS), np.uint32), *(picture.words for picture in pictures)])
    angles = np.concatenate([np.empty(0, np.int64), *(picture.directions.astype(np.int64) for picture in pictures)])
    upright = _count_votes(segment, owners, words, angles)
    mirrored = _count_votes(segment, owners, words[:, MIRRORED_WORDS], DIRECTIONS // 2 - angles)
    codes, votes = (np.concatenate(parts) for parts in zip(upright, mirrored, strict=True))
    are_mirrored = np.arange(len(codes)) >= len(upright[0])
    order = np.lexsort((votes, codes))
    order = order[np.concatenate([codes[order][1:] != codes[order][:-1], [True]])] if len(order) else order
    queries, places = np.divmod(codes[order], max(len(segment.item_ids), 1))
    return Votes(queries, segment.item_ids[places], votes[order], are_mirrored[order])


def _count_votes(segment: Segment, owners: Ids, words: Words, angles: Ids) -> tuple[Ids, NDArray[np.float64]]:
    """Return codes (place of the query * items + place of the item), each once, and their votes."""
    items, turns, weights = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for table in range(WORDS):
        order = np.argsort(words[:, table])
        starts, counts = _find_ranges(segment.keys[table], np.ascontiguousarray(words[order, table]))
        total = int(counts.sum())
        places = np.arange(total) + np.repeat(starts - np.cumsum(counts) + counts, counts)
        entries = segment.entries[table][places].astype(np.int64)
        items.append(np.repeat(owners[order], counts) * len(segment.item_ids) + entries // _PLACE)
        turns.append((np.repeat(angles[order], counts) - entries) % DIRECTIONS)
        shared = _count_equal(owners[order] * (segment.keys.shape[1] + 1) + starts)
        weights.append(np.repeat(1 / (shared * np.log2(2 + counts)), counts))
    codes, bins = (np.concatenate(parts) for parts in (items, turns))
    width = DIRECTIONS // _BINS
    halves = bins // width, _BINS + (bins + width // 2) % DIRECTIONS // width
    binned = np.concatenate([codes * (2 * _BINS) + half for half in halves])
    order = np.argsort(binned)
    binned, votes = _reduce_sorted(binned[order], np.concatenate([*weights, *weights])[order], np.add)
    return _reduce_sorted(binned // (2 * _BINS), votes, np.maximum)


def _find_ranges(keys: Words, queries: Words) -> tuple[Ids, Ids]:
    """Return where in `keys`, sorted, those begin that share a beginning with each of `queries`, sorted; and how many.

    The beginning is the shortest of PREFIXES that no more than BUCKET keys share; of more keys that are equal in full,
    the first are taken.
    """
    starts, counts = np.zeros(len(queries), np.int64), np.zeros(len(queries), np.int64)
    if not len(keys):
        return starts, counts
    middle = np.searchsorted(keys, queries)
    window = np.arange(-BUCKET - 1, BUCKET + 1)[:, None] + middle  # farther ones are too many
    apart = keys.take(window, mode="clip") ^ queries
    apart[(window < 0) | (window >= len(keys))] = np.uint32(2**32 - 1)
    pending = np.arange(len(queries))
    for length in PREFIXES:
        shared = apart < np.uint32(2 ** (32 - length))
        before = shared[: BUCKET + 1].sum(axis=0)
        total = before + shared[BUCKET + 1 :].sum(axis=0)
        starts[pending], counts[pending] = middle[pending] - before, total
        more = total > BUCKET
        pending, apart = pending[more], apart[:, more]
        if not len(pending):
            break
    return starts, np.minimum(counts, BUCKET)


def _count_equal(values: Ids) -> Ids:
    """Return how often each value occurs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse], np.int64)


def _reduce_sorted(codes: Ids, values: NDArray[np.float64], reduce: np.ufunc) -> tuple[Ids, NDArray[np.float64]]:
    """Return each of the codes, which are sorted, once, with its values reduced to one."""
    if not len(codes):
        return codes, values
    firsts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    return codes[firsts], reduce.reduceat(values, firsts)
