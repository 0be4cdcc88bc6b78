"""Are two pictures copies? Recall over what is done to copies, precision over what only looks like one, and time.

Originals: the pictures of gcompris-qt-data (Debian) of at least 256 pixels, and the samples of scikit-image and
scikit-learn, all at most 512 pixels. They are halved by their pixels' hash: thresholds were tuned on one half, and the
figures are of the other. Peers see the same pairs, each at the threshold that is best for it on these very pairs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from indexers import plugins
from indexers.matching import features as kept
from indexers.matching.descriptors import load_opencv
from indexers.matching.hashes import count_differing_bits, find_pairs_within, hash_picture, hash_pixels
from indexers.matching.verification import SAME, verify_features, verify_pictures
from indexers.pictures import images
from retrieval.cli import demo
from tests.bench import labelled
from tests.bench.harness import Bench, time_in_turns
from tests.bench.transforms import TRANSFORMS, burst

EDGE, SMALLEST = 512, 256
RADIUS = 8
CANS = "black blue brown gray green mauve orange-color pink red white yellow"
DERIVED = [
    set(names.split())
    for names in (
        CANS,
        "reptile snake",
        "face head",
        "texture01 texture02",
        "planet0 neptune",
        "planet1 mars",
        "greatPyramid greatPyramidOfGiza",
        "brandenburgGate",
        "colosseum",
    )
]
"""Originals that are visibly made from each other: resized, recoloured, or with an arrow. Neither copies nor others."""


@dataclass(frozen=True)
class Original:
    name: str
    group: str
    image: Image.Image
    seed: int


@dataclass(frozen=True)
class Pair:
    kind: str
    a: Image.Image
    b: Image.Image

    @property
    def is_copy(self) -> bool:
        return self.kind in TRANSFORMS


def run(bench: Bench) -> None:
    if (cv2 := load_opencv()) is not None:
        cv2.setNumThreads(1)
    pictures = split_halves(load_originals(bench))[1]
    if bench.scale < 1:
        pictures = pictures[: max(24, round(len(pictures) * bench.scale))]
    pairs = list(make_copies(pictures)) + list(make_other_pairs(pictures))
    copy = np.array([pair.is_copy for pair in pairs])
    scores = np.array([score_pair(pair) for pair in pairs])
    called_copy = scores >= SAME
    for kind in dict.fromkeys(pair.kind for pair in pairs):
        these = np.array([pair.kind == kind for pair in pairs])
        report(bench, kind, float(called_copy[these].mean()), int(these.sum()), kind in TRANSFORMS)
    precision, recall = (float((called_copy & copy).sum() / of.sum()) for of in (called_copy, copy))
    bench.add("copies: precision", precision, "", "at least .995", limit=0.995, more=True)
    bench.add("copies: recall over all transforms", recall, "", "at least .97", limit=0.97, more=True)
    compare_with_peers(bench, pairs, copy, 2 * precision * recall / (precision + recall))
    measure_time(bench, pairs)
    measure_nomination(bench)


def report(bench: Bench, kind: str, share: float, count: int, copy: bool) -> None:
    if not copy:
        bench.add(f"copies: {kind}, called the same picture", share, "", "", note=f"{count} pairs")
        return
    limit = 0.95 if kind in ("mirror", "crop 30 %") else None
    goal = "at least .95" if limit else ""
    bench.add(f"copies: recall, {kind}", share, "", goal, limit=limit, more=True, note=f"{count} pairs")


# ---- pairs


def load_originals(bench: Bench) -> list[Original]:
    """Return the originals in the order of their names, each with its own pixels."""
    by_digest: dict[bytes, Original] = {}
    for name, group, image in (*load_gcompris(), *load_samples(bench)):
        small = images.shrink(image, EDGE)
        digest = hash_pixels(small)
        if max(image.size) >= SMALLEST and digest not in by_digest:
            by_digest[digest] = Original(name, group, small, int.from_bytes(digest[:4], "big"))
    return list(by_digest.values())


def split_halves(pictures: list[Original]) -> tuple[list[Original], list[Original]]:
    """Split the originals into one half for tuning and one for reporting."""
    halves: tuple[list[Original], list[Original]] = ([], [])
    for picture in pictures:
        halves[picture.seed >> 24 & 1].append(picture)
    return halves


def load_gcompris() -> Iterator[tuple[str, str, Image.Image]]:
    if not labelled.GCOMPRIS.exists():
        print("  gcompris-qt-data is not installed: samples only", file=sys.stderr, flush=True)
    for path in sorted(labelled.GCOMPRIS.glob("*.rcc")):
        for name, data in sorted(labelled._resources(path.read_bytes())):
            if name.endswith((".png", ".webp", ".jpg")):
                folder, _, file = name.rpartition("/")
                yield file.rpartition(".")[0], folder, images.decode(data).image


def load_samples(bench: Bench) -> Iterator[tuple[str, str, Image.Image]]:
    folder = bench.work / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    for path in demo.save_photographs(folder):
        yield path.stem, "samples", images.decode(path).image


def make_copies(pictures: list[Original]) -> Iterator[Pair]:
    for kind, transform in TRANSFORMS.items():
        for picture in pictures:
            yield Pair(kind, picture.image, transform(picture.image, np.random.default_rng(picture.seed)))


def make_other_pairs(pictures: list[Original]) -> Iterator[Pair]:
    """Yield pairs that are no copies: of one folder, nearest by a hash, nearest by lite0, and bursts."""
    different = np.array(
        [[picture is not two and not are_derived(picture, two) for two in pictures] for picture in pictures]
    )
    hashes = np.array([hash_picture(picture.image) for picture in pictures], np.uint64)
    apart = count_differing_bits(hashes[:, None, :1], hashes[None, :, :1])
    vectors = embed_pictures([picture.image for picture in pictures])
    for place, picture in enumerate(pictures):
        random = np.random.default_rng(picture.seed)
        same = [i for i, two in enumerate(pictures) if two.group == picture.group and different[place, i]]
        if same:
            yield Pair("other picture of the same folder", picture.image, pictures[int(random.choice(same))].image)
        nearest = int(np.where(different[place], apart[place], 99).argmin())
        yield Pair("nearest other picture by pHash", picture.image, pictures[nearest].image)
        nearest = int(np.where(different[place], vectors @ vectors[place], -9).argmax())
        yield Pair("nearest other picture by lite0", picture.image, pictures[nearest].image)
        yield Pair("burst", *burst(picture.image, pictures[(place + 7) % len(pictures)].image, random))


def are_derived(picture: Original, two: Original) -> bool:
    return any(picture.name in group and two.name in group for group in DERIVED)


def embed_pictures(pictures: list[Image.Image]) -> np.ndarray:
    embedder = plugins.load_member("nearkin.embedders", "lite0")()
    vectors = np.concatenate([embedder.embed(pictures[at : at + 64]) for at in range(0, len(pictures), 64)])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


# ---- ours and the peers


def score_pair(pair: Pair) -> float:
    return verify_pictures(pair.a, pair.b).score


def compare_with_peers(bench: Bench, pairs: list[Pair], copy: np.ndarray, f1: float) -> None:
    for name, similarity in score_by_peers(pairs).items():
        best = best_f1(similarity, copy)
        bench.add(
            f"copies: F1 beside {name} at its best threshold",
            f1,
            "",
            "better by .05",
            peer=best,
            limit=best + 0.05,
            more=True,
        )


def score_by_peers(pairs: list[Pair]) -> dict[str, np.ndarray]:
    """Return the similarity of each pair by each peer."""
    similarity_of = {}
    try:
        import imagehash

        for name in ("phash", "dhash", "whash"):
            similarity_of[f"ImageHash {name}"] = compare_hashes(getattr(imagehash, name), pairs, lambda a, b: -(a - b))
    except ImportError as error:
        print(f"  ImageHash is left out: {error}", file=sys.stderr, flush=True)
    try:
        from imagededup.methods import PHash

        method = PHash(verbose=False)
        encode = partial(_encode, method)
        similarity_of["imagededup PHash"] = compare_hashes(encode, pairs, lambda a, b: -method.hamming_distance(a, b))
    except ImportError as error:
        print(f"  imagededup is left out: {error}", file=sys.stderr, flush=True)
    first, second = (embed_pictures([getattr(pair, side) for pair in pairs]) for side in "ab")
    similarity_of["cosine of lite0"] = (first * second).sum(axis=1)
    return similarity_of


def _encode(method: Any, image: Image.Image) -> str:
    return str(method.encode_image(image_array=np.asarray(image)))


def compare_hashes(
    encode: Callable[[Image.Image], Any], pairs: list[Pair], alike: Callable[[Any, Any], float]
) -> np.ndarray:
    return np.array([alike(encode(pair.a), encode(pair.b)) for pair in pairs], np.float64)


def best_f1(similarity: np.ndarray, copy: np.ndarray) -> float:
    thresholds = np.unique(similarity)
    if len(thresholds) > 500:
        thresholds = np.quantile(similarity, np.linspace(0, 1, 500))
    called_copy = similarity >= thresholds[:, None]
    right = (called_copy & copy).sum(axis=1)
    return float((2 * right / (called_copy.sum(axis=1) + copy.sum())).max())


# ---- time


def measure_time(bench: Bench, pairs: list[Pair]) -> None:
    """Time the verification of copies and other pairs."""
    chosen = [pairs[i] for i in np.random.default_rng(0).permutation(len(pairs))[:200]]
    stored = [
        tuple(kept.pack_features(kept.extract_features(picture)) for picture in (pair.a, pair.b)) for pair in chosen
    ]

    def proof(place: int) -> None:
        a, b = stored[place % len(stored)]
        verify_features(kept.unpack_features(a), kept.unpack_features(b))

    from_pictures, from_features = time_in_turns(
        len(chosen), lambda place: verify_pictures(chosen[place % len(chosen)].a, chosen[place % len(chosen)].b), proof
    )
    bench.add("copies: one verification, features stored", from_features * 1000, "ms", "at most 4 ms", limit=4)
    bench.add("copies: one verification from two pictures", from_pictures * 1000, "ms", "at most 30 ms", limit=30)
    size = float(np.mean([len(data) for pair in stored for data in pair]))
    bench.add("copies: stored features of a picture", size / 1000, "KB", "at most 40 KB", limit=40)


def measure_nomination(bench: Bench) -> None:
    """Time the search among bench.count hashes, a twentieth of them of copies that differ in up to RADIUS bits."""
    random, count = np.random.default_rng(0), bench.count
    hashes, mirrored = random.integers(0, 2**64, (2, count, 1), dtype=np.uint64)
    for place in range(count // 20):
        changed = random.choice(64, int(random.integers(RADIUS + 1)), replace=False)
        flipped = hashes[place, 0] ^ np.uint64(sum(1 << int(bit) for bit in changed))
        (mirrored if place % 2 else hashes)[-1 - place, 0] = flipped
    start = time.perf_counter()
    pairs = find_pairs_within(hashes, mirrored, RADIUS)
    seconds = time.perf_counter() - start
    first = pairs[pairs[:, 0] + pairs[:, 1] == count - 1]
    bench.add(f"copies: hashes of {count:,} within {RADIUS} bits, mirrored too", seconds, "s", "seconds")
    bench.add("copies: planted ones among them", len(first) / (count // 20), "", "all", limit=1, more=True)
