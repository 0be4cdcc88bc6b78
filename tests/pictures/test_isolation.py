"""Decoding in processes of their own: the same pictures, and whatever happens there costs one picture only."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from indexers.errors import PictureTooLarge, Unavailable, UnreadablePicture
from indexers.pictures import images, isolation
from indexers.pictures.isolation import DecoderPool
from indexers.types import Limits
from retrieval import Collection
from tests.support import pictures
from tests.support.descriptions import make_xmp

pytestmark = pytest.mark.skipif(not hasattr(select, "poll"), reason="decoding in other processes needs POSIX")


def test_the_same_pictures_and_facts_as_in_this_process() -> None:
    with DecoderPool(workers=2) as isolated, ThreadPoolExecutor(4) as pool:
        files = [pictures.jpeg(pictures.noise(n)) for n in range(12)] + [
            pictures.oriented(6),
            pictures.animation("GIF"),
            pictures.jpeg(xmp=make_xmp('xmp:Rating="3"', dc_title="A boat", dc_subject=["lake", "Größe"])),
        ]
        for data, decoded in zip(files, pool.map(lambda data: isolated.decode(data, 32), files), strict=True):
            expected = images.decode(data, 32)
            assert decoded.facts == expected.facts
            assert decoded.image.tobytes() == expected.image.tobytes()


def test_reasons_come_through() -> None:
    with DecoderPool(Limits(max_pixels=100)) as isolated:
        with pytest.raises(PictureTooLarge, match="pixels"):
            isolated.decode(pictures.jpeg())
        with pytest.raises(UnreadablePicture, match="is empty"):
            isolated.decode(b"")
        with pytest.raises(PictureTooLarge):
            isolated.decode(pictures.bomb())


def worker_pid(isolated: DecoderPool) -> int:
    (worker,) = isolated._workers
    return worker._process.pid


def test_a_worker_that_crashes_is_replaced() -> None:
    with DecoderPool() as isolated:
        isolated.decode(pictures.jpeg())
        first = worker_pid(isolated)
        os.kill(first, signal.SIGSEGV)
        with pytest.raises(UnreadablePicture, match=r"its decoder crashed \(SIGSEGV\)"):
            isolated.decode(pictures.jpeg())
        assert isolated.decode(pictures.jpeg()).facts.format == "JPEG"
        assert worker_pid(isolated) != first


def test_a_worker_that_hangs_is_given_up_in_time() -> None:
    with DecoderPool(seconds=1.0) as isolated:
        isolated.decode(pictures.jpeg())
        os.kill(worker_pid(isolated), signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(UnreadablePicture, match="longer than 1 seconds"):
            isolated.decode(pictures.jpeg())
        assert time.monotonic() - started < 5
        assert isolated.decode(pictures.jpeg()).facts.format == "JPEG"


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS limits no process's memory")
def test_memory_is_bounded() -> None:
    """A picture of 100 megapixels, small as a file, needs more than the worker may have."""
    large = pictures.encoded(pictures.disc(size=(10_000, 10_000)), "PNG")
    with DecoderPool(memory=400 * 2**20) as isolated:
        with pytest.raises(UnreadablePicture):
            isolated.decode(large)
        assert isolated.decode(pictures.jpeg()).facts.format == "JPEG"


ORPHAN = """
import sys, time
from indexers.pictures.isolation import DecoderPool
from tests.support import pictures
from tests.support.descriptions import make_xmp
isolated = DecoderPool()
isolated.decode(pictures.jpeg())
(worker,) = isolated._workers
print(worker._process.pid, flush=True)
time.sleep(60)
"""


def test_a_killed_parent_leaves_no_orphans() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until_gone(child)


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    if Path("/proc").is_dir():
        try:
            return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_collection_decodes_so_when_told(tmp_path: Path, folder: Path) -> None:
    (folder / "cut.jpg").write_bytes(pictures.jpeg()[:300])
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", isolated=1) as collection:
        report = collection.add(folder)
        assert (report.added, report.failed) == (5, 1)
        assert "cut off" in report.failures[0].reason
        assert collection.search(folder / "red.png", k=1)[0].uri == str(folder / "red.png")


# ---- what a worker must not be believed, or left alone with


def test_modules_beside_the_pictures_are_not_imported(tmp_path: Path) -> None:
    """A folder of pictures may hold a PIL.py; Python started there would run it."""
    for name in ("PIL", "json", "numpy", "indexers"):
        (tmp_path / f"{name}.py").write_text("open('run', 'w').close()")
    code = "from indexers.pictures.isolation import DecoderPool\nfrom tests.support import pictures\nimport os\n"
    code += f"os.chdir({str(tmp_path)!r})\nwith DecoderPool() as pool: print(pool.decode(pictures.jpeg()).facts.format)"
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout == "JPEG\n", done.stderr
    assert not (tmp_path / "run").exists()


def replace_workers(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let workers run this code instead of decoding."""
    monkeypatch.setattr(isolation, "BOOT", f"import os, time\nos.write(1, b'ready')\n{code}\ntime.sleep(60)")


