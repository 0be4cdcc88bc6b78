"""TIFFs that Pillow reads wrongly or not at all: deep ones with white for 0, in separate planes, of floats, of Lab
colours, or of bits that fill no bytes."""

from __future__ import annotations

import logging
import zlib
from contextlib import suppress
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.pictures.rgb import scale_to_eight_bits
from indexers.types import Limits

_BITS, _PHOTOMETRIC, _SAMPLES, _PLANES, _FORMAT = 258, 262, 277, 284, 339
_COMPRESSION, _LARGEST = 259, 281
_RARE = 34887, 34925, 50000, 50001  # LERC, LZMA, Zstandard, WebP
_NATIVE = {"F;32BF": "F;32NF", "F;64BF": "F;64NF", "I;32B": "I;32N", "I;32BS": "I;32NS", "I;16BS": "I;16NS"}
_TWELVE_BITS = 4096
_FLOAT_PREDICTOR = 3
_COPIED = 270, 271, 272, 274, 306, 315, 33432  # description, maker, model, orientation, date, artist, copyright
_PROFILE, _XMP, _IPTC = 34675, 700, 33723
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _CIE_LAB, _ICC_LAB = 0, 1, 2, 5, 8, 9
_DEFLATE, _PLAIN = (8, 32946), (1, 32773)  # compressions that need no other package; PackBits among the plain ones
_MAX_SAMPLE_BYTES = 32  # of a pixel, in all its bands
_SUBFILE, _REDUCED = 254, 1  # the tag of a page, and the bit in it that says that it is a small version of another page
_MAX_REDUCED = 8  # pages that are looked at for one that is not reduced
_BLOCK_ROWS = 64  # of a picture whose bits fill no bytes: it takes eight times its size while it is unpacked


def is_misread(image: Image.Image) -> bool:
    """Return True for a TIFF that Pillow would take for another picture: deep, in separate planes."""
    tags = getattr(image, "tag_v2", {})
    return bool(max(tags.get(_BITS, (1,))) > 8 and tags.get(_PLANES, 1) == 2 and tags.get(_SAMPLES, 1) > 1)


def skip_reduced_pages(image: Any) -> None:
    """Go to the first page of a TIFF that is not a small version of another one, if there is any."""
    first = image.tell()
    with suppress(EOFError):
        while image.tag_v2.get(_SUBFILE, 0) == _REDUCED and image.tell() < _MAX_REDUCED:
            image.seek(image.tell() + 1)
    if image.tag_v2.get(_SUBFILE, 0) == _REDUCED:
        image.seek(first)


def load_tiff(image: Image.Image) -> None:
    """Load a TIFF as Pillow does, with the bytes of compressed deep values in the right order.

    Its decoder gives them in the order of this machine, whatever that of the file is; Pillow turns some of them again.
    Raises UnreadablePicture if the compression is not one that every build of the decoder knows.
    """
    tiles = getattr(image, "tile", [])
    for place, (decoder, extent, offset, options) in enumerate(tiles):
        if decoder == "libtiff" and (mode := _NATIVE.get(options[0])):
            tiles[place] = type(tiles[place])(decoder, extent, offset, (mode, *options[1:]))
    try:
        image.load()
    except OSError as error:
        compression = getattr(image, "tag_v2", {}).get(_COMPRESSION)
        if compression not in _RARE:
            raise
        raise UnreadablePicture(
            f"a TIFF of compression {compression}, which is damaged or not supported here; save it with deflate"
        ) from error


def correct_grey(image: Image.Image) -> Image.Image:
    """Return a loaded deep or signed grey TIFF with 8 bits and black for 0; any other picture as it is."""
    tags = getattr(image, "tag_v2", {})
    bits = max(tags.get(_BITS, (1,)))
    if bits == 8 and image.mode == "L" and tags.get(_FORMAT, (1,))[0] == 2:  # Pillow takes them for unsigned
        return _make_grey(scale_to_eight_bits(np.asarray(image).view(np.int8)), image, tags)
    if bits <= 8 or not image.mode.startswith(("I", "F")):
        return image
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "I" and bits == 32 and tags.get(_FORMAT, (1,))[0] == 1:
        values = values.view(np.uint32)
    pixels = scale_to_eight_bits(values, _find_white(values, bits, tags))
    return _make_grey(pixels, image, tags)


