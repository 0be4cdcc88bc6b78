"""Decoding in processes of their own, with limits on memory and time: for pictures that nobody can vouch for.

A worker is a fresh interpreter that loads Pillow and little else. It gets a picture's bytes on its standard input and
answers with pixels on its standard output; when its input ends (its parent has closed it, or was killed) it ends. One
that crashes, takes too long or runs out of memory costs its picture, is replaced, and nothing else happens.

POSIX only: elsewhere pipes can't be waited for with a time limit.
"""

from __future__ import annotations

import json
import math
import os
import queue
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType
from typing import IO, Self

from PIL import Image

from indexers.errors import PictureError, PictureTooLarge, Unavailable, UnreadablePicture
from indexers.pictures import images
from indexers.pictures.images import Picture
from indexers.pictures.scan import check_bytes
from indexers.types import Limits, PictureFacts

QUESTION = struct.Struct("<QIQQd")
"""Before a picture's bytes: their count, the edge to decode for, max_pixels, max_bytes, seconds."""
ANSWER = struct.Struct("<BIII")
"""Before an answer: what it is, the bytes of its text (the facts as JSON, or the reason), width, height."""
PICTURE, UNREADABLE, TOO_LARGE = 0, 1, 2
READY = b"ready"
TEXT = 2**20
"""Bytes of text at most that an answer may have."""
START = 60.0
"""Seconds that a worker may take to start."""
PIXEL = 4
"""Bytes: Pillow keeps a fourth, unused one, and copies them four times as fast with it."""
PIPE, ROOM = 2**20, 2**24
"""Bytes that a pipe holds; that are kept from one picture to the next."""
LIGHT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PILLOW_BLOCKS_MAX": "4"}
"""No threads; and Pillow uses the memory of one picture for the next, which saves a tenth of a small one's time."""
BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[2]); from indexers.pictures.isolation import main; main()"


class Isolated:
    """A pool of such workers, each started when it is first needed. Thread-safe.

    `seconds` for one picture; `memory`, bytes of address space that a worker may take.
    """

    def __init__(
        self, limits: Limits | None = None, workers: int = 1, seconds: float = 30.0, memory: int = 2 * 2**30
    ) -> None:
        self.limits, self.seconds, self.memory = limits or Limits(), seconds, memory
        self._idle: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        for _ in range(workers):
            self._idle.put(None)

    def decode(self, data: bytes, size: int = 0) -> Picture:
        """As `images.decode`. Raises PictureTooLarge, UnreadablePicture; Unavailable if no worker can be started."""
        check_bytes(len(data), self.limits)
        worker = self._idle.get()
        try:
            if worker is None:
                worker = self._start()
            return worker.ask(data, size, self.limits, self.seconds)
        except PictureError:
            raise
        except WorkerGone as gone:
            self._end(worker)
            worker = None
            raise UnreadablePicture(str(gone)) from None
        except BaseException:
            self._end(worker)  # what it would still say belongs to this picture
            worker = None
            raise
        finally:
            self._idle.put(worker)

    def _start(self) -> Worker:
        worker = Worker(self.memory)
        with self._lock:
            self._all.add(worker)
        return worker

    def _end(self, worker: Worker | None) -> None:
        if worker is not None:
            worker.end()
            with self._lock:
                self._all.discard(worker)

    def close(self) -> None:
        """End all workers. What they were at becomes a failure."""
        with self._lock:
            for worker in self._all:
                worker.kill()  # no more: a busy one's pipes are closed by the thread that waits for it
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for one in idle:
            self._end(one)
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class WorkerGone(Exception):
    """It crashed, or had to be stopped; the message says why."""


