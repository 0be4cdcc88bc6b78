"""Pictures: read them safely, see them as a person does, make them small."""

from __future__ import annotations

import io
import logging
import os
import re
import struct
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from indexers.errors import BadQuery, PictureError, PictureTooLarge, UnreadablePicture
from indexers.pictures.colours import to_srgb
from indexers.pictures.scan import PICTURE_SUFFIXES, check_bytes, encoded_uri, find, read, to_path, to_uri
from indexers.types import Limits, PictureFacts

__all__ = [
    "FORMATS",
    "PICTURE_SUFFIXES",
    "Picture",
    "as_picture",
    "decode",
    "encoded_uri",
    "find",
    "fingerprint",
    "flatten",
    "read",
    "shrink",
    "thumbnail",
    "to_path",
    "to_uri",
]

_FORMATS = "JPEG PNG GIF WEBP TIFF BMP AVIF JXL JPEG2000 PPM ICO ICNS PSD QOI PCX"
FORMATS = _FORMATS.split()
"""What is tried, by content, beside HEIF; JPEG XL where its plug-in is installed. Left out: what has no signature (TGA)
or runs other programs (EPS)."""

SECONDS = 60.0
"""Processor time that a decoder may take before it gets no more bytes. A small file can be made to take hours: a JPEG
of thousands of scans. A sound one of 180 megapixels takes one to fifteen."""
_BLOCK = 2**14  # bytes that a decoder gets at a time, and so how often its time is looked at

_ORIENTATION, _EXIF, _TAKEN_AT = 0x0112, 0x8769, 0x9003
_MAKE, _MODEL = 0x010F, 0x0110
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIGNED = {"JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "PSD", "QOI"}  # by more than two bytes
_LOG = logging.getLogger("PIL")
_MUTE = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_JXL = b"\xff\x0a"
_ZIP = b"PK\x03\x04"
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


class Picture(NamedTuple):
    """An upright RGB picture, and what its file says."""

    image: Image.Image
    facts: PictureFacts


def fingerprint(data: bytes) -> bytes:
    """BLAKE2b of the bytes, 20 bytes: the same bytes are the same picture."""
    return blake2b(data, digest_size=20).digest()


def decode(source: bytes | str | os.PathLike[str], size: int = 0, limits: Limits = Limits()) -> Picture:  # noqa: B008
    """A picture as a person sees it: upright, RGB, 8 bits, over white, the first frame.

    `source` is a file's bytes or its path. `size`: the edge in pixels that it will be shrunk to; a JPEG is then decoded
    at a half, a quarter or an eighth, with both edges still at least 2 * size. 0: in full. `facts` are always of the
    full picture. Colour profiles are brought to sRGB.

    Raises PictureTooLarge before a pixel is decoded, UnreadablePicture for all else (also a picture that is cut off, or
    takes its decoder longer than SECONDS); the message is the reason, without the name. Thread-safe.
    """
    data = source if isinstance(source, bytes) else read(source, limits)
    check_bytes(len(data), limits)
    if not data:
        raise UnreadablePicture("the file is empty")
    with _translated():
        return _decode(_open(data, limits), size, limits)


def flatten(image: Image.Image) -> Image.Image:
    """RGB, 8 bits, over white, of a picture in any of Pillow's modes. Deep greys are scaled, not clipped."""
    image.load()
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def shrink(image: Image.Image, edge: int) -> Image.Image:
    """The picture with its longer edge at most `edge` pixels; never enlarged."""
    scale = edge / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)


def thumbnail(image: Image.Image, edge: int = 256) -> bytes:
    """A small JPEG of an RGB picture."""
    stream = io.BytesIO()
    shrink(image, edge).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def as_picture(what: Any, size: int = 0, limits: Limits = Limits()) -> Image.Image:  # noqa: B008
    """An upright RGB picture of what a caller searches with.

    Takes a path, a file's bytes, a PIL image of any mode, or a uint8 array (height, width), (height, width, 3) or
    (height, width, 4). Raises BadQuery for anything else, UnreadablePicture or PictureTooLarge as `decode` does; each
    names what was given.
    """
    if isinstance(what, np.ndarray):
        return flatten(_from_array(what))
    name = _name(what)
    try:
        if isinstance(what, Image.Image):
            return _from_pillow(what, limits)
        if isinstance(what, (bytes, bytearray, memoryview)):
            return decode(bytes(what), size, limits).image
        if isinstance(what, (str, os.PathLike)):
            return decode(to_path(os.path.expanduser(what)), size, limits).image
    except PictureError as error:
        raise type(error)(f"{name} can't be used as a picture: {error}") from error
    raise BadQuery(f"{name} is no picture: give a path, the bytes of a file, a PIL image or a uint8 array")


