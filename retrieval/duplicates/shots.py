"""Shots: pictures with what is known of how they were taken. Two of one camera that differ in it are no copies."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from datetime import datetime

from indexers.catalogue.shots import ShotRow
from indexers.pictures.capture import is_sound
from indexers.pictures.raw import RAW_FORMATS
from indexers.pictures.scan import to_path, to_uri
from indexers.types import Json, PictureFacts

SERIES_SECONDS = 2.0
"""Seconds from the end of one shot to the next, at most, in a series."""
MAX_APART = 60.0
"""Seconds up to which other times mean other shots: by more, people correct the times of copies."""
SHORTEST_NAME = 4
"""Letters of a name that tells anything."""
JPEG, HEIC = frozenset({"JPEG"}), frozenset({"HEIF", "HEIC", "AVIF"})
"""Formats in which cameras store what they have developed."""
_SAME_EXPOSURE = 2.0  # seconds by which the times of two files of one exposure may differ
_SAME_SIZE = 0.8  # of the smaller one's edges: a smaller file of the same name is a copy for sending
_SETTINGS = "exposure", "aperture", "iso", "bias", "focal", "distance"
_CAMERA_NAME = re.compile(r"([A-Za-z_]{4}|[A-Z0-9_]{4})(\d{4})", re.ASCII)  # by the Design rule for Camera Files
# 00001IMG_00001_BURST20240517102030123_COVER, IMG_20240517_102030_BURST001; a sunburst is none
_BURST_NAME = re.compile(r"(.*?)_?(?<![A-Z])BURST_?(\d{12,})?_?\d*(?:_COVER|_TOP)?", re.ASCII | re.IGNORECASE)
_FORMAT_FOLDERS = frozenset(
    (
        "raw",
        "raws",
        "jpeg",
        "jpg",
        "jpegs",
        "jpgs",
        "heic",
        "heif",
        "dng",
        "cr2",
        "cr3",
        "nef",
        "arw",
        "raf",
        "orf",
        "rw2",
    )
)


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture as it was taken.

    time: seconds of the camera's clock; NaN if unknown. is_exact: to a fraction of a second. camera: with its serial
    number, as far as it is known. folder, stem: where it lies and its name without suffix, in lower case.
    """

    id: int
    content: bytes
    size: tuple[int, int]
    format: str
    time: float
    is_exact: bool
    camera: str
    folder: str
    stem: str
    capture: Json = field(hash=False)

    @property
    def is_raw(self) -> bool:
        """Whether it is what the sensor saw, which other programs develop."""
        return self.format in RAW_FORMATS

    @property
    def has_time(self) -> bool:
        """Whether it is known when it was taken."""
        return not math.isnan(self.time)

    @property
    def shape(self) -> float:
        """The logarithm of width over height."""
        return math.log(self.size[0] / self.size[1])


