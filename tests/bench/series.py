"""Groups of files that belong together, made of pictures: seeded, with the EXIF that cameras write.

Each maker takes a scene, other pictures and a generator of random numbers, and returns the files of one group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from tests.bench.edits import (
    EDITS,
    crop_corner,
    crop_off_centre,
    crop_to_quarter,
    filter_colours,
    shoot_screen,
    turn_sepia,
)
from tests.bench.transforms import Random, _places, _thing, recompress, resize, text_bar
from tests.support.raw_files import write_dng

Others = Sequence[Image.Image]
START = datetime(2024, 5, 17, 10, 0, 0)


@dataclass
class File:
    """A picture to be written, and what its EXIF says: `taken` in seconds after the group began; None: no EXIF."""

    name: str
    image: Image.Image
    taken: float | None = None
    has_fraction: bool = True
    tags: dict[int, Any] = field(default_factory=dict)
    kind: str = "JPEG"


def write_group(folder: Path, files: Sequence[File], start: datetime, camera: str = "EOS R5") -> list[Path]:
    """Write the files of a group whose first shot was taken at `start`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file in files:
        path = folder / file.name
        if path.suffix == ".dng":
            moment = start + timedelta(seconds=file.taken or 0)
            rows = {0x9003: (2, f"{moment:%Y:%m:%d %H:%M:%S}".encode()), 0x9291: (2, f"{moment:%f}"[:2].encode())}
            write_dng(path, file.image, rows, preview=file.kind != "RAW", camera=(b"Canon", camera.encode()))
        else:
            exif = Image.Exif()
            if file.taken is not None:
                moment = start + timedelta(seconds=file.taken)
                exif[0x010F], exif[0x0110] = "Canon", camera
                more = exif.get_ifd(0x8769)
                more[0x9003] = f"{moment:%Y:%m:%d %H:%M:%S}"
                if file.has_fraction:
                    more[0x9291] = f"{moment:%f}"[:2]
                more.update(file.tags)
            options: dict[str, Any] = {"quality": 92} if file.kind == "JPEG" else {"compress_level": 1}
            file.image.save(path, file.kind, exif=exif, **options)
        paths.append(path)
    return paths


# ---- series


