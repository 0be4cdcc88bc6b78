"""Versions of one picture: RAW and JPEG files of one exposure, and what people make of a picture and proofs show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.catalogue.duplicates import PairRow
from indexers.followers.evidence import PART_KINDS
from indexers.matching.clarity import GRID, Clarity
from indexers.matching.judging import SCENE_INLIERS
from indexers.matching.verification import SAME
from retrieval.duplicates.shots import (
    HEIC,
    JPEG,
    Shot,
    are_separate_shots,
    are_vouched_for,
    may_be_one_exposure,
    name_exposure,
)

EDIT, CROP, SCREEN, INSIDE = "edit", "crop", "screenshot", PART_KINDS[0]
SHARED = frozenset({SCREEN, INSIDE})
"""Kinds of pictures that may show several others."""
_SHAPE = 0.25  # the logarithm of a ratio: a camera may crop its JPEG to another shape, such as 16:9
WHOLE = 0.97
"""The share of a picture from which on it is all of it."""
_COPIED = frozenset({"recompressed", "resized"})  # what makes a copy, and no version
_SCREEN_NAME = re.compile(
    r"screen[ _-]?(shot|cap|grab|clip)|bildschirmfoto|capture[ _-]d|captura|schermata|sk[aä]rm|snímek|"
    r"скриншот|截屏|截图|スクリーンショット|schermafbeelding|^snip|^scr[_-]?\d",
    re.IGNORECASE,
)
_SCREENS = """
    750x1334 828x1792 1080x1920 1080x2160 1080x2220 1080x2280 1080x2340 1080x2400 1125x2436 1170x2532 1179x2556
    1206x2622 1242x2208 1242x2688 1284x2778 1290x2796 1320x2868 1440x2560 1440x2880 1440x2960 1440x3040
    1440x3120 1440x3200 720x1280 720x1520 720x1560 720x1600 640x1136 1536x2048 1620x2160 1640x2360 1668x2224
    1668x2388 2048x2732 1366x768 1440x900 1600x900 1680x1050 1920x1080 1920x1200 2560x1440 2560x1600 2880x1800
    3024x1964 3456x2234 3840x2160 5120x2880
