"""Shots: what is known of how pictures were taken, and which of them one camera took one after the other."""

from __future__ import annotations

import math
from typing import Any

import pytest

from indexers.catalogue.shots import ShotRow
from retrieval.duplicates.shots import (
    MAX_APART,
    Shot,
    are_heic_and_jpeg,
    are_separate_shots,
    are_vouched_for,
    has_longer_name,
    has_other_number,
    have_one_moment,
    look_only_alike,
    measure_light,
    name_burst,
    name_exposure,
    read_shot,
)

NOON = 1_715_947_200.0  # 2024-05-17T12:00:00


def make_shot(
    number: int = 1,
    time: float = NOON,
    *,
    stem: str | None = None,
    camera: str = "Canon R5",
    is_exact: bool = True,
    size: tuple[int, int] = (60, 40),
    format: str = "JPEG",
    folder: str = "/p",
    **capture: Any,
) -> Shot:
    """Return the shot of item `number`, by default called img_NUMBER as a camera does."""
    stem = f"img_{number:04}" if stem is None else stem
    return Shot(number, bytes([number]) * 20, size, format, time, is_exact, camera, folder, stem, capture)


def make_row(**values: Any) -> ShotRow:
    row = ShotRow(7, b"h" * 20, 60, 40, "CR2", None, None, {}, "/p/raw/IMG_0001.CR2")
    return row._replace(**values)


# ---- from the catalogue


def test_a_shot_is_read_of_what_its_file_says() -> None:
    capture = {"at": "2024-05-17T12:00:00.25", "camera": "Canon R5", "serial": "012", "iso": 100.0}
    shot = read_shot(make_row(capture=capture, taken_at="2001-01-01T00:00:00", camera="Another"))
    assert shot == Shot(
        7, b"h" * 20, (60, 40), "CR2", NOON + 0.25, True, "Canon R5 012", "/p/raw", "img_0001", capture
    )  # fmt: skip
    assert shot.is_raw
    assert shot.has_time
    assert shot.shape == pytest.approx(math.log(1.5))


def test_what_an_older_version_has_read_says_less() -> None:
    shot = read_shot(make_row(taken_at="2024-05-17T12:00:00", camera="Canon R5", format="JPEG"))
    assert (shot.time, shot.is_exact, shot.camera, shot.is_raw) == (NOON, False, "Canon R5", False)


@pytest.mark.parametrize("capture", [{"iso": "100"}, {"at": 5}, {"shutter": 1.0}, [1], None])
def test_an_unsound_capture_is_passed_over(capture: Any) -> None:
    shot = read_shot(make_row(capture=capture, taken_at="2024-05-17T12:00:00"))
    assert (shot.capture, shot.time) == ({}, NOON)


@pytest.mark.parametrize("moment", [None, "", "yesterday", "2024-05-17T12:00:00.5+02:00"])
def test_a_moment_that_cannot_be_read_is_not_known(moment: str | None) -> None:
    shot = read_shot(make_row(taken_at=moment))
    assert (shot.has_time, shot.is_exact) == (False, False)


def test_a_picture_that_lies_nowhere_has_no_name() -> None:
    shot = read_shot(make_row(uri=None))
    assert (shot.folder, shot.stem) == ("", "")


