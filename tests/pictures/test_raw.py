"""RAW files: generated DNGs, read with LibRaw as a person sees them."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.pictures.images import decode
from indexers.pictures.raw import RAW_FORMATS, find_format, read_raw
from indexers.types import Limits
from tests.support import pictures
from tests.support.photographs import load_photograph
from tests.support.raw_files import write_dng

pytest.importorskip("rawpy", reason="rawpy reads RAW files")

AS_PREVIEW, DEVELOPED = 4.0, 15.0
"""Grey levels by which what is read differs from the original on average, at most: 2.2 to 2.7 and 7.8 to 9.6 as
measured; JPEG's loss, and LibRaw's brightening and its filling in of colours."""
TURNED = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}
"""How what the sensor saw is turned to be upright, by EXIF orientation."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture.tif"  # a RAW file is known by its content


def difference(a: Image.Image, b: Image.Image) -> float:
    """Return the mean difference of two RGB pictures of one size, in grey levels."""
    assert a.size == b.size
    return float(np.abs(np.asarray(a).astype(int) - np.asarray(b)).mean())


# ---- which files they are


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"II*\0\x10\0\0\0CR\2\0", "CR2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "CR3"),
        (b"IIU\0\x18\0\0\0", "RW2"),
        (b"IIRO\x08\0\0\0", "ORF"),
        (b"IIRS\x08\0\0\0", "ORF"),
        (b"MMOR\0\0\0\x08", "ORF"),
        (b"FUJIFILMCCD-RAW 0201", "RAF"),
    ],
)
def test_a_format_is_known_by_how_a_file_begins(start: bytes, kind: str) -> None:
    assert find_format(start + bytes(40)) == kind
    assert kind in RAW_FORMATS


@pytest.mark.parametrize("preview", [True, False])
def test_a_dng_is_a_tiff_with_a_version(path: Path, preview: bool) -> None:
    write_dng(path, pictures.quarters(), preview=preview)
    assert find_format(path.read_bytes()) == "DNG"


@pytest.mark.parametrize(
    ("maker", "kind"),
    [(b"NIKON CORPORATION", "NEF"), (b"SONY", "ARW"), (b"RICOH IMAGING", "PEF"), (b"SAMSUNG", "SRW"), (b"Own", "RAW")],
)
@pytest.mark.parametrize("preview", [True, False])
def test_a_tiff_of_a_sensor_is_called_by_its_maker(path: Path, maker: bytes, kind: str, preview: bool) -> None:
    """Whether the sensor's values are in its first directory or in one below."""
    write_dng(path, pictures.quarters(), preview=preview, camera=(maker, b"Model"))
    version = struct.pack("<H", 50706)
    assert find_format(path.read_bytes().replace(version, struct.pack("<H", 50705))) == kind


def test_the_bytes_of_a_number_may_be_in_either_order() -> None:
    rows = struct.pack(">HHIHH", 262, 3, 1, 32803, 0) + struct.pack(">HHII", 271, 2, 6, 8 + 2 + 2 * 12 + 4)
    assert find_format(b"MM\0*" + struct.pack(">IH", 8, 2) + rows + bytes(4) + b"NIKON\0") == "NEF"


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_pictures_for_everyone_are_none(kind: str) -> None:
    assert find_format(pictures.encoded(pictures.quarters(), kind)) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"MMmm" + bytes(4) + b"CR", b"II", b"II*\0",
     b"MM\0*\0\0\0\x08", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff",
     b"text " * 9, pictures.heic(), pictures.deep_tiff("RGB", ">")],
)  # fmt: skip
def test_garbage_and_other_files_are_none(data: bytes) -> None:
    assert find_format(data) is None


# ---- what they show


@pytest.mark.parametrize(("preview", "bound"), [(True, AS_PREVIEW), (False, DEVELOPED)])
@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_it_shows_what_the_camera_saw(path: Path, name: str, preview: bool, bound: float) -> None:
    photograph = load_photograph(name)
    write_dng(path, photograph, preview=preview)
    image, facts = decode(path)
    assert image.mode == "RGB"
    assert difference(image, photograph) < bound
    assert (facts.width, facts.height, facts.format) == (*photograph.size, "DNG")


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_it_comes_upright(path: Path, orientation: int, preview: bool) -> None:
    photograph = load_photograph("coffee", 300)
    stored = photograph.transpose(pictures.UNTURNED[orientation]) if orientation > 1 else photograph
    write_dng(path, stored, preview=preview, orientation=orientation)
    image, facts = decode(path)
    assert (facts.width, facts.height) == image.size == (300, 200)
    assert difference(image, photograph) < DEVELOPED


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_preview_that_does_not_state_how_to_turn_it_is_turned(path: Path, orientation: int) -> None:
    photograph = load_photograph("coffee", 300)
    write_dng(path, photograph.transpose(pictures.UNTURNED[orientation]), orientation=orientation)
    read = read_raw(path.read_bytes(), "DNG", 0, Limits(), lambda data: Image.open(io.BytesIO(data)).copy())
    assert (read.size, read.is_upright) == ((300, 200), True)
    assert difference(read.image, photograph) < AS_PREVIEW


