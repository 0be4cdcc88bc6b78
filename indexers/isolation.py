"""Decoding in processes of their own, with limits on memory and time: for pictures that nobody can vouch for.

A worker is a fresh interpreter that loads Pillow and little else. It gets a picture's bytes on its standard input and
answers with pixels on its standard output; when its input ends (its parent has closed it, or was killed) it ends. One
that crashes, takes too long or runs out of memory costs its picture, is replaced, and nothing else happens.
"""

from __future__ import annotations

import json
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

from indexers import images
from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.images import Picture
from indexers.types import Json, Limits, PictureFacts

HEAD = struct.Struct("<II")
"""Before each message: bytes of its JSON, bytes of what follows it."""
LIGHT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


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
        """As `images.decode`. Raises PictureTooLarge, UnreadablePicture."""
        worker = self._idle.get()
        try:
            if worker is None:
                worker = self._start()
            answer = worker.ask(data, {"size": size, **asdict(self.limits)}, self.seconds)
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
        return _picture(*answer)

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
        """End all workers."""
        for worker in list(self._all):
            self._end(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class WorkerGone(Exception):
    """It crashed, or had to be stopped; the message says why."""


class Worker:
    """One process."""

    def __init__(self, memory: int) -> None:
        command = [sys.executable, "-m", "indexers.isolation", str(memory)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | LIGHT,
            bufsize=0,
        )

    def ask(self, data: bytes, question: Json, seconds: float) -> tuple[Json, bytes]:
        """Raises WorkerGone."""
        deadline = time.monotonic() + seconds
        try:
            self._write(_message(question, data), deadline)
            json_length, rest = HEAD.unpack(self._read(HEAD.size, deadline))
            said: Json = json.loads(self._read(json_length, deadline))
            return said, self._read(rest, deadline)
        except TimeoutError:
            raise WorkerGone(f"it took longer than {seconds:g} seconds to decode, and was given up") from None
        except (OSError, EOFError):
            raise WorkerGone(f"its decoder crashed ({self._fate()})") from None

    def _write(self, message: bytes, deadline: float) -> None:
        pipe, view = _open(self._process.stdin), memoryview(message)
        os.set_blocking(pipe, False)
        while view:
            _wait(pipe, deadline, writing=True)
            with suppress(BlockingIOError):
                view = view[os.write(pipe, view[: 2**20]) :]

    def _read(self, count: int, deadline: float) -> bytes:
        pipe, parts = _open(self._process.stdout), bytearray()
        while len(parts) < count:
            _wait(pipe, deadline, writing=False)
            part = os.read(pipe, min(count - len(parts), 2**20))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _fate(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=5)
            return signal.Signals(-code).name if code < 0 else f"it ended with {code}"
        return "it no longer answers"

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def _open(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    return pipe.fileno()


def _wait(pipe: int, deadline: float, writing: bool) -> None:
    left = deadline - time.monotonic()
    ready = select.select([] if writing else [pipe], [pipe] if writing else [], [], max(0.0, left))
    if not any(ready):
        raise TimeoutError


def _message(said: Json, data: bytes) -> bytes:
    text = json.dumps(said).encode()
    return HEAD.pack(len(text), len(data)) + text + data


def _picture(said: Json, pixels: bytes) -> Picture:
    if "error" in said:
        raise (PictureTooLarge if said["large"] else UnreadablePicture)(said["error"])
    return Picture(Image.frombytes("RGB", tuple(said["size"]), pixels), PictureFacts(**said["facts"]))


# ---- in the worker


def _answer(question: Json, data: bytes) -> bytes:
    size = question.pop("size")
    try:
        picture = images.decode(data, size, Limits(**question))
    except (PictureTooLarge, UnreadablePicture) as error:
        return _message({"error": str(error), "large": isinstance(error, PictureTooLarge)}, b"")
    return _message({"size": picture.image.size, "facts": asdict(picture.facts)}, picture.image.tobytes())


def _limit(memory: int) -> None:
    with suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _exactly(source: Any, count: int) -> bytes:
    data: bytes = source.read(count)
    if len(data) < count:
        raise EOFError
    return data


def main() -> None:
    _limit(int(sys.argv[1]))
    source, target = sys.stdin.buffer, sys.stdout.buffer
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while True:
            json_length, rest = HEAD.unpack(_exactly(source, HEAD.size))
            question = json.loads(_exactly(source, json_length))
            target.write(_answer(question, _exactly(source, rest)))
            target.flush()


if __name__ == "__main__":
    main()