# ---- one after the other, or at once


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (make_shot(1), make_shot(2, NOON + 1), True),
        (make_shot(1, stem="a", is_exact=False), make_shot(2, NOON + 1, stem="b", is_exact=False), True),
        (make_shot(1), make_shot(2, NOON + MAX_APART), True),
        (make_shot(1), make_shot(2, NOON + MAX_APART + 1), False),
        (make_shot(1), make_shot(2, NOON + 0.1), True),
        (make_shot(1, stem="a"), make_shot(2, NOON + 0.1, stem="b", is_exact=False), False),
        (make_shot(1), make_shot(2, NOON + 1, camera="Nikon"), False),
        (make_shot(1, camera=""), make_shot(2, NOON + 1, camera=""), False),
        (make_shot(1), make_shot(2, math.nan), False),
        (make_shot(1, exposure=0.01), make_shot(2, exposure=0.02), True),
        (make_shot(1, exposure=0.01), make_shot(2, exposure=0.010001), False),
        (make_shot(1, bias=0.0), make_shot(2, bias=-1.0), True),
        (make_shot(1, bias=0.0), make_shot(2, bias=0.0), False),
        (make_shot(1, iso=100.0), make_shot(2, aperture=2.8), False),
        (make_shot(1, is_exact=False), make_shot(2, is_exact=False), True),
        (make_shot(1), make_shot(2), False),
        (make_shot(1, is_exact=False), make_shot(2, stem="img_0001-edited", is_exact=False), False),
    ],
    ids=["a second", "a full second", "a minute", "more than a minute", "a tenth", "a tenth, perhaps", "cameras",
         "no camera", "no time",
         "exposures", "rounded", "compensations", "equal", "unlike settings", "numbers", "numbers of one moment",
         "edit"],
)  # fmt: skip
def test_shots_of_one_camera_are_told_from_copies(a: Shot, b: Shot, expected: bool) -> None:
    assert are_separate_shots(a, b) is expected
    assert are_separate_shots(b, a) is expected


HEIC = make_shot(1, stem="img_0001", format="HEIF", size=(4032, 3024))


@pytest.mark.parametrize(
    ("jpeg", "expected"),
    [
        (make_shot(2, stem="img_0001", size=(4032, 3024)), True),
        (make_shot(2, stem="img_0001", size=(3024, 4032), folder="/p/jpeg"), True),
        (make_shot(2, NOON + 1, stem="img_0001", size=(4032, 3024), is_exact=False), True),
        (make_shot(2, stem="img_0001", size=(1024, 768)), False),
        (make_shot(2, stem="img_0001", size=(4032, 3024), camera=""), False),
        (make_shot(2, math.nan, stem="img_0001", size=(4032, 3024)), False),
        (make_shot(2, stem="img_0001 (2)", size=(4032, 3024)), False),
        (make_shot(2, stem="img_0001", size=(4032, 3024), folder="/backup"), False),
        (make_shot(2, stem="img_0001", size=(4032, 3024), format="PNG"), False),
        (make_shot(2, stem="img_0001", size=(4032, 3024), format="HEIF"), False),
    ],
    ids=["beside it", "turned, in a folder of its own", "a second", "for sending", "without a camera", "without a time",
         "another name", "another folder", "another format", "the same format"],
)  # fmt: skip
def test_heic_and_jpeg_of_one_exposure_are_no_copies(jpeg: Shot, expected: bool) -> None:
    assert are_heic_and_jpeg(HEIC, jpeg) is expected
    assert are_heic_and_jpeg(jpeg, HEIC) is expected
    if expected:
        assert look_only_alike(HEIC, jpeg)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (make_shot(1), make_shot(2), True),
        (make_shot(1), make_shot(2, NOON + 0.1), False),
        (make_shot(1), make_shot(2, camera="Nikon"), False),
        (make_shot(1, math.nan), make_shot(2, math.nan), False),
        (make_shot(1, iso=100.0), make_shot(2, iso=200.0), False),
        (make_shot(1, is_exact=False), make_shot(2, stem="img_0001_edit", is_exact=False), True),
        (make_shot(1, NOON + 0.7), make_shot(2, stem="img_0001_edit", is_exact=False), True),
        (make_shot(1, is_exact=False), make_shot(2, is_exact=False), False),
        (make_shot(1, is_exact=False, bias=0.0), make_shot(2, stem="img_0001_edit", is_exact=False, bias=1.0), False),
    ],
    ids=["exactly", "a tenth", "cameras", "no time", "settings", "edit", "edit without fraction", "numbers", "bias"],
)
def test_files_of_one_exposure_say_one_moment(a: Shot, b: Shot, expected: bool) -> None:
    assert have_one_moment(a, b) is expected
    assert have_one_moment(b, a) is expected


# ---- by their names


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("img_0001", "img_0001-edited", True),
        ("img_0001", "img_0001 (2)", True),
        ("img_0001", "img_0001", True),
        ("img_0001", "img_00012", False),
        ("cats", "catsuit", False),
        ("cat", "cat-2", False),
        ("img_0001", "my img_0001", False),
    ],
)
def test_the_name_of_an_edited_picture_goes_on(a: str, b: str, expected: bool) -> None:
    first, second = make_shot(1, stem=a), make_shot(2, stem=b)
    assert has_longer_name(first, second) is has_longer_name(second, first) is expected