def test_it_is_shrunk_and_states_its_full_size(path: Path) -> None:
    write_dng(path, load_photograph("coffee"), preview=False)
    image, facts = decode(path, 100)
    assert max(image.size) < 600
    assert (facts.width, facts.height) == (600, 400)
    small = load_photograph("coffee").resize(image.size, Image.Resampling.BOX)
    assert difference(image, small) < DEVELOPED


def test_what_exif_says_is_read_of_the_file_and_not_of_its_preview(path: Path) -> None:
    exif = {0x829A: (5, [(1, 250)]), 0x8827: (3, (400,)), 0x9003: (2, b"2024:05:17 10:20:30"), 0x9291: (2, b"25")}
    write_dng(path, pictures.gradient(), exif, camera=(b"Canon", b"Canon EOS R5"))
    facts = decode(path).facts
    assert (facts.taken_at, facts.camera) == ("2024-05-17T10:20:30", "Canon EOS R5")
    assert facts.capture == {
        "at": "2024-05-17T10:20:30.25",
        "camera": "Canon EOS R5",
        "exposure": 0.004,
        "iso": 400.0,
    }


def test_a_small_preview_is_passed_over(path: Path) -> None:
    """Where the caller needs more than it has: the sensor's values are developed."""
    write_dng(path, load_photograph("coffee"))

    def open_small(data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(data)).resize((120, 80))

    for size, expected in ((50, (120, 80)), (100, (600, 400)), (0, (600, 400))):
        read = read_raw(path.read_bytes(), "DNG", size, Limits(), open_small)
        if expected == (120, 80):
            assert read.image.size == expected
        else:
            assert max(read.image.size) > 120
        assert read.size == (600, 400)


# ---- what can't be read


@pytest.mark.parametrize("preview", [True, False])
@pytest.mark.parametrize("part", [0.02, 0.5, 0.9])
def test_a_dng_that_is_cut_off_is_unreadable(path: Path, preview: bool, part: float) -> None:
    write_dng(path, load_photograph("coffee", 300), preview=preview)
    data = path.read_bytes()
    with pytest.raises(UnreadablePicture):
        decode(data[: round(len(data) * part)])


def test_a_sensor_whose_values_are_cut_off_is_unreadable(path: Path) -> None:
    """The directories lie whole before them, as in files of most cameras."""
    write_dng(path, load_photograph("coffee", 300), preview=False)
    data = bytearray(path.read_bytes())
    place = data.index(struct.pack("<HHI", 273, 4, 1)) + 8
    struct.pack_into("<I", data, place, len(data))
    data += bytes(100)
    with pytest.raises(UnreadablePicture, match=r"the RAW picture \(DNG\) is damaged, or of an unknown camera: "):
        decode(bytes(data))


@pytest.mark.parametrize(("start", "kind"), [(b"II*\0\x10\0\0\0CR\2\0", "CR2"), (b"FUJIFILMCCD-RAW 0201", "RAF")])
def test_a_raw_file_of_nonsense_is_unreadable(start: bytes, kind: str) -> None:
    with pytest.raises(UnreadablePicture, match=rf"the RAW picture \({kind}\) is damaged, or of an unknown camera: "):
        decode(start + bytes(range(256)) * 8)


@pytest.mark.parametrize("preview", [True, False])
def test_over_the_limit_it_is_not_developed(path: Path, preview: bool) -> None:
    write_dng(path, pictures.gradient((160, 120)), preview=preview)
    assert decode(path, limits=Limits(max_pixels=160 * 120)).facts.width == 160
    with pytest.raises(PictureTooLarge, match=r"160 x 120 .*max_pixels is 19,199"):
        decode(path, limits=Limits(max_pixels=160 * 120 - 1))


def test_without_rawpy_it_is_said_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dng(path, pictures.quarters())
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(UnreadablePicture, match=r"a RAW picture \(DNG\).*pip install 'nearkin\[raw\]'"):
        decode(path)
