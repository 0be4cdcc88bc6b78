"""Taking a file apart in a process of its own, with limits on memory and time: for untrusted PDFs and films.

The process is like those that decode pictures (see `isolation`), and serves one file. It gets the file's bytes, and
answers with one picture after another. One that crashes, takes too long or runs out of memory costs its file.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from indexers.errors import PictureError, UnreadablePicture
from indexers.pictures import isolation, media
from indexers.pictures.isolation import ANSWER_HEADER, MAX_TEXT, PICTURE, READY, UNREADABLE, Worker
from indexers.pictures.stills import Sampling, Still

HEADER = struct.Struct("<QIddd")
"""Precedes a file's bytes: their count, the edge and the rate of what is taken, the only place or -1, seconds."""
END = 3
MORE_TIME = 20
"""A file may take so many times as long as one picture."""
BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[2]); from indexers.pictures.extraction import main; main()"


class StillWorker(Worker):
    """A process that takes one file apart."""

    boot = BOOT

    def extract(self, data: bytes, sampling: Sampling, seconds: float) -> Iterator[Still]:
        """Yield what a file holds. Raises UnreadablePicture, TimeoutError, OSError, EOFError, ValueError, TypeError."""
        last = time.monotonic() + MORE_TIME * seconds
        only = -1.0 if sampling.only is None else sampling.only
        header = HEADER.pack(len(data), sampling.edge, sampling.rate, only, seconds)
        self._write([header, data], time.monotonic() + seconds)
        while True:
            deadline = min(time.monotonic() + seconds, last)
            kind, length, width, height = ANSWER_HEADER.unpack(self._read(ANSWER_HEADER.size, deadline))
            if length > MAX_TEXT or max(width, height) > sampling.edge + 1:
                raise ValueError("the answer is too large")
            text = str(self._read(length, deadline), "utf-8")
            if kind == END:
                return
            if kind != PICTURE:
                raise UnreadablePicture(text)
            yield Still(self._read_pixels(width, height, deadline), *_check_facts(json.loads(text)))


def extract_isolated(data: bytes, sampling: Sampling, seconds: float, memory: int) -> Iterator[Still]:
    """Yield the pages or frames of a file, as `media.extract` does. Raises UnreadablePicture, Unavailable.

    seconds: the limit for one of them. memory: the bytes of address space that the process may take.
    """
    worker = StillWorker(memory)
    try:
        yield from worker.extract(data, sampling, seconds)
    except TimeoutError:
        raise UnreadablePicture(f"it took longer than {seconds:g} seconds to decode and was stopped") from None
    except (OSError, EOFError):
        raise UnreadablePicture("its decoder crashed") from None
    except (ValueError, TypeError):
        raise UnreadablePicture("its decoder crashed (its answer was invalid)") from None
    finally:
        worker.end()


def _check_facts(facts: Any) -> tuple[Any, ...]:
    """Return page, start, end and text. Raises ValueError for what no worker of ours says."""
    page, start, end, text = facts
    if not (page is None or (type(page) is int and 0 < page < 2**31)) or not isinstance(text, str | None):
        raise ValueError("no page")
    for moment in (start, end):
        if moment is not None and not (isinstance(moment, float) and 0 <= moment < 1e7):
            raise ValueError("no time")
    return page, start, end, text


# ---- in the worker


def main() -> None:
    """Answer one request. The arguments of the process are as of `isolation.main`."""
    source, target = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    isolation.limit_resources(int(sys.argv[1]))
    threading.Thread(target=isolation.end_with_parent, args=(source, os.getppid()), daemon=True).start()
    os.write(target, READY)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        length, edge, rate, only, seconds = HEADER.unpack(isolation.read_exactly(source, HEADER.size))
        isolation.allow_seconds(MORE_TIME * seconds)
        data = isolation.read_exactly(source, length)
        kind, reason = END, ""
        try:
            for still in media.extract(data, Sampling(edge, rate, None if only < 0 else only)):
                text = json.dumps([still.page, still.start, still.end, still.text]).encode()
                isolation.write_all(target, ANSWER_HEADER.pack(PICTURE, len(text), *still.image.size))
                isolation.write_all(target, text)
                isolation.write_all(target, still.image.tobytes("raw", "RGBX"))
        except PictureError as error:
            kind, reason = UNREADABLE, str(error)
        except MemoryError:
            kind, reason = UNREADABLE, "decoding it takes more memory than there is"
        text = reason.encode("utf-8", "replace")[:MAX_TEXT]
        isolation.write_all(target, ANSWER_HEADER.pack(kind, len(text), 0, 0))
        isolation.write_all(target, text)
    os._exit(0)