def _make_grey(pixels: NDArray[np.uint8], image: Image.Image, tags: Any) -> Image.Image:
    """Return these pixels as a picture, turned if white is 0, with what else the file says."""
    grey = Image.fromarray(255 - pixels if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else pixels)
    grey.info = image.info
    return grey


def _find_white(values: NDArray[Any], bits: int, tags: Any) -> float:
    """Return the white of a deep grey TIFF of integers; 0 if it is the usual one, or the values are no integers.

    Cameras for measuring store 10 or 12 bits in 16 and seldom say so; signed values have no usual white.
    """
    if values.dtype.kind == "f":
        return 0
    stated = tags.get(_LARGEST, (0,))
    stated = stated[0] if isinstance(stated, tuple) and stated else stated
    if isinstance(stated, int) and 255 <= stated < 2**bits:
        return float(stated)
    if bits < 16:
        return float(2**bits - 1)
    largest, is_signed = int(values.max(initial=0)), tags.get(_FORMAT, (1,))[0] == 2
    if int(values.min(initial=0)) < 0 or not (is_signed or largest < _TWELVE_BITS):
        return 0
    return float(max(255, 2 ** largest.bit_length() - 1))


def read_tiff(stream: IO[bytes], limits: Limits) -> Image.Image:
    """Return the first page of a TIFF, 8 bits, with its tags and profile in `info`.

    Raises UnreadablePicture with what is unusual about the file, PictureTooLarge.
    """
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        width, height, bands = int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel)
        kind = f"a TIFF of {bands} x {page.bitspersample} bits, compression {int(page.compression)}"
        if width * height > limits.max_pixels or page.nbytes > _MAX_SAMPLE_BYTES * limits.max_pixels:
            raise PictureTooLarge(f"{width} x {height} pixels of {bands} bands; max_pixels is {limits.max_pixels:,}")
        if page.axes not in ("YX", "YXS", "SYX") or page.dtype is None or page.dtype.kind == "c":
            raise UnreadablePicture(f"{kind}, whose layout is not supported; save it as plain grey or RGB")
        if page.compression in _DEFLATE:
            _refuse_bombs(file, page)
        elif page.compression not in _PLAIN:
            raise UnreadablePicture(f"{kind}, which is not supported; save it without compression or with deflate")
        if page.predictor == _FLOAT_PREDICTOR and page.is_tiled:
            raise UnreadablePicture(f"{kind}, in tiles of differences, which is not supported; save it in strips")
        pixels = _read_pixels(page, file.byteorder)
        pixels = np.moveaxis(pixels, 0, 2) if page.axes == "SYX" else pixels
        image = _make_image(np.atleast_3d(pixels), int(page.photometric), tuple(page.extrasamples), kind)
        tags = {number: page.tags[number].value for number in (*_COPIED, _PROFILE, _XMP, _IPTC) if number in page.tags}
    for number, name in ((_PROFILE, "icc_profile"), (_XMP, "xmp"), (_IPTC, "iptc")):
        if isinstance(block := tags.pop(number, None), bytes):
            image.info[name] = block
    exif = Image.Exif()
    exif.update(tags)
    image.info["exif"] = exif.tobytes()
    image.format = "TIFF"
    return image


def _read_pixels(page: Any, byteorder: Any) -> NDArray[Any]:
    """Return the pixels of a page, also what tifffile leaves to another package: bits that fill no bytes, and floats
    that were stored as differences of their bytes (predictor 3)."""
    if page.dtype.kind == "u" and page.bitspersample not in (8, 16, 32, 64):
        return _unpack_pixels(page)
    if page.predictor != _FLOAT_PREDICTOR:
        pixels: NDArray[Any] = page.asarray(maxworkers=1)
        return pixels
    page.predictor = 1
    stored = np.asarray(page.asarray(maxworkers=1))
    stored = np.ascontiguousarray(stored.astype(stored.dtype.newbyteorder(byteorder)))
    samples = stored.shape[-1] if page.axes == "YXS" else 1
    width, size = page.imagewidth * samples, stored.dtype.itemsize
    rows = stored.view(np.uint8).reshape(-1, width * size // samples, samples)
    planes = np.cumsum(rows, axis=1, dtype=np.uint8).reshape(-1, size, width)  # the most significant bytes first
    values = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}")
    return values.reshape(stored.shape).astype(f"f{size}")