class Worker:
    """One process. Raises Unavailable if it can't be started."""

    def __init__(self, memory: int) -> None:
        if not hasattr(select, "poll"):
            raise Unavailable("decoding in processes of their own needs a POSIX system; set isolated = 0")
        # -P and our own path: else Python would look for modules in the current folder first, among the pictures
        path = [place for place in sys.path if os.path.isabs(place)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", BOOT, str(memory), json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | LIGHT,
            bufsize=0,
        )
        self._room = bytearray()
        self._in, self._out = _prepared(self._process.stdin), _prepared(self._process.stdout)
        self._writable, self._readable = select.poll(), select.poll()
        self._writable.register(self._in, select.POLLOUT)
        self._readable.register(self._out, select.POLLIN)
        self._greet()

    def _greet(self) -> None:
        try:
            started = bytes(self._read(len(READY), time.monotonic() + START)) == READY
        except (TimeoutError, OSError, EOFError):
            started = False
        if not started:
            fate = self._fate(5 if self._process.poll() is None else 0)
            self.end()
            raise Unavailable(f"no process for decoding pictures can be started ({fate}); set isolated = 0")

    def ask(self, data: bytes, size: int, limits: Limits, seconds: float) -> Picture:
        """Raises PictureTooLarge, UnreadablePicture, WorkerGone."""
        deadline = time.monotonic() + seconds
        head = QUESTION.pack(len(data), size, limits.max_pixels, limits.max_bytes, seconds)
        try:
            self._write([head, data], deadline)
            return self._answer(limits, deadline)
        except TimeoutError:
            raise WorkerGone(f"it took longer than {seconds:g} seconds to decode, and was given up") from None
        except (OSError, EOFError):
            raise WorkerGone(f"its decoder crashed ({self._fate(5)})") from None
        except (ValueError, TypeError):
            raise WorkerGone("its decoder crashed (it answered nonsense)") from None
        except MemoryError:
            raise WorkerGone("decoding it takes more memory than there is") from None

    def _answer(self, limits: Limits, deadline: float) -> Picture:
        """Nothing that a worker says is believed: a picture may have taken it over. Raises ValueError, TypeError."""
        kind, length, width, height = ANSWER.unpack(self._read(ANSWER.size, deadline))
        if length > TEXT or width * height > limits.max_pixels:
            raise ValueError("too much")
        text = str(self._read(length, deadline), "utf-8")
        if kind != PICTURE:
            raise (PictureTooLarge if kind == TOO_LARGE else UnreadablePicture)(text)
        facts = PictureFacts(**json.loads(text))
        pixels = self._read(PIXEL * width * height, deadline)
        return Picture(Image.frombytes("RGB", (width, height), pixels, "raw", "RGBX"), facts)

    def _write(self, parts: list[bytes], deadline: float) -> None:
        views = [memoryview(part) for part in parts]
        while views:
            try:
                count = os.writev(self._in, views)
            except BlockingIOError:
                _wait(self._writable, deadline)
                continue
            while views and count >= len(views[0]):
                count -= len(views.pop(0))
            if views:
                views[0] = views[0][count:]

    def _read(self, count: int, deadline: float) -> memoryview:
        """Into the same memory each time, since fresh pages cost more than what is written to them."""
        if not count <= len(self._room) <= max(count, ROOM):
            self._room = bytearray(count)
        data = view = memoryview(self._room)[:count]
        while view:
            try:
                got = os.readv(self._out, [view])
            except BlockingIOError:
                _wait(self._readable, deadline)
                continue
            if not got:
                raise EOFError
            view = view[got:]
        return data

    def _fate(self, seconds: float) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=seconds)
            return signal.Signals(-code).name if code < 0 else f"it ended with {code}"
        return "it no longer answers"

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def _prepared(pipe: IO[bytes] | None) -> int:
    """A pipe that never blocks, and on Linux takes a small picture at once: each waiting costs two switches."""
    assert pipe is not None
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE)
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()


def _wait(pipe: select.poll, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0 or not pipe.poll(math.ceil(left * 1000)):
        raise TimeoutError


# ---- in the worker


def main() -> None:
    """Answer until the input ends. The arguments: bytes of memory, and the module path (already in force)."""
    source, target = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # whatever a decoder prints is no answer
    images.decode(images.thumbnail(Image.new("RGB", (8, 8))))  # loads Pillow's plug-ins, which is no picture's fault
    _limit(int(sys.argv[1]))
    threading.Thread(target=_watch, args=(source, os.getppid()), daemon=True).start()
    os.write(target, READY)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            length, size, pixels, most, seconds = QUESTION.unpack(_exactly(source, QUESTION.size))
            _allow(seconds)
            for part in _said(_exactly(source, length), size, Limits(pixels, most)):
                _write_all(target, part)
    os._exit(0)


def _said(data: bytes, size: int, limits: Limits) -> tuple[bytes, ...]:
    try:
        picture = images.decode(data, size, limits)
        text, pixels = json.dumps(asdict(picture.facts)).encode(), picture.image.tobytes("raw", "RGBX")
        return ANSWER.pack(PICTURE, len(text), *picture.image.size), text, pixels
    except (PictureTooLarge, UnreadablePicture) as error:
        kind, reason = (TOO_LARGE if isinstance(error, PictureTooLarge) else UNREADABLE), str(error)
    except MemoryError:
        kind, reason = UNREADABLE, "decoding it takes more memory than there is"
    text = reason.encode("utf-8", "replace")[:TEXT]
    return ANSWER.pack(kind, len(text), 0, 0), text


def _limit(memory: int) -> None:
    """No more than that; and no file of any size, not even a core dump, is written."""
    import resource

    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _allow(seconds: float) -> None:
    """Processor time for one picture on all cores, should nobody be there to end this process."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1)) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _watch(source: int, parent: int) -> None:
    """End with the parent, also in the middle of a picture."""
    poll = select.poll()
    poll.register(source, 0)  # only the end of it
    while not poll.poll(1000) and os.getppid() == parent:
        pass
    os._exit(0)


def _exactly(source: int, count: int) -> bytes:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = os.readv(source, [view])
        if not got:
            raise EOFError
        view = view[got:]
    return bytes(data)


def _write_all(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