def read_shot(row: ShotRow) -> Shot:
    """Return the shot of a row of the catalogue. Pictures that an older version has read say less."""
    capture = row.capture if is_sound(row.capture) else {}
    moment = capture.get("at") or row.taken_at
    time = math.nan
    if moment is not None:
        try:
            time = (datetime.fromisoformat(moment) - datetime(1970, 1, 1)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            moment = None
    path = to_path(row.uri) if row.uri else ""
    stem, _ = os.path.splitext(os.path.basename(path))
    camera = capture.get("camera") or row.camera or ""
    if camera and capture.get("serial"):
        camera = f"{camera} {capture['serial']}"
    is_exact = "." in (moment or "")
    size = max(1, row.width), max(1, row.height)
    folder = os.path.dirname(path)
    return Shot(row.id, row.hash, size, row.format, time, is_exact, camera, folder, stem.lower(), capture)


def describe_shot(facts: PictureFacts, path: str | None) -> Shot:
    """Return the shot of a picture that is no item, by what its file says."""
    uri = to_uri(path) if path else None
    said = facts.taken_at, facts.camera, facts.capture
    return read_shot(ShotRow(0, b"", facts.width, facts.height, facts.format, *said, uri))


def look_only_alike(a: Shot, b: Shot) -> bool:
    """Return True for two shots of one camera, and for two files of one exposure, RAW and developed or HEIC and JPEG:
    they are no copies, however much they look it."""
    return a.is_raw != b.is_raw or are_separate_shots(a, b) or are_heic_and_jpeg(a, b)


def are_heic_and_jpeg(a: Shot, b: Shot) -> bool:
    """Return True if a camera has stored one exposure as HEIC and as JPEG: by name, camera, time and size."""
    if not ((a.format in HEIC and b.format in JPEG) or (b.format in HEIC and a.format in JPEG)):
        return False
    if not (a.stem and a.camera and b.camera and a.has_time and b.has_time):
        return False
    edges = [size for shot in (a, b) for size in (max(shot.size), min(shot.size))]
    is_one_size = all(min(x, y) >= _SAME_SIZE * max(x, y) for x, y in zip(edges[:2], edges[2:], strict=True))
    return is_one_size and name_exposure(a) == name_exposure(b) and may_be_one_exposure(a, b)


def may_be_one_exposure(a: Shot, b: Shot) -> bool:
    """Return False if the cameras or the times of two files say that they are of two exposures."""
    if a.camera and b.camera and a.camera != b.camera:
        return False
    return not (a.has_time and b.has_time) or abs(a.time - b.time) <= _SAME_EXPOSURE


def are_separate_shots(a: Shot, b: Shot) -> bool:
    """Return True if one camera has taken both, one after the other: by their times, settings or numbers.

    A copy says the same of itself as its original, or nothing.
    """
    if not (a.camera and a.camera == b.camera and a.has_time and b.has_time):
        return False
    apart = abs(a.time - b.time)
    if apart > MAX_APART:
        return False
    if apart >= 1 or (apart > 0 and a.is_exact and b.is_exact):
        return True
    known = [(a.capture[name], b.capture[name]) for name in _SETTINGS if name in a.capture and name in b.capture]
    if any(abs(x - y) > 1e-3 * max(abs(x), abs(y)) for x, y in known):
        return True
    return has_other_number(a, b) and not (a.is_exact and b.is_exact)


def have_one_moment(a: Shot, b: Shot) -> bool:
    """Return True if both files say that they are of one exposure: by a time that is exact, or by time and name.

    The name of an edited picture often begins with that of its original.
    """
    if not (a.has_time and b.has_time and a.camera == b.camera and int(a.time) == int(b.time)):
        return False
    if a.is_exact and b.is_exact:
        return a.time == b.time and not are_separate_shots(a, b)
    return has_longer_name(a, b) and not are_separate_shots(a, b)


def has_longer_name(a: Shot, b: Shot) -> bool:
    """Return True if the name of one goes on after that of the other, as that of an edited picture or a copy does."""
    shorter, longer = sorted((a.stem, b.stem), key=len)
    return len(shorter) >= SHORTEST_NAME and longer.startswith(shorter) and not longer[len(shorter) :][:1].isalnum()


def are_vouched_for(a: Shot, b: Shot) -> bool:
    """Return True if time and camera, or the names of two files in one folder, say that one was made of the other."""
    return have_one_moment(a, b) or (a.folder == b.folder and a.stem != b.stem and has_longer_name(a, b))


def has_other_number(a: Shot, b: Shot) -> bool:
    """Return True if both have names as cameras give them, with different numbers."""
    names = _CAMERA_NAME.fullmatch(a.stem), _CAMERA_NAME.fullmatch(b.stem)
    return None not in names and names[0][1] == names[1][1] and names[0][2] != names[1][2]  # type: ignore[index]


def name_burst(shot: Shot) -> str | None:
    """Return what all shots of a burst have in common that their camera has marked, in EXIF or in their names."""
    if "burst" in shot.capture:
        return f"{shot.camera} {shot.capture['burst']}"
    match = _BURST_NAME.fullmatch(shot.stem)
    if match is None:
        return None
    return f"{shot.folder}/ {match[2]}" if match[2] else f"{shot.folder}/{match[1]} "


def name_exposure(shot: Shot) -> tuple[str, str]:
    """Return what the files of one exposure have in common: the folder, but for one of a format, and the stem."""
    folder, last = os.path.split(shot.folder)
    return (folder if last.lower() in _FORMAT_FOLDERS else shot.folder), shot.stem


def measure_light(shot: Shot) -> float | None:
    """Return how much light an exposure lets in, in EV: the compensation apart; None if a figure is missing."""
    exposure, aperture, iso = (shot.capture.get(name) for name in ("exposure", "aperture", "iso"))
    if not exposure or not iso:
        return None
    return math.log2(exposure * iso / 100 / (aperture or 1.0) ** 2)