def _unpack_pixels(page: Any) -> NDArray[np.uint16]:
    """Return the pixels of a page whose values have any number of bits up to 16, scaled to 16.

    Each row begins with a new byte; the highest bit comes first. Raises UnreadablePicture for other layouts.
    """
    bits, width, height = int(page.bitspersample), int(page.imagewidth), int(page.imagelength)
    samples = int(page.samplesperpixel)
    is_plain = not page.is_tiled and page.fillorder == page.predictor == page.planarconfig == 1
    if bits > 16 or not is_plain or page.compression not in (*_DEFLATE, 1):
        raise UnreadablePicture(f"a TIFF of {bits} bits in tiles, planes or differences; save it with 8 or 16 bits")
    data, handle = bytearray(), page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        handle.seek(offset)
        strip = handle.read(count)
        data += zlib.decompress(strip) if page.compression in _DEFLATE else strip
    rows = np.frombuffer(data, np.uint8).reshape(height, -(-width * samples * bits // 8))
    pixels = np.empty((height, width * samples), np.uint16)
    weights = 2 ** np.arange(bits - 1, -1, -1, dtype=np.uint32)
    for start in range(0, height, _BLOCK_ROWS):
        unpacked = np.unpackbits(rows[start : start + _BLOCK_ROWS], axis=1)[:, : width * samples * bits]
        values = unpacked.reshape(len(unpacked), width * samples, bits) @ weights
        pixels[start : start + _BLOCK_ROWS] = values * 65535 // (2**bits - 1)
    return pixels.reshape(height, width, samples)


def _refuse_bombs(file: Any, page: Any) -> None:
    """Raise UnreadablePicture if a strip or tile unpacks to more than the picture has room for."""
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.filehandle.seek(offset)
        unpacker, room = zlib.decompressobj(), page.nbytes + 2**20
        unpacker.decompress(file.filehandle.read(count), room)
        if unpacker.unconsumed_tail:
            raise UnreadablePicture("a part of it unpacks to more than the picture has room for")


def _make_image(pixels: NDArray[Any], photometric: int, extra: tuple[int, ...], kind: str) -> Image.Image:
    """Return the colours of the bands, float or integer (height, width, bands), with the alpha that they state."""
    if photometric in (_CIE_LAB, _ICC_LAB) and pixels.shape[2] >= 3 and pixels.dtype.kind in "ui":
        return _make_lab_image(pixels[..., :3], photometric)
    count = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}.get(photometric, 0)
    if not count or pixels.shape[2] < count or (photometric <= _BLACK_IS_ZERO and pixels.shape[2] > 2):
        raise UnreadablePicture(f"{kind}, none of them marked as grey or RGB")
    is_small = pixels.dtype == np.uint8
    colours = pixels[..., :count] if is_small else scale_to_eight_bits(pixels[..., :count])
    colours = 255 - colours if photometric == _WHITE_IS_ZERO else colours
    if photometric == _CMYK:
        return Image.frombytes("CMYK", colours.shape[1::-1], np.ascontiguousarray(colours).tobytes())
    rgb = np.repeat(colours, 3, axis=2) if count == 1 else colours
    if not extra or extra[0] not in (1, 2):
        return Image.fromarray(np.ascontiguousarray(rgb))
    alpha = pixels[..., count : count + 1]
    alpha = alpha if is_small else scale_to_eight_bits(alpha)
    mode = "RGBa" if extra[0] == 1 else "RGBA"
    image = Image.frombytes(mode, rgb.shape[1::-1], np.concatenate([rgb, alpha], axis=2).tobytes())
    return image.convert("RGBA")


def _make_lab_image(pixels: NDArray[Any], photometric: int) -> Image.Image:
    """Return integers (height, width, 3) as Pillow's CIE L*a*b*: L from 0 to 255, a and b signed. In ICC's kind their 0
    lies in the middle."""
    high = (pixels >> 8 * (pixels.dtype.itemsize - 1)).astype(np.uint8)
    if photometric == _ICC_LAB:
        high[..., 1:] ^= 0x80
    return Image.frombytes("LAB", high.shape[1::-1], high.tobytes())
