"""Taking files apart in a process of its own."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import closing

import pytest

from indexers.errors import UnreadablePicture
from indexers.pictures import extraction
from indexers.pictures.extraction import StillWorker, extract_isolated
from indexers.pictures.isolation import ANSWER_HEADER, PICTURE, can_isolate
from indexers.pictures.stills import Sampling
from tests.support.media import make_pdf

pytestmark = pytest.mark.skipif(not can_isolate(), reason="needs POSIX")
PDF = make_pdf([("1 0 0 rg", "one"), ("0 0 1 rg", "two"), ("0 1 0 rg", "three")])
MEMORY = 2 * 2**30


def test_pages_are_those_of_this_process() -> None:
    pytest.importorskip("pypdfium2", reason="PDFs need pypdfium2")
    stills = list(extract_isolated(PDF, Sampling(60), 20, MEMORY))
    assert [(still.page, still.text) for still in stills] == [(1, "one"), (2, "two"), (3, "three")]
    assert stills[2].image.getpixel((3, 3)) == (0, 255, 0)
    with closing(extract_isolated(PDF, Sampling(60), 20, MEMORY)) as some:  # whoever needs no more ends the process
        assert next(some).page == 1


def test_what_is_no_file_of_several_is_refused() -> None:
    with pytest.raises(UnreadablePicture, match="neither a PDF nor a film"):
        list(extract_isolated(b"x" * 100, Sampling(60), 20, MEMORY))


def serve(worker: StillWorker, answers: bytes) -> Iterator[object]:
    """Read answers as if a process had given them."""
    places = iter([answers])

    def read(count: int, _: float) -> memoryview:
        nonlocal answers
        if len(answers) < count:
            raise EOFError
        taken, answers = answers[:count], answers[count:]
        return memoryview(taken)

    assert next(places) is not None
    worker._write = lambda chunks, deadline: None  # type: ignore[method-assign]
    worker._read = read  # type: ignore[method-assign]
    return worker.extract(b"", Sampling(60), 1)


@pytest.mark.parametrize(
    "facts", [[0, None, None, None], [1, -1.0, 2.0, None], [None, "x", None, None], [1, None, None, 5], [1], {}, None]
)
def test_an_answer_is_not_trusted(facts: object) -> None:
    worker = object.__new__(StillWorker)
    text = json.dumps(facts).encode()
    answer = ANSWER_HEADER.pack(PICTURE, len(text), 1, 1) + text + struct.pack("<4B", 1, 2, 3, 4)
    with pytest.raises((ValueError, TypeError)):
        list(serve(worker, answer))
    with pytest.raises(ValueError, match="too large"):
        list(serve(worker, ANSWER_HEADER.pack(PICTURE, 0, 4000, 1)))


def test_a_process_that_dies_costs_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    boot = "import os, sys; os.write(1, b'ready'); os.read(0, 9); os._exit(3)"
    monkeypatch.setattr(StillWorker, "boot", boot)
    with pytest.raises(UnreadablePicture, match="crashed"):
        list(extract_isolated(PDF, Sampling(60), 5, MEMORY))
    boot = "import os, time; os.write(1, b'ready'); time.sleep(60)"
    monkeypatch.setattr(StillWorker, "boot", boot)
    with pytest.raises(UnreadablePicture, match=r"longer than 0\.2 seconds"):
        list(extract_isolated(PDF, Sampling(60), 0.2, MEMORY))
    assert extraction.MORE_TIME > 1
