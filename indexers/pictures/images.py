"""Decode pictures safely and as a person sees them; shrink and hash them."""

from __future__ import annotations

import io
import logging
import math
import os
import re
import struct
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from hashlib import blake2b
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from indexers.errors import BadQuery, PictureError, PictureTooLarge, UnreadablePicture
from indexers.pictures import media, png, raw
from indexers.pictures.colours import to_srgb
from indexers.pictures.jpeg import END, check_nearly_whole
from indexers.pictures.rgb import flatten
from indexers.pictures.scan import PICTURE_SUFFIXES, check_bytes, encode_uri, find_pictures, read_file, to_path, to_uri
from indexers.pictures.tags import Tags, read_tags
from indexers.pictures.tiff import correct_grey, is_misread, load_tiff, read_tiff, skip_reduced_pages
from indexers.pictures.turns import OWN_PIXELS, wait_for_turn
from indexers.types import Limits, PictureFacts

__all__ = [
    "PICTURE_SUFFIXES",
    "Picture",
    "as_picture",
    "decode",
    "encode_uri",
    "find_pictures",
    "flatten",
    "hash_content",
    "make_thumbnail",
    "read_facts",
    "read_file",
    "shrink",
    "to_path",
    "to_uri",
]

_PLUGINS = "Jpeg Png Gif WebP Tiff Bmp Avif JXL Jpeg2K Ppm Ico Icns Psd Qoi Pcx"
FORMATS = {name.upper().replace("2K", "2000"): f"PIL.{name}ImagePlugin" for name in _PLUGINS.split()}
FORMATS["JXL"] = "pillow_jxl"
"""Formats that are tried, by content, beside HEIF; none without a signature (TGA), or that runs programs (EPS)."""

SECONDS = 60.0
"""Processor time that a decoder may take before it gets no more bytes. A small file can be made to take hours (a JPEG
of thousands of scans); a sound one of 180 megapixels takes 1 to 15 seconds."""
_BLOCK_BYTES = 2**14  # what a decoder gets at a time, and so how often its time is checked

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LONG_SIGNATURES = {"JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "PSD", "QOI"}  # above two bytes
_LOG = logging.getLogger("PIL")
_MUTE = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
_TOO_MUCH_TEXT = "MAX_TEXT_"  # in Pillow's words about texts and profiles of a PNG that are longer than its limits
_JXL = b"\xff\x0a"
_ZIP = b"PK\x03\x04"
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


class Picture(NamedTuple):
    """An upright RGB picture, and the facts that its file states."""

    image: Image.Image
    facts: PictureFacts


def hash_content(data: bytes) -> bytes:
    """Return the content hash: BLAKE2b of the bytes, 20 bytes long. Equal hashes mean the same file."""
    return blake2b(data, digest_size=20).digest()


def decode(source: bytes | str | os.PathLike[str], size: int = 0, limits: Limits = Limits()) -> Picture:  # noqa: B008
    """Decode a picture as a person sees it: upright, RGB, 8 bits, the first frame, in sRGB; a transparent one
    over white, or over grey or black if it would vanish on white.

    `source` is a file's bytes or its path. `size` is the edge in pixels that the picture will be shrunk to: a JPEG is
    then decoded at a half, a quarter or an eighth, with both edges still at least 2 * size; 0 decodes it in full. The
    facts are always those of the full picture.

    Raises PictureTooLarge before a pixel is decoded, and UnreadablePicture for everything else (a picture that is cut
    off, or takes its decoder longer than SECONDS). The message is the reason, without the file's name. Thread-safe.
    """
    data = source if isinstance(source, bytes) else read_file(source, limits)
    check_bytes(len(data), limits)
    if not data:
        raise UnreadablePicture("the file is empty")
    with _translate_errors():
        if kind := raw.find_format(data) or media.find_format(data):
            is_media = kind in media.FORMATS
            return Picture(*media.decode_cover(data, kind, size)) if is_media else _decode_raw(data, kind, size, limits)
        try:
            return _decode(_open(data, limits), size, limits)
        except OSError as error:
            if not data.startswith(b"\xff\xd8") or "truncated" not in str(error):
                raise
            mended = data + END
            return _decode(_open(mended, limits), size, limits, mended)
        except ValueError as error:
            if not data.startswith(png.SIGNATURE) or _TOO_MUCH_TEXT not in str(error):
                raise
            return _decode(_open(png.leave_out_long_texts(data), limits), size, limits)


def shrink(image: Image.Image, edge: int) -> Image.Image:
    """Shrink the picture until its longer edge has at most `edge` pixels; never enlarge it."""
    scale = edge / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3)


