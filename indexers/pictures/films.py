"""Films: a cover, and frames at a steady rate and at cuts, by FFmpeg's libraries.

Only the streams of the file itself are read: no playlist, no other file, no address. Frames that no other frame needs
are not decoded, which leaves several a second.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import numpy as np
from PIL import Image

from indexers.devices import count_cores
from indexers.errors import UnreadablePicture
from indexers.pictures.stills import Sampling, Still
from indexers.types import PictureFacts

DEMUXERS = {"MP4": "mov", "MATROSKA": "matroska", "AVI": "avi"}
"""The one that reads each format; MPEG has several."""
COVER_TIMES = (0.1, 0.3, 0.5, 0.0)
"""Shares of a film's length at which its cover is looked for: of these frames the one with most contrast."""
MAX_FRAMES = 20_000
"""Frames of a film that are kept."""
MAX_THREADS = 4
MAX_EDGE = 16_384
MAX_PIXELS = 2**26
SECONDS = 60.0
"""Processor time for a cover; frames of a film may take as much for each minute of it."""
GRID = (32, 18)
"""Columns and rows of what is compared to find cuts."""
CUT = 0.12
"""How much two frames differ at a cut, at least: the mean over the grid, of 1 between black and white."""
ROUNDING = 1e-4
"""Seconds by which the time of a frame may differ from what was noted of it."""
STILL = 0.01
"""Frames that differ less from the one kept last are not kept."""
_REFUSED = (OSError, ValueError, RuntimeError, ArithmeticError, MemoryError)


def decode_cover(data: bytes, kind: str, size: int) -> tuple[Image.Image, PictureFacts]:
    """Return a telling frame, upright, and facts with its size in full.

    size: the frame has both edges at least 2 * size, as far as it is that large; 0: in full. Raises UnreadablePicture.
    """
    with _open(data, kind) as (container, stream):
        length = _measure_length(container, stream)
        best: tuple[float, Any] | None = None
        deadline = time.process_time() + SECONDS
        for share in COVER_TIMES:
            if best is not None and (length is None or time.process_time() > deadline):
                break
            frame = _seek(container, stream, share * length if length else 0.0)
            if frame is not None:
                contrast = float(_shrink(frame).std())
                if best is None or contrast > best[0] + 0.02:
                    best = contrast, frame
        if best is None:
            raise UnreadablePicture("a film without a frame that can be decoded")
        frame = best[1]
        width, height = _measure_upright(frame, stream)
        image = _to_image(frame, stream, 4 * size)
    return image, PictureFacts(width, height, kind, taken_at=None)


def extract(data: bytes, kind: str, sampling: Sampling) -> Iterator[Still]:
    """Yield frames in order, the first of them, then `rate` a second and one at each cut, each until the next begins.

    A frame that looks like the one before is left out.
    """
    with _open(data, kind) as (container, stream):
        stream.codec_context.skip_frame = "NONREF"
        stream.thread_type, stream.codec_context.thread_count = "AUTO", min(count_cores(), MAX_THREADS)
        length = _measure_length(container, stream)
        deadline = time.process_time() + SECONDS * (2 + (length or 600.0) / 60)
        origin = float(stream.start_time * stream.time_base) if stream.start_time else 0.0
        if sampling.only is not None:
            frame = _find_moment(container, stream, sampling.only, origin, deadline)
            if frame is not None:
                yield Still(_to_image(frame, stream, sampling.edge), start=sampling.only)
            return
        kept: tuple[float, Image.Image] | None = None
        kept_grid = before_grid = None
        last, count, step = 0.0, 0, 1 / sampling.rate
        for frame in _decode(container, stream):
            if time.process_time() > deadline or count >= MAX_FRAMES:
                break
            if frame.pts is None:
                continue
            now = max(float(frame.pts * frame.time_base) - origin, 0.0)
            last = max(last, now)
            grid = _shrink(frame)
            is_cut = before_grid is not None and float(np.abs(grid - before_grid).mean()) >= CUT
            before_grid = grid
            if kept is not None and not is_cut and now < kept[0] + step:
                continue
            if kept_grid is not None and not is_cut and float(np.abs(grid - kept_grid).mean()) < STILL:
                continue
            if kept is not None:
                yield Still(kept[1], start=kept[0], end=now)
            kept, kept_grid, count = (now, _to_image(frame, stream, sampling.edge)), grid, count + 1
        if kept is not None:
            yield Still(kept[1], start=kept[0], end=max(last, length or 0.0, kept[0]))


