"""Copies in a large library: hashes and vectors made up, verification left out, so that what is measured is ours."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from indexers.catalogue.duplicates import PairRow
from indexers.embedders.base import Embedder
from indexers.followers.evidence import DUPLICATE_KINDS, EvidenceCollector
from indexers.matching import features as seeing
from indexers.matching.compact import MAX_POINTS, WORDS, CompactFeatures, extract_compact, pack_compact
from indexers.matching.verification import verify_features
from indexers.pictures import images
from indexers.types import Arrival, PictureFacts, Sketch, Vectors
from retrieval import Collection
from retrieval.duplicates.grouping import build_groups
from tests.bench.adding import samples
from tests.bench.harness import Bench

COPIED = 0.05


def run(bench: Bench) -> None:
    folder = bench.work / "library"
    shutil.rmtree(folder, ignore_errors=True)
    with Collection.open(folder, create=True, clusters=0, embedder=Drawn()) as collection:
        truth = fill_library(bench, collection)
        first_run(bench, collection, truth)
        measure_grouping(bench, collection)
        one_more(bench, collection)
        measure_following(bench, collection)
    measure_check(bench, folder)
    shutil.rmtree(folder)


class Drawn(Embedder):
    """Vectors drawn at random by what a picture shows, so that the model takes no time."""

    name, dimension, input_size = "drawn", 512, 16

    def forward(self, batch: Sequence[Image.Image]) -> Vectors:
        """Return the vectors of n pictures, float32 (n, 512)."""
        seeds = [zlib.crc32(np.asarray(image.resize((4, 4))).tobytes()) for image in batch]
        return np.stack([np.random.default_rng(seed).standard_normal(512) for seed in seeds]).astype(np.float32)


def fill_library(bench: Bench, collection: Collection) -> dict[int, int]:
    """Fill a collection with vectors and hashes, a twentieth of them of copies; return each copy's original."""
    count, random = bench.count, np.random.default_rng(0)
    vectors = bench.data[0].copy()
    hashes = random.integers(0, 2**63, count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    copies = random.choice(count, int(count * COPIED), replace=False)
    source = random.choice(np.setdiff1d(np.arange(count), copies), len(copies))
    vectors[copies] = vectors[source] + 0.05 * random.standard_normal(vectors[source].shape).astype(np.float32)
    hashes[copies] = hashes[source] ^ (np.uint64(1) << random.integers(0, 64, len(copies)).astype(np.uint64))
    pool, source_of = collect_points(), dict(zip(copies.tolist(), source.tolist(), strict=True))
    view = collection._spaces.open_for_vectors(vectors[:1])
    facts = PictureFacts(640, 480, "JPEG")
    for start in range(0, count, 5000):
        rows = range(start, min(start + 5000, count))
        with collection._catalogue.transaction() as writing:
            arrivals = [
                Arrival(hash=n.to_bytes(20, "big"), facts=facts, bytes=1000 + n, uri=f"/p/{n}.jpg", vector=vectors[n])
                for n in rows
            ]
            writing.put(arrivals, view.space.id)
            missing = writing.duplicates.unsketched_pictures()
            places = [int.from_bytes(picture.content_hash, "big") for picture in missing]
            writing.put_sketches(
                [
                    (picture, make_sketch(pool, source_of.get(place, place), place, hashes[place]))
                    for picture, place in zip(missing, places, strict=True)
                ]
            )
    collection._spaces.settle()
    return {int(a) + 1: int(b) + 1 for a, b in zip(copies, source, strict=True)}


def collect_points() -> CompactFeatures:
    """Return the points of sample photographs, from which those of the library are drawn."""
    features = [extract_compact(picture) for picture in samples()]
    return CompactFeatures(*(np.concatenate(columns) for columns in zip(*(row[:4] for row in features), strict=True)))


def make_sketch(pool: CompactFeatures, source: int, place: int, word: np.uint64) -> Sketch:
    """Make a sketch: a fifth of the bits of each point is the picture's own, a twentieth of them differs in a copy."""
    random = np.random.default_rng(source)
    chosen = random.integers(0, len(pool.words), MAX_POINTS)
    words = pool.words[chosen] ^ flip_bits(random, MAX_POINTS, 0.2)
    if place != source:
        words ^= flip_bits(np.random.default_rng(place), MAX_POINTS, 0.05)
    features = CompactFeatures(words, *(column[chosen] for column in pool[1:4]))
    others = np.random.default_rng(place).integers(0, 2**63, 7, dtype=np.uint64).tolist()
    return Sketch((int(word), *others), pack_compact(features))


def flip_bits(random: np.random.Generator, count: int, share: float) -> np.ndarray:
    flips = random.random((count, WORDS, 32), dtype=np.float32) < share
    return np.packbits(flips, axis=2).view(">u4")[:, :, 0].astype(np.uint32)


def first_run(bench: Bench, collection: Collection, truth: dict[int, int]) -> None:
    nominated: list[int] = []

    def store_unverified(
        self: EvidenceCollector, pool: Any, a: np.ndarray, b: np.ndarray, known: Any, done: np.ndarray, steps: Any
    ) -> int:
        nominated.append(len(a))
        rows = [
            PairRow(first, second, "same picture", 0.9, {"inliers": 99, "differs": []})
            for first, second in zip(a.tolist(), b.tolist(), strict=True)
            if truth.get(first) == second or truth.get(second) == first
        ]
        with self._catalogue.transaction() as writing:
            writing.duplicates.put_pairs(rows)
            writing.duplicates.mark_compared(done.tolist())
        return len(rows)

    view = collection._spaces.view()
    assert view
    follow = collection._parts.duplicates.follow(view)
    follow.candidates.near = 0.97
    with patch.object(EvidenceCollector, "_verify_pairs", store_unverified):
        start = time.perf_counter()
        follow.advance()
        seconds = time.perf_counter() - start
    title = f"first run over hashes, vectors and points, {bench.count:,} items, 5 % copies, verification left out"
    limit = 540 * bench.scale
    bench.add(title, seconds, "s", f"at most {limit:g} s", limit=limit, note=f"{sum(nominated):,} candidates")
    with collection._catalogue.snapshot() as snapshot:
        stored_pairs = {(pair.a, pair.b) for pair in snapshot.duplicates.pairs(0, DUPLICATE_KINDS)}
    expected = {(min(pair), max(pair)) for pair in truth.items()}
    bench.add(
        "pairs of a copy and its original found",
        len(stored_pairs & expected) / len(expected),
        "",
        "all",
        limit=1,
        more=True,
    )


def measure_grouping(bench: Bench, collection: Collection) -> None:
    def answer(threshold: float) -> float:
        start = time.perf_counter()
        with collection._catalogue.snapshot() as snapshot:
            pairs = snapshot.duplicates.pairs(threshold, DUPLICATE_KINDS)
            rows = {row.id: row for row in snapshot.items(sorted({item_id for pair in pairs for item_id in pair[:2]}))}
            build_groups(pairs, rows, snapshot.duplicates.decisions())
        return time.perf_counter() - start

    bench.add("groups from stored evidence", answer(0.5), "s", "at most 5 s", limit=5)
    collection.duplicates(0.5)
    start = time.perf_counter()
    collection.duplicates(0.6)
    bench.add("a new threshold", time.perf_counter() - start, "s", "at most .2 s", limit=0.2)


def one_more(bench: Bench, collection: Collection) -> None:
    """Time a picture's hash, its candidates among all, and ten verifications with stored features."""
    pictures = samples()[:10]
    kept = [seeing.pack_features(seeing.extract_features(picture)) for picture in pictures]
    image, times = pictures[0], []
    view = collection._spaces.view()
    assert view
    follow, vector = collection._parts.duplicates.follow(view), view.flat.index.prepare(bench.queries[:1])
    for _ in range(9):
        start = time.perf_counter()
        with collection._catalogue.snapshot() as snapshot:
            follow.find_candidates(snapshot, image, vector)
        mine = seeing.extract_features(image)
        for data in kept:
            verify_features(mine, seeing.unpack_features(data))
        times.append(time.perf_counter() - start)
    bench.add(
        "one picture more: hash, candidates, features, 10 verifications",
        float(np.median(times)) * 1e3,
        "ms",
        "at most 80 ms",
        limit=80,
    )


def measure_following(bench: Bench, collection: Collection) -> None:
    """Time the whole way of a new item, with its picture on disk, compared with all others."""
    view, times = collection._spaces.view(), []
    assert view
    follow = collection._parts.duplicates.follow(view)
    follow.candidates.near = 0.97
    follow.advance()
    for number, picture in enumerate(samples()[:7]):
        path = bench.work / f"library-{number}.png"
        picture.save(path)
        data = path.read_bytes()
        arrival = Arrival(
            hash=images.hash_content(data),
            facts=PictureFacts(*picture.size, "PNG"),
            uri=str(path),
            vector=bench.queries[number],
        )
        with collection._catalogue.transaction() as writing:
            writing.put([arrival], view.space.id)
        view.followers.advance(include_slow=False)
        start = time.perf_counter()
        follow.advance()
        times.append(time.perf_counter() - start)
        path.unlink()
    bench.add(
        "the evidence up to date after one picture more", float(np.median(times)) * 1e3, "ms", "at most 80 ms", limit=80
    )


def measure_check(bench: Bench, folder: Path) -> None:
    """Time whether files are there already, by processor time: the first one after opening, and each further one."""
    paths, times = [bench.work / f"check-{number}.png" for number in range(9)], []
    pictures = samples()
    for number, path in enumerate(paths):
        pictures[number % len(pictures)].rotate(90 * (number // len(pictures)), expand=True).save(path)
    with Collection.open(folder, clusters=0, embedder=Drawn()) as collection:
        for path in paths:
            start = time.process_time()
            collection.duplicates_of(path)
            times.append(time.process_time() - start)
            path.unlink()
    bench.add("is this file there: the first after opening", times[0] * 1e3, "ms", "(told)")
    bench.add(
        "is this file there: each further one", float(np.median(times[1:])) * 1e3, "ms", "at most 100 ms", limit=100
    )
