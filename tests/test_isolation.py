"""Decoding in processes of their own: the same pictures, and whatever happens there costs one picture only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from indexers import images
from indexers.errors import PictureTooLarge, UnreadablePicture
from indexers.isolation import Isolated
from indexers.types import Limits
from retrieval import Collection
from tests import pictures


def test_the_same_pictures_and_facts_as_in_this_process() -> None:
    with Isolated(workers=2) as isolated, ThreadPoolExecutor(4) as pool:
        given = [pictures.jpeg(pictures.noise(n)) for n in range(12)] + [
            pictures.oriented(6),
            pictures.animation("GIF"),
        ]
        for data, found in zip(given, pool.map(lambda data: isolated.decode(data, 32), given), strict=True):
            expected = images.decode(data, 32)
            assert found.facts == expected.facts
            assert found.image.tobytes() == expected.image.tobytes()


def test_reasons_come_through() -> None:
    with Isolated(Limits(max_pixels=100)) as isolated:
        with pytest.raises(PictureTooLarge, match="pixels"):
            isolated.decode(pictures.jpeg())
        with pytest.raises(UnreadablePicture, match="is empty"):
            isolated.decode(b"")
        with pytest.raises(PictureTooLarge):
            isolated.decode(pictures.bomb())


def worker(isolated: Isolated) -> int:
    (found,) = isolated._all
    return found._process.pid


def test_a_worker_that_crashes_is_replaced() -> None:
    with Isolated() as isolated:
        isolated.decode(pictures.jpeg())
        first = worker(isolated)
        os.kill(first, signal.SIGSEGV)
        with pytest.raises(UnreadablePicture, match=r"its decoder crashed \(SIGSEGV\)"):
            isolated.decode(pictures.jpeg())
        assert isolated.decode(pictures.jpeg()).facts.format == "JPEG"
        assert worker(isolated) != first


def test_a_worker_that_hangs_is_given_up_in_time() -> None:
    with Isolated(seconds=1.0) as isolated:
        isolated.decode(pictures.jpeg())
        os.kill(worker(isolated), signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(UnreadablePicture, match="longer than 1 seconds"):
            isolated.decode(pictures.jpeg())
        assert time.monotonic() - started < 5
        assert isolated.decode(pictures.jpeg()).facts.format == "JPEG"


def test_memory_is_bounded() -> None:
    """A picture of 100 megapixels, small as a file, needs more than the worker may have."""
    large = pictures.encoded(pictures.disc(size=(10_000, 10_000)), "PNG")
    with Isolated(memory=400 * 2**20) as isolated:
        with pytest.raises(UnreadablePicture):
            isolated.decode(large)
        assert isolated.decode(pictures.jpeg()).facts.format == "JPEG"


ORPHAN = """
import sys, time
from indexers.isolation import Isolated
from tests import pictures
isolated = Isolated()
isolated.decode(pictures.jpeg())
(worker,) = isolated._all
print(worker._process.pid, flush=True)
time.sleep(60)
"""


def test_a_killed_parent_leaves_no_orphans() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.01)


def test_a_collection_decodes_so_when_told(tmp_path: Path, folder: Path) -> None:
    (folder / "cut.jpg").write_bytes(pictures.jpeg()[:300])
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", isolated=1) as collection:
        report = collection.add(folder)
        assert (report.added, report.failed) == (5, 1)
        assert "cut off" in report.failures[0].reason
        assert collection.search(folder / "red.png", k=1)[0].uri == str(folder / "red.png")