def make_thumbnail(image: Image.Image, edge: int = 256) -> bytes:
    """Return an RGB picture as the bytes of a small JPEG."""
    stream = io.BytesIO()
    shrink(image, edge).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def encode_webp(image: Image.Image, edge: int) -> bytes:
    """Return an RGB picture as the bytes of a WebP whose longer edge has at most `edge` pixels."""
    stream = io.BytesIO()
    shrink(image, edge).save(stream, "WEBP", quality=80)
    return stream.getvalue()


def as_picture(source: Any, size: int = 0, limits: Limits = Limits()) -> Image.Image:  # noqa: B008
    """Return an upright RGB picture of anything that a caller may search with; see `open_picture`."""
    return open_picture(source, size, limits).image


def open_picture(source: Any, size: int = 0, limits: Limits = Limits()) -> Picture:  # noqa: B008
    """Return a picture, upright and RGB, with what its file says of it; of pixels alone, their size.

    `source`: a path, a file's bytes, a PIL image of any mode, a uint8 array (height, width), (height, width, 3 or 4),
    or a decoded picture. Raises BadQuery for anything else, and as `decode` does; messages name the source.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        image = flatten(_convert_array(source))
        return Picture(image, PictureFacts(*image.size, "?"))
    name = _describe_source(source)
    try:
        if isinstance(source, Image.Image):
            image = _convert_pillow(source, limits)
            return Picture(image, PictureFacts(*image.size, "?"))
        if isinstance(source, (bytes, bytearray, memoryview)):
            return decode(bytes(source), size, limits)
        if isinstance(source, (str, os.PathLike)):
            return decode(to_path(os.path.expanduser(source)), size, limits)
    except PictureError as error:
        raise type(error)(f"{name} can't be used as a picture: {error}") from error
    raise BadQuery(f"{name} is no picture: give a path, the bytes of a file, a PIL image or a uint8 array")


def _decode(image: Image.Image, size: int, limits: Limits, mended: bytes = b"") -> Picture:
    full, kind = image.size, image.format or "?"
    _check_pixels(full, limits)
    if kind in ("JPEG", "MPO") and isinstance(image, ImageFile.ImageFile):
        kind, image.decodermaxblock = "JPEG", _BLOCK_BYTES
        if size:
            image.draft(None, (2 * size, 2 * size))
        wait_for_turn(math.prod(image.size), OWN_PIXELS)
        image.load()
        if mended:
            check_nearly_whole(mended, image)
    else:
        wait_for_turn(math.prod(full), OWN_PIXELS)
        load_tiff(image) if kind == "TIFF" else image.load()
        full = image.size  # HEIC tells its visible size only now
    tags = read_tags(image)
    upright = _turn_upright(flatten(to_srgb(correct_grey(image))), tags.orientation)
    upright = image.copy() if upright is image else upright  # lets go of the file's bytes
    return Picture(upright, _state_facts(tags, full[::-1] if tags.orientation >= 5 else full, kind))


def _decode_raw(data: bytes, kind: str, size: int, limits: Limits) -> Picture:
    picture = raw.read_raw(data, kind, size, limits, lambda jpeg: _open(jpeg, limits))
    upright, facts = _decode(picture.image, size, limits)
    return Picture(upright, replace(facts, width=picture.size[0], height=picture.size[1], format=kind))


def read_facts(image: Image.Image, size: tuple[int, int]) -> PictureFacts:
    """Return the facts of a PIL image that is `size` pixels large when it is upright."""
    return _state_facts(read_tags(image), size, image.format or "image")


def _state_facts(tags: Tags, size: tuple[int, int], kind: str) -> PictureFacts:
    return PictureFacts(*size, kind, tags.taken_at, tags.camera, tags.place, tags.description, tags.capture)


class _TimedBytes(io.BytesIO):
    """A file's bytes, which refuses to be read once decoding has taken too long."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._deadline = time.thread_time() + SECONDS

    def read(self, size: int | None = -1, /) -> bytes:
        if time.thread_time() > self._deadline:
            raise UnreadablePicture(f"decoding it took longer than {SECONDS:g} seconds and was stopped")
        return super().read(size)