def _decode(image: ImageFile.ImageFile, size: int, limits: Limits) -> Picture:
    full, kind = image.size, image.format or "?"
    _check_pixels(full, limits)
    if kind in ("JPEG", "MPO"):
        kind, image.decodermaxblock = "JPEG", _BLOCK
        if size:
            image.draft(None, (2 * size, 2 * size))
        image.load()
    else:
        image.load()
        full = image.size  # HEIC tells its visible size only now
    tags = _tags(image)
    upright = _upright(flatten(to_srgb(image)), tags.orientation)
    if upright is image:
        upright = image.copy()  # lets go of the file's bytes
    width, height = full[::-1] if tags.orientation >= 5 else full
    return Picture(upright, PictureFacts(width, height, kind, tags.taken_at, tags.camera))


class _Timed(io.BytesIO):
    """A file's bytes, for as long as decoding them doesn't take too long."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._end = time.thread_time() + SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._end:
            raise UnreadablePicture(f"decoding it took longer than {SECONDS:g} seconds, and was given up")
        return super().read(size)


def _open(data: bytes, limits: Limits) -> ImageFile.ImageFile:
    """What Image.open does, without its limit on pixels (ours is checked next) and without guessing by suffix."""
    prefix, failed = data[:16], None
    if prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIC_BRANDS and b"avi" not in data[8:64]:
        return _heic()(_Timed(data), "")
    for name, factory, accept in _openers():
        try:
            accepted = accept(prefix)  # a string says that Pillow was built without this format
            if accepted and not isinstance(accepted, str):
                if name == "JXL":
                    _check_pixels(_jxl_size(data), limits)  # its plug-in decodes as soon as it opens
                return factory(_Timed(data), "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            if name in _SIGNED:
                failed = failed or f"a {name} file that is damaged or of an unusual kind: {error}"
    raise UnreadablePicture(failed or _not_a_picture(data))


def _jxl_size(data: bytes) -> tuple[int, int]:
    """Width and height that a JPEG XL file states (ISO/IEC 18181-1, SizeHeader). Raises UnreadablePicture."""
    start = data if data[:2] == _JXL else next((body for body in _jxl_parts(data) if body[:2] == _JXL), b"")
    bits = int.from_bytes(start[2:16], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def edge() -> int:
        return 8 * (1 + take(5)) if eighths else 1 + take((9, 13, 18, 30)[take(2)])

    if len(start) < 4:
        raise UnreadablePicture("a damaged JXL file: it states no size")
    eighths = take(1)
    height = edge()
    wide, high = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[take(3)]
    return height * wide // high if wide else edge(), height


def _jxl_parts(data: bytes) -> Iterator[bytes]:
    """How the pictures in the boxes of a file begin."""
    place = 0
    while place + 8 <= len(data):
        length, kind, body = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8], place + 8
        if length == 1:
            length, body = int.from_bytes(data[body : body + 8], "big"), body + 8
        if kind in (b"jxlc", b"jxlp"):
            yield data[body + 4 * (kind == b"jxlp") :][:16]
        place += length if length >= 8 else len(data)


@cache
def _openers() -> list[tuple[str, Callable[..., ImageFile.ImageFile], Callable[[bytes], bool | str | None]]]:
    Image.init()
    with suppress(ImportError):
        import pillow_jxl  # noqa: F401 (enters itself among Pillow's formats)
    return [(name, *Image.OPEN[name]) for name in FORMATS if name in Image.OPEN]  # type: ignore[misc]


@cache
def _heic() -> Callable[..., ImageFile.ImageFile]:
    """pi_heif's plug-in, called directly: registering it would change Pillow for the whole process."""
    from pi_heif import HeifImageFile

    return HeifImageFile  # type: ignore[no-any-return]


def _mute_pillow() -> None:
    """No warnings about odd pictures from Pillow's modules: what matters becomes an error or is harmless.

    The filter stays, since `warnings.catch_warnings` around each picture would not be safe beside other threads.
    """
    if _MUTE not in warnings.filters:
        warnings.filterwarnings("ignore", module=_MUTE[3].pattern)
    if not _LOG.handlers:
        _LOG.addHandler(logging.NullHandler())  # else what it logs is printed where nobody has set up logging


@contextmanager
def _translated() -> Iterator[None]:
    _mute_pillow()
    try:
        yield
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(f"a part of it has more pixels than are safe to decode: {error}") from error
    except Exception as error:  # Pillow's plug-ins raise nearly anything when bytes are damaged
        raise UnreadablePicture(_reason(error)) from error


