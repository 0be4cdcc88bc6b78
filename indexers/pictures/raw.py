"""RAW files: what a camera's sensor saw. Their embedded preview is read, or they are developed by LibRaw.

A RAW file is known by its content, also where it looks like a TIFF: Pillow would show its small thumbnail.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from PIL import Image

from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.types import Limits

RAW_FORMATS = frozenset(["DNG", "CR2", "CR3", "NEF", "ARW", "PEF", "SRW", "RAF", "ORF", "RW2", "RAW"])
"""Names of formats; RAW is that of makers without a name here."""
_SIGNATURES = {b"IIU\0": "RW2", b"IIRO": "ORF", b"IIRS": "ORF", b"MMOR": "ORF", b"FUJI": "RAF"}
_BY_MAKER = {"NIKON": "NEF", "SONY": "ARW", "PENTAX": "PEF", "RICOH": "PEF", "SAMSUNG": "SRW"}
_MAKE, _PHOTOMETRIC, _SUBDIRECTORIES, _DNG_VERSION = 271, 262, 330, 50706
_SENSOR = 32803  # the photometric interpretation of values behind a filter of colours
_MAX_ENTRIES, _MAX_DIRECTORIES = 512, 16
_COPIED = 270, 271, 272, 306, 315, 700, 18246, 18249, 33432  # what people and cameras say in the first directory
_EXIF, _GPS = 0x8769, 0x8825
_MAKER_NOTE = 0x927C
_FLIPS = {3: Image.Transpose.ROTATE_180, 5: Image.Transpose.ROTATE_90, 6: Image.Transpose.ROTATE_270}
"""LibRaw's numbers for how a picture has to be turned."""
_ORIENTATION = 0x0112


class RawPicture(NamedTuple):
    """A picture as a person sees it, its EXIF in `info`, and the size that the file would have when it is developed.

    is_upright: False for a preview that states itself how it is to be turned.
    """

    image: Image.Image
    size: tuple[int, int]
    is_upright: bool


def find_format(data: bytes) -> str | None:
    """Return the format of a RAW file; None for any other file."""
    if data[4:12] == b"ftypcrx ":
        return "CR3"
    if data[:4] in _SIGNATURES:
        return _SIGNATURES[data[:4]]
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    if data[8:10] == b"CR":
        return "CR2"
    with suppress(struct.error):
        return _find_tiff_format(data)
    return None


def _find_tiff_format(data: bytes) -> str | None:
    """Return the format of a TIFF if one of its directories, or of those in the first one, is of a sensor."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    first = dict(_read_directory(data, order, start))
    if _DNG_VERSION in first:
        return "DNG"
    kind, count, value = first.get(_SUBDIRECTORIES, (0, 0, b""))
    places: tuple[int, ...] = ()
    if kind in (4, 13) and 0 < count <= _MAX_DIRECTORIES:
        (place,) = struct.unpack(order + "I", value)
        places = struct.unpack_from(f"{order}{count}I", data, place) if count > 1 else (place,)
    for directory in (first, *(dict(_read_directory(data, order, place)) for place in places)):
        photometric = directory.get(_PHOTOMETRIC, (0, 0, bytes(4)))[2]
        if struct.unpack_from(order + "H", photometric)[0] == _SENSOR:
            maker = _read_text(data, order, first.get(_MAKE)).upper()
            return next((name for start, name in _BY_MAKER.items() if maker.startswith(start)), "RAW")
    return None


def _read_directory(data: bytes, order: str, place: int) -> Iterator[tuple[int, tuple[int, int, bytes]]]:
    """Yield the tags of a directory, each with its type, count, and four bytes of its value or of where that is."""
    (count,) = struct.unpack_from(order + "H", data, place)
    for number in range(min(count, _MAX_ENTRIES)):
        tag, kind, length, value = struct.unpack_from(order + "HHI4s", data, place + 2 + 12 * number)
        yield tag, (kind, length, value)


def _read_text(data: bytes, order: str, entry: tuple[int, int, bytes] | None) -> str:
    if entry is None:
        return ""
    _, length, value = entry
    (place,) = struct.unpack(order + "I", value)
    text = value[:length] if length <= 4 else data[place : place + min(length, 64)]
    return text.split(b"\0")[0].decode("ascii", "replace").strip()


def read_raw(
    data: bytes, kind: str, size: int, limits: Limits, open_jpeg: Callable[[bytes], Image.Image]
) -> RawPicture:
    """Read a RAW file of a format: its preview if that is large enough, else the sensor's values developed.

    size: the edge that the picture will be shrunk to, or 0. open_jpeg: opens the preview, without decoding it.
    Raises UnreadablePicture (also where rawpy is missing), PictureTooLarge.
    """
    try:
        import rawpy
    except ImportError:
        message = f"a RAW picture ({kind}); to read those: pip install 'nearkin[raw]', then add it again"
        raise UnreadablePicture(message) from None
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            full, flip = (raw.sizes.width, raw.sizes.height), raw.sizes.flip
            if full[0] * full[1] > limits.max_pixels:
                raise PictureTooLarge(f"{full[0]} x {full[1]} pixels; the limit max_pixels is {limits.max_pixels:,}")
            upright = full[::-1] if flip in (5, 6) else full
            preview = _extract_preview(raw, open_jpeg)
            needed = min(2 * size or max(full) // 2, max(full))
            if preview is not None and max(preview.size) >= needed:
                image = preview
            else:
                pixels = raw.postprocess(use_camera_wb=True, half_size=0 < 4 * size <= max(full))
                image, flip = Image.fromarray(pixels), 0
    except rawpy.LibRawError as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args and isinstance(error.args[0], bytes) else error
        raise UnreadablePicture(f"the RAW picture ({kind}) is damaged, or of an unknown camera: {reason}") from error
    own = image.getexif() if image.format == "JPEG" else Image.Exif()
    is_upright = _ORIENTATION not in own
    if is_upright and flip in _FLIPS:
        image = image.transpose(_FLIPS[flip])
    exif = _copy_exif(data)
    if exif is not None:
        if not is_upright:
            exif[_ORIENTATION] = own[_ORIENTATION]
        image.info["exif"] = exif.tobytes()
        image._exif = None  # what was read of the preview's own
    return RawPicture(image, upright, is_upright)


def _extract_preview(raw: Any, open_jpeg: Callable[[bytes], Image.Image]) -> Image.Image | None:
    """Return the largest preview in a file; None if there is none that can be read."""
    with suppress(Exception):  # LibRaw has an error of its own for each reason
        thumb = raw.extract_thumb()
        if thumb.format.name == "JPEG":
            return open_jpeg(bytes(thumb.data))
        return Image.fromarray(thumb.data)
    return None


def _copy_exif(data: bytes) -> Image.Exif | None:
    """Return what a file that looks like a TIFF says of its picture, without how it is turned; None for others."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    copy = Image.Exif()
    with suppress(Exception):
        exif = Image.Exif()
        exif.load(data)
        copy.update({tag: exif[tag] for tag in _COPIED if tag in exif})
        for directory in (_EXIF, _GPS):
            known = {tag: value for tag, value in exif.get_ifd(directory).items() if tag != _MAKER_NOTE}
            if known:
                copy.get_ifd(directory).update(known)
                copy[directory] = copy.get_ifd(directory)
        copy.tobytes()
        return copy
    return Image.Exif()
