"""Adding pictures: photographs, small ones, a known folder, a single one; with `lite0` where vectors matter."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from indexers.embedders.base import Embedder
from indexers.embedders.lite0 import Lite0
from indexers.pictures import images
from retrieval import Collection
from retrieval.config import Config
from tests.bench.harness import Bench, make_nested_vectors, time_in_turns


def run(bench: Bench) -> None:
    photographs = make_files(bench.work / "photographs", int(500 * bench.scale), photograph, 20)
    small = make_files(bench.work / "small", int(5000 * bench.scale), thumbnail, 0)
    measure_adding(bench, "12-megapixel JPEG photographs", photographs, 60)
    measure_adding(bench, "small pictures", small, 400)
    measure_known_files(bench)
    measure_one_more(bench, small)


def measure_adding(bench: Bench, description: str, folder: Path, sample: int) -> None:
    """Compare the wall time of `add` with the processor time of decoding and the forward pass, shared by the cores.

    That need is measured on a sample before and after: as many threads as cores decode and embed, and nothing else
    happens (cores that are all busy are slower than one of them alone, which is measured for comparison).
    """
    embedder, cores = Lite0(), Config().cores
    paths = sorted(folder.iterdir())
    embedder.embed([Image.new("RGB", (64, 64))])  # weights are loaded
    need: list[float] = []
    alone: list[float] = []

    def measure() -> None:
        need.append(measure_busy_time(embedder, paths[:sample], cores))
        alone.append(processor_time(embedder, paths[:sample]))

    walls = time_additions(bench, folder, embedder, measure)
    peer, single = (float(np.median(times)) * len(paths) / sample / cores for times in (need, alone))
    bench.add(
        f"add of {len(paths):,} {description}, {cores} cores",
        float(np.median(walls)),
        "s",
        "1.15 x (decoding + forward pass) / cores",
        peer=peer,
        limit=1.15 * peer,
        note=f"{len(paths) / np.median(walls):.0f} a second; {single:.3g} s if one core works while the others idle",
    )


def time_additions(bench: Bench, folder: Path, embedder: Embedder, measure: Callable[[], None]) -> list[float]:
    """Return the seconds that two new collections take to add a folder; `measure` runs before, between and after."""
    count, target, walls = len(list(folder.iterdir())), bench.work / "added", []
    measure()
    for _ in range(2):
        with Collection.open(target, create=True, embedder=embedder) as collection:
            start = time.perf_counter()
            report = collection.add(folder)
            walls.append(time.perf_counter() - start)
            assert report.added + report.known == count, report
        measure()
        shutil.rmtree(target)
    return walls


def measure_busy_time(embedder: Embedder, paths: Sequence[Path], cores: int) -> float:
    """Return the seconds of processor time to decode and embed files, with every core at work on its share."""
    with ThreadPoolExecutor(cores) as pool:
        return sum(pool.map(lambda core: processor_time(embedder, paths[core::cores]), range(cores)))


def processor_time(embedder: Embedder, paths: Sequence[Path]) -> float:
    """Return the seconds of one core to decode, prepare and embed files."""
    embedder.limit_threads(1)
    start = time.thread_time()
    for place in range(0, len(paths), embedder.batch_size):
        batch = [images.decode(path, embedder.input_size).image for path in paths[place : place + embedder.batch_size]]
        embedder.embed(batch)
    return time.thread_time() - start


def measure_known_files(bench: Bench) -> None:
    """Time adding a folder whose files are all known."""
    from indexers.embedders.tiny import Tiny

    count = int(20_000 * bench.scale)
    folder = make_files(bench.work / "known", count, dot, 0)
    target = bench.work / "known-collection"
    with Collection.open(target, create=True, embedder=Tiny()) as collection:
        if collection.count() < count:
            collection.add(folder)
        (seconds,) = time_in_turns(5, lambda _: collection.add(folder), warm=1)
    bench.add(
        f"add of a folder of {count:,} known files", count / seconds, "files/s", "at least 5,000", limit=5000, more=True
    )


def measure_one_more(bench: Bench, small: Path) -> None:
    """Time adding one picture to a large collection, compared with embedding it alone."""
    embedder = Lite0()
    target = bench.work / f"large-{bench.count}"
    paths = sorted(small.iterdir())
    with Collection.open(target, create=True, embedder=embedder) as collection:
        if collection.count() < bench.count:
            for start in range(collection.count(), bench.count, 20_000):
                vectors = make_nested_vectors(min(20_000, bench.count - start), 1280, seed=start)[0]
                collection.add_vectors(vectors, keys=[f"k{start + i}" for i in range(len(vectors))])
        fresh = [path.read_bytes() + bytes(8) + str(time.time_ns()).encode() for path in paths[:60]]
        ours, peer = time_in_turns(
            40,
            lambda i: collection.add(fresh[i + 10] if i >= 0 else fresh[0]),
            lambda i: embedder.embed([images.decode(fresh[i], embedder.input_size).image]),
        )
        collection.remove([item.id for item in collection.items(cursor=bench.count, limit=1000).items])
    bench.add(
        f"adding one picture to {bench.count:,}",
        ours * 1e3,
        "ms",
        "its embedding + 20 ms",
        peer=peer * 1e3,
        limit=peer * 1e3 + 20,
    )


# ---- pictures


def make_files(folder: Path, count: int, draw: Callable[[int], bytes], distinct: int) -> Path:
    """Write `count` files drawn by `draw`; if `distinct` is not 0, of so many contents, with bytes after their end."""
    if folder.exists() and len(list(folder.iterdir())) == count:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    contents = [draw(place) for place in range(distinct or count)]
    for place in range(count):
        content = contents[place % len(contents)]
        (folder / f"{place:05}.jpg").write_bytes(content + (place.to_bytes(4, "big") if distinct else b""))
    return folder


def samples() -> list[Image.Image]:
    from skimage import data
    from sklearn.datasets import load_sample_images

    arrays = [*load_sample_images().images, data.astronaut(), data.cat(), data.coffee(), data.rocket()]
    return [Image.fromarray(array) for array in arrays]


def photograph(seed: int) -> bytes:
    """Return a sample enlarged to 4,000 x 3,000, with the grain of a sensor; about 3 MB."""
    random = np.random.default_rng(seed)
    source = samples()[seed % len(samples())]
    large = np.asarray(source.resize((4000, 3000), Image.Resampling.BICUBIC), np.int16)
    grain = random.normal(0, 6, (1500, 2000, 1)).repeat(2, 0).repeat(2, 1).astype(np.int16)
    return encode(Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)))


def thumbnail(seed: int) -> bytes:
    """Return a random part of a sample, 160 x 120."""
    random = np.random.default_rng(seed)
    source = samples_once()[seed % 6]
    width = int(random.integers(100, min(source.size)))
    left, top = (int(random.integers(0, edge - width + 1)) for edge in source.size)
    return encode(source.crop((left, top, left + width, top + width)).resize((160, 120)))


def dot(seed: int) -> bytes:
    return encode(Image.new("RGB", (16, 16), (seed % 256, seed // 256 % 256, 128)), "PNG")


def encode(picture: Image.Image, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return file.getvalue()


_once: list[Image.Image] = []


def samples_once() -> list[Image.Image]:
    if not _once:
        _once.extend(samples())
    return _once