def test_names_vouch_in_one_folder_and_moments_in_all() -> None:
    unknown = make_shot(1, math.nan, stem="cats")
    assert are_vouched_for(unknown, make_shot(2, math.nan, stem="cats-small"))
    assert not are_vouched_for(unknown, make_shot(2, math.nan, stem="cats-small", folder="/q"))
    assert not are_vouched_for(unknown, make_shot(2, math.nan, stem="cats"))
    assert are_vouched_for(make_shot(1), make_shot(2, stem="x", folder="/q"))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("img_0001", "img_0002", True),
        ("img_0001", "img_0001", False),
        ("img_0001", "dsc_0002", False),
        ("dscf0001", "dscf0002", True),
        ("img_0001", "img_0002-edited", False),
        ("holiday 1", "holiday 2", False),
    ],
)
def test_cameras_number_their_files(a: str, b: str, expected: bool) -> None:
    assert has_other_number(make_shot(1, stem=a), make_shot(2, stem=b)) is expected


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("00000img_00000_burst20240517102030123", "00001img_00001_burst20240517102030123_cover"),
        ("00000portrait_00000_burst20240517102030123", "00001img_00001_burst20240517102030123"),
        ("img_20240517_102030_burst001", "img_20240517_102030_burst012"),
        ("img_20240517_102030_burst001_cover", "img_20240517_102030_burst2"),
        ("20240517_102030_burst01", "20240517_102030_burst02"),
        ("burst20240517102030_001", "burst20240517102030_002"),
    ],
)
def test_telephones_mark_bursts_in_names(a: str, b: str) -> None:
    names = {name_burst(make_shot(number, stem=stem)) for number, stem in enumerate((a, b))}
    assert len(names) == 1
    assert None not in names


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("00000img_00000_burst20240517102030123", "00000img_00000_burst20240517102030456"),
        ("img_20240517_102030_burst001", "img_20240517_102031_burst001"),
    ],
)
def test_two_bursts_in_one_folder_are_two(a: str, b: str) -> None:
    """Also within a second."""
    names = {name_burst(make_shot(number, stem=stem)) for number, stem in enumerate((a, b))}
    assert len(names) == 2


def test_bursts_of_two_folders_are_two() -> None:
    shots = [make_shot(folder=folder, stem="img_20240517_102030_burst001") for folder in ("/p", "/q")]
    assert name_burst(shots[0]) != name_burst(shots[1])


@pytest.mark.parametrize("stem", ["img_0001", "sunburst", "sunburst1", "starburst_2", "burst of joy", ""])
def test_other_names_mark_no_burst(stem: str) -> None:
    assert name_burst(make_shot(stem=stem)) is None


def test_a_burst_in_exif_counts_before_names() -> None:
    first, second = make_shot(1, burst="X"), make_shot(2, stem="img_20240517_102030_burst001", burst="X")
    assert name_burst(first) == name_burst(second) == "Canon R5 X"
    assert name_burst(make_shot(3, burst="X", camera="Nikon")) != name_burst(first)


@pytest.mark.parametrize(
    ("folder", "expected"), [("/p", "/p"), ("/p/raw", "/p"), ("/p/JPEG", "/p"), ("/p/rawhide", "/p/rawhide")]
)
def test_the_files_of_an_exposure_may_lie_in_a_folder_for_each_format(folder: str, expected: str) -> None:
    assert name_exposure(make_shot(1, folder=folder)) == (expected, "img_0001")


# ---- light


@pytest.mark.parametrize(
    ("capture", "light"),
    [
        ({"exposure": 1.0, "iso": 100.0, "aperture": 1.0}, 0.0),
        ({"exposure": 1 / 64, "iso": 400.0, "aperture": 2.0}, -6.0),
        ({"exposure": 0.5, "iso": 100.0}, -1.0),
        ({"exposure": 0.5}, None),
        ({"iso": 100.0, "aperture": 2.0}, None),
    ],
)
def test_light_is_told_in_powers_of_two(capture: dict[str, Any], light: float | None) -> None:
    assert measure_light(make_shot(**capture)) == light