class _Tags(NamedTuple):
    orientation: int = 1
    taken_at: str | None = None
    camera: str | None = None


def _tags(image: Image.Image) -> _Tags:
    """From EXIF; a damaged EXIF block does not spoil the picture. Each of them may be nonsense by itself."""
    orientation, taken_at, camera = 1, None, None
    with suppress(Exception):
        exif = image.getexif()
        found = exif.get(_ORIENTATION, 1)
        orientation = found if found in _TURNS else 1
        camera = _camera(exif.get(_MAKE), exif.get(_MODEL))
        taken_at = _timestamp(exif.get_ifd(_EXIF).get(_TAKEN_AT))
    return _Tags(orientation, taken_at, camera)


def _camera(make: Any, model: Any) -> str | None:
    """`Canon` and `Canon EOS 5D` are one `Canon EOS 5D`; `Apple` and `iPhone 12` are an `Apple iPhone 12`."""
    maker, name = (" ".join(one.strip("\0 ").split()) if isinstance(one, str) else "" for one in (make, model))
    whole = name if name.lower().startswith(maker.lower()) else f"{maker} {name}"
    return whole.strip()[:100] if whole.strip().isprintable() and whole.strip() else None


def _timestamp(text: Any) -> str | None:
    """ISO 8601 of EXIF's `2024:05:17 10:20:30`; None for anything else, such as a camera's zeros or a year before 1826,
    when the first photograph was taken."""
    if not isinstance(text, str):
        return None
    try:
        taken = datetime.strptime(text.strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    return taken.isoformat() if taken.year >= 1826 else None


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _eight_bits(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Deep grey values scaled to 0..255: 16 bits by 65,535; 32-bit values by the least of 1 (fractions only), 255,
    65,535 or their own maximum that holds them all."""
    if pixels.dtype.itemsize == 2:
        return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    values = np.clip(np.nan_to_num(pixels.astype(np.float32)), 0, None)
    top = float(values.max(initial=0))
    usual = (1, 255, 65535) if pixels.dtype.kind == "f" else (255, 65535)
    full = next((value for value in usual if top <= value), top)
    return np.asarray(np.rint(values * (255 / full)), np.uint8)


def _from_pillow(image: Image.Image, limits: Limits) -> Image.Image:
    if 0 in image.size:
        raise UnreadablePicture("it has no pixels")
    _check_pixels(image.size, limits)
    with _translated():
        image.load()  # first: Pillow turns a TIFF by itself when it loads
        return _upright(flatten(to_srgb(image)), _tags(image).orientation)


def _from_array(array: NDArray[Any]) -> Image.Image:
    shape, kind = "x".join(map(str, array.shape)), array.dtype
    colours = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if kind != np.uint8 or not colours or not array.size:
        raise BadQuery(
            f"an array of shape {shape or '()'} and dtype {kind} is no picture; give uint8, HxW, HxWx3 or HxWx4 "
            "(a vector is searched with `vector=`)"
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _check_pixels(size: tuple[int, int], limits: Limits) -> None:
    count = size[0] * size[1]
    if count > limits.max_pixels:
        raise PictureTooLarge(
            f"{size[0]} x {size[1]} makes {count:,} pixels; the limit max_pixels is {limits.max_pixels:,}"
        )


def _name(what: Any) -> str:
    if isinstance(what, (bytes, bytearray, memoryview)):
        return f"what was given ({len(what):,} bytes)"
    if isinstance(what, Image.Image):
        return f"the PIL image ({what.mode}, {what.width} x {what.height})"
    text = repr(os.fspath(what)) if isinstance(what, os.PathLike) else repr(what)
    return text if len(text) <= 200 else f"{text[:200]}... ({type(what).__name__})"


def _not_a_picture(data: bytes) -> str:
    start = data[:512]
    if start[:2] == _JXL or start[4:8] == b"JXL ":
        return "a JPEG XL picture; to read those: pip install 'nearkin[jxl]'"
    if start[:4] == _ZIP or start[257:262] == b"ustar":
        return "an archive; give its pictures' address, such as zip://**::FILE.zip or tar://**::FILE.tar"
    if b"\0" not in start and not any(byte < 9 for byte in start):
        return f"not a picture but text, which begins with {start[:40].decode('utf-8', 'replace')!r}"
    return f"not a picture of a format that is read here; it begins with the bytes {data[:8].hex(' ')}"


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError):
        return "decoding it takes more memory than there is"
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"the picture is cut off: {text}"
    return f"the picture is damaged: {text}"