"""
_SCREEN_SIZES = frozenset(tuple(map(int, size.split("x"))) for size in _SCREENS.split())
_PAPER, _DARK = 200.0, 30.0  # grey levels of the ground of pages and programs
_PLAIN = 2.0  # octaves of sharpness of a plain ground
_GROUND = 0.5  # the share of what surrounds a picture on a screen that is such a ground


class Version(NamedTuple):
    """What was made of an original, the proof, and in words what is different."""

    kind: str
    original: Shot
    derived: Shot
    pair: PairRow
    differences: tuple[str, ...]


def find_file_pairs(
    shots: Iterable[Shot], are_alike: Callable[[Shot, Shot], bool | None]
) -> Iterator[tuple[str, tuple[Shot, ...], str]]:
    """Yield the kind, the files and in words why they are of one exposure: RAW, HEIC and JPEG of one name."""
    by_name: dict[tuple[str, str], list[Shot]] = {}
    for shot in shots:
        if shot.stem and (shot.is_raw or shot.format in JPEG or shot.format in HEIC):
            by_name.setdefault(name_exposure(shot), []).append(shot)
    for files in by_name.values():
        raws = [shot for shot in files if shot.is_raw]
        jpegs, heics = ([shot for shot in files if shot.format in formats] for formats in (JPEG, HEIC))
        for kind, first, second in (
            ("raw + jpeg", raws, jpegs),
            ("raw + heic", raws, heics),
            ("heic + jpeg", heics, jpegs),
        ):
            pairs = [(a, b) for a in first for b in second if _are_one_exposure(a, b, are_alike)]
            if pairs:
                a, b = min(pairs, key=lambda pair: (pair[0].folder != pair[1].folder, pair[0].id, pair[1].id))
                yield kind, (b, a), f"one exposure, as {b.format} and as {a.format}"


def _are_one_exposure(a: Shot, b: Shot, are_alike: Callable[[Shot, Shot], bool | None]) -> bool:
    if not may_be_one_exposure(a, b):
        return False
    if abs(a.shape - b.shape) > _SHAPE and abs(a.shape + b.shape) > _SHAPE:
        return False
    alike = are_alike(a, b)
    return alike is True or (alike is None and a.has_time and b.has_time)


# ---- edits, crops, screens


def list_likely(shots: Iterable[Shot]) -> list[tuple[Shot, Shot]]:
    """Return pairs of pictures, the smaller id first, of which times, cameras or names say that one was made of the
    other."""
    by_moment: dict[Any, list[Shot]] = {}
    by_folder: dict[str, list[Shot]] = {}
    for shot in shots:
        if not shot.is_raw and shot.stem:
            by_folder.setdefault(shot.folder, []).append(shot)
            if shot.has_time and shot.camera:
                by_moment.setdefault((shot.camera, int(shot.time)), []).append(shot)
    pairs = {(a, b) for together in by_moment.values() for a in together for b in together if a.id < b.id}
    for together in by_folder.values():
        ordered = sorted(together, key=lambda shot: shot.stem)
        for place, shot in enumerate(ordered):  # those whose names go on follow at once
            for other in ordered[place + 1 :]:
                if not other.stem.startswith(shot.stem):
                    break
                pairs.add((shot, other) if shot.id < other.id else (other, shot))
    return sorted((pair for pair in pairs if are_vouched_for(*pair)), key=lambda pair: (pair[0].id, pair[1].id))


def find_versions(
    pairs: Iterable[PairRow], shots: Mapping[int, Shot], clarities: Mapping[int, Clarity]
) -> Iterator[Version]:
    """Yield what verdicts show to be made of another picture: proofs, or what pictures have in common where times,
    cameras or names vouch for the rest."""
    for pair in pairs:
        a, b = shots.get(pair.a), shots.get(pair.b)
        if a is None or b is None or a.is_raw or b.is_raw or are_separate_shots(a, b):
            continue
        version = _name_version(pair, a, b, clarities) if pair.score >= SAME else _name_likely_version(pair, a, b)
        if version is not None:
            yield version


def _name_likely_version(pair: PairRow, a: Shot, b: Shot) -> Version | None:
    """Return what a verdict that is no proof says of two pictures for which something else vouches."""
    screens = [looks_like_screen(shot) for shot in (a, b)]
    if screens[0] != screens[1] and pair.evidence.get("inliers", 0) >= SCENE_INLIERS:
        screen, picture = (a, b) if screens[0] else (b, a)
        return Version(SCREEN, picture, screen, pair, ()) if picture.camera and not screen.camera else None
    if not are_vouched_for(a, b):
        return None
    shares = measure_shares(pair.evidence.get("transform"), a.size, b.size)
    if min(shares) < WHOLE <= max(shares):
        original, derived = (a, b) if shares[0] < shares[1] else (b, a)
        return Version(CROP, original, derived, pair, ("cropped",))
    original, derived = sorted((a, b), key=rank_originals)
    return Version(EDIT, original, derived, pair, ("edited",))


def _name_version(pair: PairRow, a: Shot, b: Shot, clarities: Mapping[int, Clarity]) -> Version | None:
    words = [word for word in pair.evidence.get("differs", ()) if isinstance(word, str)]
    shares = measure_shares(pair.evidence.get("transform"), a.size, b.size)
    if pair.kind == INSIDE:
        inner, outer = (a, b) if shares[0] >= shares[1] else (b, a)
        is_screen = looks_like_screen(outer) or _is_on_page(inner, outer, pair, clarities)
        return Version(SCREEN if is_screen else INSIDE, inner, outer, pair, tuple(words))
    if not set(words) - _COPIED:
        return None
    screens = [looks_like_screen(shot) for shot in (a, b)]
    if screens[0] != screens[1]:
        original, derived = (b, a) if screens[0] else (a, b)
        return Version(SCREEN, original, derived, pair, tuple(words))
    if "cropped" in words:
        original, derived = (a, b) if shares[0] < shares[1] else (b, a)
        if derived.camera and not original.camera:  # who crops a picture keeps what its camera has written, or loses it
            kind = SCREEN if _is_on_page(derived, original, pair, clarities) else INSIDE
            return Version(kind, derived, original, pair, tuple(words))
        return Version(CROP, original, derived, pair, tuple(words))
    original, derived = sorted((a, b), key=rank_originals)
    return Version(EDIT, original, derived, pair, _turn_words(words, derived is a))


def _turn_words(words: Sequence[str], is_turned: bool) -> tuple[str, ...]:
    """Return the words for what is different in the derived picture. (The evidence describes b, seen from a.)"""
    opposite = {"brighter": "darker", "darker": "brighter"} if is_turned else {}
    return tuple(opposite.get(word, word) for word in words)


def rank_originals(shot: Shot) -> tuple[Any, ...]:
    """Return the sort key of what is the original: what a camera has written, then more pixels, then a shorter name."""
    return "at" not in shot.capture, -shot.size[0] * shot.size[1], len(shot.stem), shot.stem, shot.content


def measure_shares(matrix: Any, a: tuple[int, int], b: tuple[int, int]) -> tuple[float, float]:
    """Return which share of `a` is in `b`, and of `b` in `a`. matrix: float (2, 3), from pixels of a to those of b.

    1 and 1 without a sound one. Rotated pictures count by the boxes around them.
    """
    try:
        table = np.array(matrix, np.float64).reshape(2, 3)
    except (ValueError, TypeError):
        return 1.0, 1.0
    if abs(float(np.linalg.det(table[:, :2]))) < 1e-9:
        return 1.0, 1.0
    inverse = np.linalg.inv(np.vstack([table, [0, 0, 1]]))[:2]
    return _share(table, a, b), _share(inverse, b, a)


def _find_box(matrix: NDArray[np.float64], size: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    corners = np.array([(0, 0, 1), (size[0], 0, 1), (0, size[1], 1), (size[0], size[1], 1)], np.float64) @ matrix.T
    return corners.min(axis=0), corners.max(axis=0)


def _share(matrix: NDArray[np.float64], size: tuple[int, int], around: tuple[int, int]) -> float:
    low, high = _find_box(matrix, size)
    inside = np.clip(high, 0, around) - np.clip(low, 0, around)
    return float(np.prod(inside / np.maximum(high - low, 1e-9)))


def looks_like_screen(shot: Shot) -> bool:
    """Return True for what is a picture of a screen by its EXIF, its name, or its size where no camera is stated."""
    if shot.capture.get("screen") or _SCREEN_NAME.search(shot.stem):
        return True
    is_size = shot.size in _SCREEN_SIZES or shot.size[::-1] in _SCREEN_SIZES
    return is_size and shot.format == "PNG" and not shot.camera


def _is_on_page(inner: Shot, outer: Shot, pair: PairRow, clarities: Mapping[int, Clarity]) -> bool:
    """Return True if what surrounds a picture in another one is the plain ground of a page or a program."""
    if outer.format == "PNG" and not outer.camera and inner.camera:  # collages are seldom stored without loss
        return True
    clarity, matrix = clarities.get(outer.id), np.array(pair.evidence["transform"], np.float64)
    if clarity is None or matrix.shape != (2, 3):
        return False
    if pair.a == outer.id:
        matrix = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    low, high = _find_box(matrix, inner.size)
    centres = (np.arange(GRID) + 0.5) / GRID
    across, down = centres * outer.size[0], centres * outer.size[1]
    margin = np.array(outer.size) / GRID / 2
    inside = ((across > low[0] - margin[0]) & (across < high[0] + margin[0]))[None, :]
    inside = inside & ((down > low[1] - margin[1]) & (down < high[1] + margin[1]))[:, None]
    outside = ~inside
    if not outside.any():
        return False
    is_ground = (clarity.brightness >= _PAPER) | (clarity.brightness <= _DARK) | (clarity.sharpness <= _PLAIN)
    return float(is_ground[outside].mean()) >= _GROUND


def group_versions(versions: Iterable[Version]) -> Iterator[tuple[str, list[Version]]]:
    """Yield for each kind and original what was made of it; what is made of a version counts as of its original, if
    that is proved too. A screen that shows several pictures belongs to each."""
    by_kind: dict[str, list[Version]] = {}
    for version in versions:
        by_kind.setdefault(version.kind, []).append(version)
    for kind, rows in by_kind.items():
        made: dict[int, list[Version]] = {}
        for version in rows:
            made.setdefault(version.original.id, []).append(version)
        derived: set[int] = set()
        for original_id in sorted(made, key=lambda item_id: rank_originals(made[item_id][0].original)):
            members = [row for row in made[original_id] if kind in SHARED or row.derived.id not in derived]
            if members:
                derived |= {row.derived.id for row in members}
                yield kind, members
