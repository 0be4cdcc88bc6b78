"""Decoding in separate processes, with limits on memory and time: for untrusted pictures.

A worker is a fresh interpreter that loads Pillow and little else. It gets a picture's bytes on its standard input and
answers with pixels on its standard output. It ends when its input ends, which is when its parent closes the pipe or is
killed. A worker that crashes, takes too long or runs out of memory costs its picture and is replaced; nothing else is
affected.

POSIX only: elsewhere pipes can't be waited for with a time limit. macOS has no limit on the memory of a process.
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
from typing import IO, Any, Self

from PIL import Image

from indexers.devices import count_cores
from indexers.errors import PictureError, PictureTooLarge, Unavailable, UnreadablePicture
from indexers.pictures import capture, images
from indexers.pictures.images import Picture
from indexers.pictures.scan import check_bytes
from indexers.pictures.tags import FIELDS, PLACE_FIELDS
from indexers.pictures.turns import ISOLATED_PIXELS, wait_for_turn
from indexers.pictures.wording import is_clean
from indexers.types import Limits, PictureFacts

REQUEST_HEADER = struct.Struct("<QIIIQQd")
"""Precedes a picture's bytes: their count, the edge to decode for, the edge to shrink to and above which (0: never),
max_pixels, max_bytes, seconds."""
ANSWER_HEADER = struct.Struct("<BIII")
"""Precedes an answer: its kind, the length of its text (the facts as JSON, or the reason) in bytes, width, height."""
PICTURE, UNREADABLE, TOO_LARGE = 0, 1, 2
READY = b"ready"
MAX_TEXT = 2**22
"""Bytes of an answer's text, at most."""
START_SECONDS = 60.0
"""A worker may take so long to start."""
BYTES_PER_PIXEL = 4
"""Pillow keeps a fourth, unused byte, and copies pixels four times as fast with it."""
PIPE_BYTES, BUFFER_BYTES = 2**20, 2**24
"""What a pipe holds; what is kept in memory from one picture to the next."""
WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PILLOW_BLOCKS_MAX": "4"}
"""No threads; and Pillow reuses the memory of one picture for the next, which saves a tenth of a small one's time."""
BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[2]); from indexers.pictures.isolation import main; main()"


class DecoderPool:
    """A pool of workers, each started when it is first needed. Thread-safe.

    `seconds`: the limit for one picture. `memory`: the bytes of address space that a worker may take.
    """

    def __init__(
        self, limits: Limits | None = None, workers: int = 1, seconds: float = 30.0, memory: int = 2 * 2**30
    ) -> None:
        self.limits, self.seconds, self.memory = limits or Limits(), seconds, memory
        self._idle: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        self._workers: set[Worker] = set()
        self._lock = threading.Lock()
        for _ in range(workers):
            self._idle.put(None)

    def decode(self, data: bytes, size: int = 0, edge: int = 0, above: int | None = None) -> Picture:
        """Decode as `images.decode` does. With `edge`, a picture whose longer edge has more than `above` pixels (by
        default `edge`) is shrunk to `edge` before this process sees it.

        Raises its errors, and Unavailable if no worker can be started.
        """
        check_bytes(len(data), self.limits)
        worker = self._idle.get()
        try:
            if worker is None:
                worker = self._start()
            return worker.decode(data, size, (edge, edge if above is None else above), self.limits, self.seconds)
        except PictureError:
            raise
        except WorkerGone as gone:
            self._end(worker)
            worker = None
            raise UnreadablePicture(str(gone)) from None
        except BaseException:
            self._end(worker)  # its unread answer would be taken for the next picture's
            worker = None
            raise
        finally:
            self._idle.put(worker)

    def _start(self) -> Worker:
        worker = Worker(self.memory)
        with self._lock:
            self._workers.add(worker)
        return worker

    def _end(self, worker: Worker | None) -> None:
        if worker is not None:
            worker.end()
            with self._lock:
                self._workers.discard(worker)

    def close(self) -> None:
        """End all workers. The pictures that they are decoding become failures."""
        with self._lock:
            for worker in self._workers:
                worker.kill()  # only that: a busy one's pipes are closed by the thread that waits for it
        idle_workers = []
        with suppress(queue.Empty):
            while True:
                idle_workers.append(self._idle.get_nowait())
        for idle_worker in idle_workers:
            self._end(idle_worker)
            self._idle.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def can_isolate() -> bool:
    """Return True if this system can decode pictures in processes of their own; Windows can't."""
    return hasattr(select, "poll")


class WorkerGone(Exception):
    """A worker crashed or had to be stopped; the message says why."""