@contextmanager
def _open(data: bytes, kind: str) -> Iterator[tuple[Any, Any]]:
    import av

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError("a film may not open other files")

    try:
        container = av.open(io.BytesIO(data), format=DEMUXERS.get(kind), io_open=refuse, metadata_errors="ignore")
    except _REFUSED as error:
        raise UnreadablePicture(f"a film ({kind}) that is damaged: {_describe(error)}") from error
    try:
        if not container.streams.video:
            raise UnreadablePicture(f"a film ({kind}) without pictures")
        stream = container.streams.video[0]
        width, height = stream.codec_context.width, stream.codec_context.height
        if max(width, height) > MAX_EDGE or width * height > MAX_PIXELS:
            raise UnreadablePicture(f"a film of {width} x {height} pixels, which is more than is decoded")
        yield container, stream
    except _REFUSED as error:
        raise UnreadablePicture(f"a film ({kind}) that is damaged: {_describe(error)}") from error
    finally:
        with suppress(*_REFUSED):
            container.close()


def _describe(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)[:200]


def _measure_length(container: Any, stream: Any) -> float | None:
    """Return the length of a film in seconds, as far as it states one."""
    if stream.duration and stream.time_base:
        return min(float(stream.duration * stream.time_base), 1e6)
    return min(container.duration / 1e6, 1e6) if container.duration else None


def _seek(container: Any, stream: Any, seconds: float) -> Any:
    """Return the frame from which decoding can begin, at a time or before; None if there is none."""
    with suppress(*_REFUSED):
        container.seek(int(seconds * 1e6), backward=True, any_frame=False)
    with suppress(*_REFUSED):
        for frame in container.decode(stream):
            return frame
    return None


def _find_moment(container: Any, stream: Any, seconds: float, origin: float, deadline: float) -> Any:
    """Return the frame that is shown at a second; None if none can be decoded."""
    with suppress(*_REFUSED):
        container.seek(int((seconds + origin) * 1e6), backward=True, any_frame=False)
    shown = None
    for frame in _decode(container, stream):
        if frame.pts is None:
            continue
        now = float(frame.pts * frame.time_base) - origin
        if shown is not None and (now > seconds + ROUNDING or time.process_time() > deadline):
            break
        shown = frame
    return shown


def _decode(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames of a stream, around packets that are damaged."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except _REFUSED:  # the rest of the file is not there
            return
        with suppress(*_REFUSED):
            yield from packet.decode()


def _find_turns(frame: Any) -> int:
    """Return by how many quarters a frame has to be turned to the left to be upright."""
    rotation = getattr(frame, "rotation", 0) or 0
    return round(rotation / 90) % 4


def _measure_upright(frame: Any, stream: Any) -> tuple[int, int]:
    """Return width and height of a frame in full, as a person sees it: with square pixels, and upright."""
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    wide = float(ratio) if ratio and 0.1 < float(ratio) < 10 else 1.0
    width, height = max(1, round(frame.width * wide)), frame.height
    return (height, width) if _find_turns(frame) % 2 else (width, height)


def _to_image(frame: Any, stream: Any, edge: int) -> Image.Image:
    """Return a frame upright, whose longer edge has `edge` pixels, or as many as in full (0: in full)."""
    width, height = _measure_upright(frame, stream)
    scale = min(edge / max(width, height), 1.0) if edge else 1.0
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    turns = _find_turns(frame)
    if turns % 2:
        width, height = height, width
    image: Image.Image = frame.to_image(width=max(width, 2), height=max(height, 2))
    transposes = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}
    return image.transpose(transposes[turns]) if turns else image


def _shrink(frame: Any) -> Any:
    """Return the colours of a frame on a small grid, float32 (rows, columns, 3), 0 to 1."""
    small = frame.reformat(width=GRID[0], height=GRID[1], format="rgb24", interpolation="FAST_BILINEAR")
    return small.to_ndarray().astype(np.float32) / 255