@pytest.mark.parametrize(
    "answer",
    [
        isolation.ANSWER_HEADER.pack(0, 2, 2**32 - 1, 2**32 - 1) + b"{}",
        isolation.ANSWER_HEADER.pack(0, 2**32 - 1, 1, 1),
        isolation.ANSWER_HEADER.pack(0, 2, 1, 1) + b"{}",
        isolation.ANSWER_HEADER.pack(0, 1, 1, 1) + b"\xff",
        isolation.ANSWER_HEADER.pack(0, 7, 1, 1) + b'{"a":1}',
    ],
)
def test_nonsense_is_a_failure_of_that_picture(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    replace_workers(monkeypatch, f"os.write(1, {answer!r})")
    with DecoderPool() as isolated, pytest.raises(UnreadablePicture, match="answer was invalid"):
        isolated.decode(pictures.jpeg())


def test_a_worker_that_reads_nothing_does_not_hold_up_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_workers(monkeypatch, "")
    large = pictures.encoded(pictures.noise(size=(1200, 1000)), "BMP")  # more than a pipe holds
    with DecoderPool(seconds=0.3) as isolated, pytest.raises(UnreadablePicture, match=r"longer than 0\.3 seconds"):
        isolated.decode(large)


def test_a_system_without_poll_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")
    with DecoderPool() as isolated, pytest.raises(Unavailable, match="needs a POSIX system; set isolated = 0"):
        isolated.decode(pictures.jpeg())


def test_a_worker_that_cannot_start_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "BOOT", "raise SystemExit(3)")
    with DecoderPool() as isolated, pytest.raises(Unavailable, match=r"can be started \(it ended with 3\)"):
        isolated.decode(pictures.jpeg())


def test_with_more_than_a_thousand_open_files() -> None:
    if resource_limit() <= 1400:
        pytest.skip("this system does not allow so many open files")
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with DecoderPool() as isolated:
            assert isolated.decode(pictures.jpeg()).facts.format == "JPEG"
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def resource_limit() -> int:
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_closing_ends_workers_that_are_busy() -> None:
    slow = slow_jpeg()
    with DecoderPool() as isolated, ThreadPoolExecutor(1) as pool:
        isolated.decode(pictures.jpeg())
        pid, waiting = worker_pid(isolated), pool.submit(isolated.decode, slow)
        time.sleep(0.3)
        isolated.close()
        with pytest.raises(UnreadablePicture, match="SIGKILL"):
            waiting.result(timeout=10)
        assert not is_running(pid)


def slow_jpeg() -> bytes:
    """Takes far longer than any of these tests."""
    return pictures.many_scans(Image.new("L", (8000, 8000), 200), 20_000)


BUSY = ORPHAN.replace("time.sleep(60)", "isolated.decode(open(sys.argv[1], 'rb').read())")


def test_a_killed_parent_leaves_no_orphans_in_the_middle_of_a_picture(tmp_path: Path) -> None:
    (tmp_path / "slow.jpg").write_bytes(slow_jpeg())
    parent = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(tmp_path / "slow.jpg")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until_gone(child)


@pytest.mark.parametrize(
    "description",
    [
        [],
        {"other": "a"},
        {"title": 1},
        {"title": ""},
        {"rating": True},
        {"tags": "a"},
        {"tags": ["a", 1]},
        {"title": "\0"},
    ],
)
def test_a_description_that_makes_no_sense_is_refused(description: object) -> None:
    isolation.check_description({"title": "a", "tags": ["a"], "rating": 5})
    with pytest.raises(ValueError, match="sound"):
        isolation.check_description(description)


def test_a_picture_is_shrunk_before_it_comes_over() -> None:
    data = pictures.encoded(pictures.noise(1, (300, 200)), "PNG")
    with DecoderPool() as pool:
        whole = pool.decode(data)
        small = pool.decode(data, 0, 100)
        assert (small.image.size, small.facts) == ((100, 67), whole.facts)
        assert small.image.tobytes() == images.shrink(whole.image, 100).tobytes()
        assert pool.decode(data, 0, 100, 300).image.size == (300, 200)
        assert pool.decode(data, 0, 100, 299).image.size == (100, 67)


def test_large_pictures_come_in_bands_and_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "BUFFER_BYTES", 10_000)
    for size in ((50, 49), (50, 50), (50, 51), (333, 250), (3000, 2)):
        picture = pictures.noise(1, size)
        with DecoderPool() as pool:
            assert pool.decode(pictures.encoded(picture, "PNG")).image.tobytes() == picture.tobytes()
            [worker] = pool._workers
            assert len(worker._buffer) <= max(10_000, 4 * size[0])