class Worker:
    """One process. Raises Unavailable if it can't be started."""

    boot = ""

    def __init__(self, memory: int) -> None:
        if not can_isolate():
            raise Unavailable("decoding in processes of their own needs a POSIX system; set isolated = 0")
        # -P and our own path: else Python would look for modules in the current folder first, among the pictures
        module_path = [folder for folder in sys.path if os.path.isabs(folder)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", self.boot or BOOT, str(memory), json.dumps(module_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | WORKER_ENVIRONMENT,
            bufsize=0,
        )
        self._buffer = bytearray()
        self._in, self._out = _prepare_pipe(self._process.stdin), _prepare_pipe(self._process.stdout)
        self._writable, self._readable = select.poll(), select.poll()
        self._writable.register(self._in, select.POLLOUT)
        self._readable.register(self._out, select.POLLIN)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        try:
            is_ready = bytes(self._read(len(READY), time.monotonic() + START_SECONDS)) == READY
        except (TimeoutError, OSError, EOFError):
            is_ready = False
        if not is_ready:
            reason = self._describe_end(5 if self._process.poll() is None else 0)
            self.end()
            raise Unavailable(f"no process for decoding pictures can be started ({reason}); set isolated = 0")

    def decode(self, data: bytes, size: int, shrinking: tuple[int, int], limits: Limits, seconds: float) -> Picture:
        """Decode one picture; `shrinking`: to which edge, and above which.

        Raises PictureTooLarge, UnreadablePicture, WorkerGone.
        """
        deadline = time.monotonic() + seconds
        header = REQUEST_HEADER.pack(len(data), size, *shrinking, limits.max_pixels, limits.max_bytes, seconds)
        try:
            self._write([header, data], deadline)
            return self._read_answer(max(shrinking), limits, deadline)
        except TimeoutError:
            raise WorkerGone(f"it took longer than {seconds:g} seconds to decode and was stopped") from None
        except (OSError, EOFError):
            raise WorkerGone(f"its decoder crashed ({self._describe_end(5)})") from None
        except (ValueError, TypeError):
            raise WorkerGone("its decoder crashed (its answer was invalid)") from None
        except MemoryError:
            raise WorkerGone("decoding it takes more memory than there is") from None

    def _read_answer(self, edge: int, limits: Limits, deadline: float) -> Picture:
        """Read an answer, trusting nothing in it: a picture may have taken the worker over.

        Raises ValueError and TypeError for nonsense, PictureTooLarge and UnreadablePicture for a refusal.
        """
        kind, length, width, height = ANSWER_HEADER.unpack(self._read(ANSWER_HEADER.size, deadline))
        too_many = width * height > limits.max_pixels or (edge and max(width, height) > edge)
        if length > MAX_TEXT or too_many:
            raise ValueError("the answer is too large")
        text = str(self._read(length, deadline), "utf-8")
        if kind != PICTURE:
            raise (PictureTooLarge if kind == TOO_LARGE else UnreadablePicture)(text)
        facts = PictureFacts(**json.loads(text))
        _check_place(facts.place)
        check_description(facts.description)
        if not capture.is_sound(facts.capture):
            raise ValueError("the facts state no sound capture")
        started = time.monotonic()
        wait_for_turn(width * height, ISOLATED_PIXELS)  # meanwhile they stay with the worker
        return Picture(self._read_pixels(width, height, deadline + time.monotonic() - started), facts)

    def _read_pixels(self, width: int, height: int, deadline: float) -> Image.Image:
        """Read a picture, a large one in bands: nothing of its size is kept beside it, or until the next."""
        rows = max(1, BUFFER_BYTES // (BYTES_PER_PIXEL * max(width, 1)))
        if rows >= height:
            pixels = self._read(BYTES_PER_PIXEL * width * height, deadline)
            return Image.frombytes("RGB", (width, height), pixels, "raw", "RGBX")
        image = Image.new("RGB", (width, height))
        for top in range(0, height, rows):
            count = min(rows, height - top)
            pixels = self._read(BYTES_PER_PIXEL * width * count, deadline)
            image.paste(Image.frombytes("RGB", (width, count), pixels, "raw", "RGBX"), (0, top))
        return image

    def _write(self, chunks: list[bytes], deadline: float) -> None:
        views = [memoryview(chunk) for chunk in chunks]
        while views:
            try:
                count = os.writev(self._in, views)
            except BlockingIOError:
                _wait_for_pipe(self._writable, deadline)
                continue
            while views and count >= len(views[0]):
                count -= len(views.pop(0))
            if views:
                views[0] = views[0][count:]

    def _read(self, count: int, deadline: float) -> memoryview:
        """Read into the same memory each time: fresh pages cost more than writing to them."""
        if not count <= len(self._buffer) <= max(count, BUFFER_BYTES):
            self._buffer = bytearray(count)
        data = view = memoryview(self._buffer)[:count]
        while view:
            try:
                length = os.readv(self._out, [view])
            except BlockingIOError:
                _wait_for_pipe(self._readable, deadline)
                continue
            if not length:
                raise EOFError
            view = view[length:]
        return data

    def _describe_end(self, seconds: float) -> str:
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


def _check_place(place: Any) -> None:
    """Raise ValueError unless the place holds known keys and finite numbers."""
    is_sound = isinstance(place, dict) and place.keys() <= {*PLACE_FIELDS}
    if not is_sound or not all(isinstance(value, float) and math.isfinite(value) for value in place.values()):
        raise ValueError("the facts state no sound place")


def check_description(description: Any) -> None:
    """Raise ValueError unless a description holds known keys, with values of their types."""
    if not isinstance(description, dict) or not description.keys() <= FIELDS.keys():
        raise ValueError("the facts state no sound description")
    for key, value in description.items():
        texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
        if type(value) is not FIELDS[key] or not all(is_clean(text) for text in texts):
            raise ValueError(f"the facts state no sound {key}")


def _prepare_pipe(pipe: IO[bytes] | None) -> int:
    """Return the descriptor of a pipe that no longer blocks. On Linux it then takes a small picture at once: each wait
    costs two switches between processes."""
    assert pipe is not None
    with suppress(ImportError, AttributeError, OSError):  # only Linux has such pipes
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()


def _wait_for_pipe(pipe: select.poll, deadline: float) -> None:
    seconds = deadline - time.monotonic()
    if seconds <= 0 or not pipe.poll(math.ceil(seconds * 1000)):
        raise TimeoutError


# ---- in the worker


def main() -> None:
    """Answer requests until the input ends. The arguments of the process are the bytes of memory that it may take, and
    the module path (already in force)."""
    source, target = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # a decoder's own prints are no answer
    for name in images.FORMATS:  # Pillow's plug-ins are loaded at no picture's cost
        images.find_opener(name)
    images.decode(images.make_thumbnail(Image.new("RGB", (8, 8))))
    limit_resources(int(sys.argv[1]))
    threading.Thread(target=end_with_parent, args=(source, os.getppid()), daemon=True).start()
    os.write(target, READY)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            header = read_exactly(source, REQUEST_HEADER.size)
            length, size, edge, above, max_pixels, max_bytes, seconds = REQUEST_HEADER.unpack(header)
            allow_seconds(seconds)
            for chunk in _make_answer(read_exactly(source, length), size, (edge, above), Limits(max_pixels, max_bytes)):
                write_all(target, chunk)
    os._exit(0)


def _make_answer(data: bytes, size: int, shrinking: tuple[int, int], limits: Limits) -> tuple[bytes, ...]:
    """Decode a picture. Returns the header, the text and, unless the picture was refused, its pixels."""
    try:
        picture = images.decode(data, size, limits)
        (edge, above), image = shrinking, picture.image
        if edge and max(image.size) > above:
            image = images.shrink(image, edge)
        text, pixels = json.dumps(asdict(picture.facts)).encode(), image.tobytes("raw", "RGBX")
        return ANSWER_HEADER.pack(PICTURE, len(text), *image.size), text, pixels
    except (PictureTooLarge, UnreadablePicture) as error:
        kind, reason = (TOO_LARGE if isinstance(error, PictureTooLarge) else UNREADABLE), str(error)
    except MemoryError:
        kind, reason = UNREADABLE, "decoding it takes more memory than there is"
    text = reason.encode("utf-8", "replace")[:MAX_TEXT]
    return ANSWER_HEADER.pack(kind, len(text), 0, 0), text


def limit_resources(memory: int) -> None:
    """Limit the memory of this process, and let it write no file of any size, not even a core dump."""
    import resource

    sys.dont_write_bytecode = True
    if sys.platform != "darwin":  # which refuses this limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def allow_seconds(seconds: float) -> None:
    """Limit the processor time for one picture, on all cores: for when no parent is left to end this process."""
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(usage.ru_utime + usage.ru_stime + seconds * count_cores()) + 5
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def end_with_parent(source: int, parent: int) -> None:
    """End this process with its parent, even in the middle of a picture."""
    poll = select.poll()
    poll.register(source, 0)  # reports only that the input has ended
    while not poll.poll(1000) and os.getppid() == parent:
        pass
    os._exit(0)


def read_exactly(source: int, count: int) -> bytes:
    """Return so many bytes of the input. Raises EOFError."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        length = os.readv(source, [view])
        if not length:
            raise EOFError
        view = view[length:]
    return bytes(data)


def write_all(target: int, data: bytes) -> None:
    """Write bytes to the output."""
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