def shake(image: Image.Image, random: Random, moved: float) -> Image.Image:
    """Return the scene without its outer 6 %, seen by a hand that moves, with noise."""
    width, height = image.size
    corners = np.array([(0.06, 0.06), (0.06, 0.94), (0.94, 0.94), (0.94, 0.06)])
    corners = corners + random.uniform(-moved, moved, 2) + random.uniform(-moved / 3, moved / 3, (4, 2))
    corners = np.clip(corners, 0, 1) * (width, height)
    size = round(width * 0.88), round(height * 0.88)
    seen = image.transform(size, Image.Transform.QUAD, tuple(corners.ravel().tolist()), Image.Resampling.BICUBIC)
    pixels = np.asarray(seen, np.float32) + random.normal(0, 1, (seen.height, seen.width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def number_names(random: Random, count: int) -> list[str]:
    first = int(random.integers(1000, 9000))
    return [f"IMG_{first + place:04}.JPG" for place in range(count)]


def make_burst(scene: Image.Image, others: Others, random: Random) -> list[File]:
    """Shots of a hand-held camera while a thing crosses the scene; every second camera tells no fractions."""
    count, has_fraction = int(random.integers(3, 8)), bool(random.random() < 0.6)
    thing = _thing(others[0], round(min(scene.size) * float(random.uniform(0.15, 0.3))))
    first, last = (np.array(place) for place in _places(scene.size, thing.size, random))
    moved, step = float(random.uniform(0.002, 0.02)), float(random.uniform(0.05, 0.5))
    files = []
    for place, name in enumerate(number_names(random, count)):
        shot = scene.copy()
        corner = first + (last - first) * place / max(1, count - 1)
        shot.paste(thing, tuple(corner.round().astype(int).tolist()), thing)  # type: ignore[arg-type]
        shot = shake(shot, random, moved)
        if random.random() < 0.3:
            shot = shot.filter(ImageFilter.GaussianBlur(float(random.uniform(0.5, 2))))
        files.append(
            File(name, shot, place * step, has_fraction, {0x829A: 1 / 250, 0x8827: 200, 0x829D: 4.0, 0x9204: 0.0})
        )
    return files


def expose(image: Image.Image, stops: float, random: Random) -> Image.Image:
    """Return the picture exposed by so many stops more; what is too bright is lost."""
    linear = (np.asarray(image, np.float32) / 255) ** 2.2 * 2**stops + random.normal(
        0, 0.002, (image.height, image.width, 3)
    )
    return Image.fromarray((np.clip(linear, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8))


def make_bracket(scene: Image.Image, others: Others, random: Random) -> list[File]:
    """Three or five exposures, by compensation or by hand, in the order of some camera."""
    step = float(random.choice([0.7, 1, 1.3, 2]))
    count = int(random.choice([3, 5])) if step < 1.4 else 3
    stops = [step * place for place in range(-(count // 2), count // 2 + 1)]
    if random.random() < 0.5:
        stops.sort(key=lambda value: (abs(value), value))
    is_stated = random.random() < 0.7 or step < 1
    files = []
    for place, (name, stop) in enumerate(zip(number_names(random, count), stops, strict=True)):
        shot = shake(expose(scene, stop, random), random, 0.004)
        tags = {0x829A: 2**stop / 125, 0x8827: 100, 0x829D: 8.0, 0x9204: stop if is_stated else 0.0}
        if is_stated and random.random() < 0.5:
            tags[0xA402] = 2
        files.append(File(name, shot, place * 0.3, bool(place % 2), tags))
    if any(0xA402 in file.tags for file in files):
        for file in files:
            file.tags[0xA402] = 2
    return files


def make_focus(scene: Image.Image, others: Others, random: Random) -> list[File]:
    """Shots of a scene of some depth, the focus moving through it; it breathes a little."""
    count = int(random.integers(3, 8))
    slope = random.normal(size=2)
    x, y = np.meshgrid(np.linspace(-1, 1, scene.width), np.linspace(-1, 1, scene.height))
    hills = Image.fromarray(random.random((5, 5)).astype(np.float32)).resize(scene.size, Image.Resampling.BICUBIC)
    depth = slope[0] * x + slope[1] * y + 1.5 * np.asarray(hills)
    depth = (depth - depth.min()) / np.ptp(depth)
    blurs = [np.asarray(scene.filter(ImageFilter.GaussianBlur(radius)), np.float32) for radius in (0, 1, 2, 3.5, 5)]
    files = []
    for place, name in enumerate(number_names(random, count)):
        level = np.clip(np.abs(depth - place / (count - 1)) * 9, 0, 4)
        low = np.minimum(level.astype(int), 3)
        share = (level - low)[..., None]
        stack = np.stack(blurs)
        rows, columns = np.indices(level.shape)
        pixels = stack[low, rows, columns] * (1 - share) + stack[low + 1, rows, columns] * share
        shot = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        zoom = 1 + 0.006 * place
        size = scene.width / zoom, scene.height / zoom
        left, top = (scene.width - size[0]) / 2, (scene.height - size[1]) / 2
        shot = shot.transform(scene.size, Image.Transform.EXTENT, (left, top, left + size[0], top + size[1]))
        tags = {0x829A: 1 / 60, 0x8827: 100, 0x829D: 2.8, 0x9204: 0.0}
        files.append(File(name, shake(shot, random, 0.001), place * 0.4, True, tags))
    return files


# ---- versions


def make_edit(scene: Image.Image, others: Others, random: Random) -> list[File]:
    edits: list[Callable[[], Image.Image]] = [
        lambda: ImageEnhance.Brightness(scene).enhance(1.4),
        lambda: scene.convert("L").convert("RGB"),
        lambda: turn_sepia(scene, others, random),
        lambda: filter_colours(scene, others, random),
        lambda: ImageOps.mirror(scene),
        lambda: text_bar(scene, random),
        lambda: EDITS["rotation 90°"](scene, others, random),
    ]
    edited = edits[int(random.integers(len(edits)))]()
    keeps = bool(random.random() < 0.5)
    name = number_names(random, 1)[0]
    return [File(name, scene, 0.0), File(name.replace(".JPG", "-edit.jpg"), edited, 0.0 if keeps else None)]


def make_crop(scene: Image.Image, others: Others, random: Random) -> list[File]:
    crops: list[Callable[[], Image.Image]] = [
        lambda: crop_off_centre(scene, others, random),
        lambda: crop_corner(scene, 0.2, random),
        lambda: crop_to_quarter(scene, others, random),
        lambda: resize(crop_corner(scene, 0.15, random), 0.7),
        lambda: ImageEnhance.Brightness(crop_corner(scene, 0.15, random)).enhance(1.3),
    ]
    cropped = crops[int(random.integers(len(crops)))]()
    name = number_names(random, 1)[0]
    keeps = bool(random.random() < 0.5)
    return [File(name, scene, 0.0), File(name.replace(".JPG", " crop.jpg"), cropped, 0.0 if keeps else None)]


def make_screen(scene: Image.Image, others: Others, random: Random) -> list[File]:
    """A page with the picture in it, or the picture whole on a screen; half of them have names of screenshots."""
    is_page = random.random() < 0.6
    screen = shoot_screen(scene, others, random) if is_page else show_whole(scene, random)
    is_named = not is_page or random.random() < 0.5
    name = "Screenshot 2024-05-18 at 11.02.33.png" if is_named else "2024-05-18-a.png"
    return [File(number_names(random, 1)[0], scene, 0.0), File(name, screen, None, kind="PNG")]


def show_whole(scene: Image.Image, random: Random) -> Image.Image:
    """Show the picture between the bars of a telephone's program."""
    width = round(scene.width * float(random.uniform(0.7, 1)))
    inner = ImageOps.contain(scene, (width, 10 * width))
    dark = (0, 0, 0) if random.random() < 0.5 else (255, 255, 255)
    screen = Image.new("RGB", (width, max(round(width * 1.9), inner.height + 40)), dark)
    screen.paste(inner, (0, (screen.height - inner.height) // 2))
    return screen


def make_raw(scene: Image.Image, others: Others, random: Random) -> list[File]:
    name = number_names(random, 1)[0]
    developed = ImageEnhance.Contrast(scene).enhance(float(random.uniform(0.9, 1.2)))
    kind = "RAW" if random.random() < 0.5 else "JPEG"
    return [
        File(name, developed, 0.0, bool(random.random() < 0.5)),
        File(name.replace(".JPG", ".dng"), scene, 0.0, kind=kind),
    ]


# ---- what belongs to no stack


def make_copies(scene: Image.Image, others: Others, random: Random) -> list[File]:
    name = number_names(random, 1)[0]
    copy = resize(scene, 0.6) if random.random() < 0.5 else recompress(scene, 40)
    return [
        File(name, scene, 0.0),
        File(name.replace(".JPG", " (1).jpg"), copy, 0.0 if random.random() < 0.5 else None),
    ]


def make_strangers(scene: Image.Image, others: Others, random: Random) -> list[File]:
    """Different pictures that one camera has taken within a second or two."""
    names = number_names(random, 3)
    return [
        File(name, image, place * 0.9, bool(random.random() < 0.5))
        for place, (name, image) in enumerate(zip(names, (scene, *others[:2]), strict=True))
    ]


def make_namesakes(scene: Image.Image, others: Others, random: Random) -> list[File]:
    """A RAW file and a JPEG of one name and of different shots, as when a camera's numbers begin again."""
    name = number_names(random, 1)[0]
    return [File(name, others[0], None), File(name.replace(".JPG", ".dng"), scene, 0.0)]


MAKERS: dict[str, Callable[[Image.Image, Others, Random], list[File]]] = {
    "burst": make_burst,
    "exposure bracket": make_bracket,
    "focus series": make_focus,
    "raw + jpeg": make_raw,
    "edit": make_edit,
    "crop": make_crop,
    "screenshot": make_screen,
    "copies": make_copies,
    "other pictures": make_strangers,
    "other raw + jpeg": make_namesakes,
}
"""By the kind of stack, or of what is none."""
NO_STACKS = ("copies", "other pictures", "other raw + jpeg")