def _open(data: bytes, limits: Limits) -> Image.Image:
    """Open a picture as Image.open does, without its limit on pixels (ours is checked next), by content alone."""
    prefix, reason = data[:16], None
    if prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIC_BRANDS and b"avi" not in data[8:64]:
        return _import_heif_opener()(_TimedBytes(data), "")
    for name in FORMATS:
        factory, accept = find_opener(name)
        try:
            if (is_accepted := accept(prefix)) and not isinstance(is_accepted, str):  # a text: Pillow lacks the format
                if name == "JXL":
                    _check_pixels(_read_jxl_size(data), limits)  # its plug-in decodes on opening
                image = factory(_TimedBytes(data), "")
                if name == "TIFF":
                    skip_reduced_pages(image)
                return read_tiff(_TimedBytes(data), limits) if name == "TIFF" and is_misread(image) else image
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            if name in _LONG_SIGNATURES:
                reason = reason or f"a {name} file that is damaged or of an unusual kind: {error}"
            if name == "TIFF":
                return _read_unusual_tiff(data, limits, str(reason))
    raise UnreadablePicture(reason or _describe_unknown_bytes(data))


def _read_unusual_tiff(data: bytes, limits: Limits, reason: str) -> Image.Image:
    """Read a TIFF that Pillow refuses. Raises UnreadablePicture, PictureTooLarge."""
    try:
        return read_tiff(_TimedBytes(data), limits)
    except PictureError:
        raise
    except Exception as error:  # damaged bytes may raise nearly anything
        raise UnreadablePicture(reason) from error


def _read_jxl_size(data: bytes) -> tuple[int, int]:
    """Return the width and height that a JPEG XL file states (ISO/IEC 18181-1, SizeHeader).

    Raises UnreadablePicture if it states none.
    """
    codestreams = (data,) if data[:2] == _JXL else _iterate_jxl_codestreams(data)
    start = next((codestream for codestream in codestreams if codestream[:2] == _JXL), b"")
    bits = int.from_bytes(start[2:16], "little")

    def read_bits(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def read_edge() -> int:
        return 8 * (1 + read_bits(5)) if in_eighths else 1 + read_bits((9, 13, 18, 30)[read_bits(2)])

    if len(start) < 4:
        raise UnreadablePicture("a damaged JXL file: it states no size")
    in_eighths = read_bits(1)
    height = read_edge()
    across, down = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[read_bits(3)]
    return height * across // down if across else read_edge(), height


def _iterate_jxl_codestreams(data: bytes) -> Iterator[bytes]:
    """Yield the first 16 bytes of each codestream in the boxes of a file."""
    offset = 0
    while offset + 8 <= len(data):
        length, kind, body = int.from_bytes(data[offset : offset + 4], "big"), data[offset + 4 : offset + 8], offset + 8
        if length == 1:
            length, body = int.from_bytes(data[body : body + 8], "big"), body + 8
        if kind in (b"jxlc", b"jxlp"):
            yield data[body + 4 * (kind == b"jxlp") :][:16]
        offset += length if length >= 8 else len(data)


@cache
def find_opener(name: str) -> tuple[Callable[..., ImageFile.ImageFile], Callable[[bytes], bool | str | None]]:
    """Return what opens a format, and what tells it by its first bytes. Plug-ins are imported as they are needed."""
    PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, png.MAX_TEXT)
    PngImagePlugin.MAX_TEXT_MEMORY = max(PngImagePlugin.MAX_TEXT_MEMORY, png.MAX_TEXT)
    with suppress(ImportError):
        import_module(FORMATS[name])  # registers itself with Pillow
    return Image.OPEN.get(name, (Image.open, lambda prefix: False))  # type: ignore[return-value]


@cache
def _import_heif_opener() -> Callable[..., ImageFile.ImageFile]:
    """Return pi_heif's plug-in, to be called directly: registering it would change Pillow for the whole process."""
    from pi_heif import HeifImageFile

    return HeifImageFile  # type: ignore[no-any-return]


def _mute_pillow() -> None:
    """Silence the warnings of Pillow's modules about odd pictures: what matters becomes an error, the rest is harmless.

    The filter stays, since `warnings.catch_warnings` around each picture would not be safe beside other threads.
    """
    if _MUTE not in warnings.filters:
        warnings.filterwarnings("ignore", module=_MUTE[3].pattern)
    if not _LOG.handlers:
        _LOG.addHandler(logging.NullHandler())  # else Python prints its log where logging is not set up


@contextmanager
def _translate_errors() -> Iterator[None]:
    _mute_pillow()
    try:
        yield
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(f"a part of it has more pixels than are safe to decode: {error}") from error
    except Exception as error:  # Pillow's plug-ins raise nearly anything when bytes are damaged
        raise UnreadablePicture(_describe_error(error)) from error


def _turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _convert_pillow(image: Image.Image, limits: Limits) -> Image.Image:
    if 0 in image.size:
        raise UnreadablePicture("it has no pixels")
    _check_pixels(image.size, limits)
    with _translate_errors():
        # before the tags are read: Pillow turns a TIFF by itself when it loads
        load_tiff(image) if image.format == "TIFF" else image.load()
        return _turn_upright(flatten(to_srgb(correct_grey(image))), read_tags(image).orientation)


def _convert_array(array: NDArray[Any]) -> Image.Image:
    is_picture = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not is_picture or not array.size:
        shape = "x".join(map(str, array.shape)) or "()"
        raise BadQuery(
            f"an array of shape {shape} and dtype {array.dtype} is no picture; give uint8, HxW, HxWx3 or HxWx4 "
            "(search with a vector by `vector=`)"
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _check_pixels(size: tuple[int, int], limits: Limits) -> None:
    count = size[0] * size[1]
    if count > limits.max_pixels:
        raise PictureTooLarge(
            f"{size[0]} x {size[1]} makes {count:,} pixels; the limit max_pixels is {limits.max_pixels:,}"
        )


def _describe_source(source: Any) -> str:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"a file of {len(source):,} bytes"
    if isinstance(source, Image.Image):
        return f"the PIL image ({source.mode}, {source.width} x {source.height})"
    text = repr(os.fspath(source)) if isinstance(source, os.PathLike) else repr(source)
    return text if len(text) <= 200 else f"{text[:200]}... ({type(source).__name__})"


def _describe_unknown_bytes(data: bytes) -> str:
    start = data[:512]
    if start[:2] == _JXL or start[4:8] == b"JXL ":
        return "a JPEG XL picture; to read those: pip install 'nearkin[jxl]'"
    if start[:4] == _ZIP or start[257:262] == b"ustar":
        return "an archive; give the address of its pictures, such as zip://**::FILE.zip or tar://**::FILE.tar"
    if b"\0" not in start and not any(byte < 9 for byte in start):
        return f"not a picture but text, which begins with {start[:40].decode('utf-8', 'replace')!r}"
    return f"not a picture, or of a format that is not supported; it begins with the bytes {data[:8].hex(' ')}"


def _describe_error(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    if isinstance(error, MemoryError):
        return "decoding it takes more memory than there is"
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"the picture is cut off: {text}"
    if _TOO_MUCH_TEXT in text:
        return f"its colour profile is too large: it has more than {png.MAX_TEXT:,} bytes"
    return f"the picture is damaged: {text}"
