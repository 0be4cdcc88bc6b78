"""The writer's lock between processes, which names its holder."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import WriteFailed, WriterBusy
from tests.support.interrupts import interrupt_often

HOLD = """
import sys, time
from pathlib import Path
from indexers.catalogue.writer_lock import WriterLock
with WriterLock(Path(sys.argv[1]), 5).hold():
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def hold_in_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_holder_is_named_after_the_wait(tmp_path: Path) -> None:
    with hold_in_process(tmp_path) as process:
        started = time.monotonic()
        with (
            pytest.raises(WriterBusy, match=rf"process {process.pid} \(-c .*\), since \d{{4}}-"),
            WriterLock(tmp_path, 0.3).hold(),
        ):
            pytest.fail("two at once")
        assert 0.3 <= time.monotonic() - started < 5


def test_a_holder_that_dies_lets_go(tmp_path: Path) -> None:
    with hold_in_process(tmp_path) as process:
        process.kill()
        process.wait()
        with WriterLock(tmp_path, 5).hold():
            pass


def test_it_waits_for_a_holder_that_ends(tmp_path: Path) -> None:
    lock, second_lock = WriterLock(tmp_path, 5), WriterLock(tmp_path, 5)
    has_lock, order = threading.Event(), []

    def hold() -> None:
        with lock.hold():
            has_lock.set()
            time.sleep(0.2)
            order.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    has_lock.wait()
    with second_lock.hold():
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_threads_with_one_lock_exclude_each_other(tmp_path: Path) -> None:
    lock, inside, most_inside = WriterLock(tmp_path, 10), [0], [0]

    def take_turns() -> None:
        for _ in range(5):
            with lock.hold():
                inside[0] += 1
                most_inside[0] = max(most_inside[0], inside[0])
                time.sleep(0.001)
                inside[0] -= 1

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most_inside == [1]


def test_it_may_be_taken_again_by_its_holder(tmp_path: Path) -> None:
    lock, second_lock = WriterLock(tmp_path, 0.1), WriterLock(tmp_path, 0)
    with lock.hold():
        with lock.hold():
            pass
        with pytest.raises(WriterBusy), second_lock.hold():
            pytest.fail("let go too early")
    with second_lock.hold():
        pass


def test_it_is_free_after_an_error(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path, 0.1)
    with pytest.raises(RuntimeError), lock.hold():
        raise RuntimeError
    with WriterLock(tmp_path, 0).hold():
        pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs the timers of POSIX")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the interrupted write_text
def test_it_is_free_after_an_interrupt_at_any_moment(tmp_path: Path) -> None:
    lock, second_lock = WriterLock(tmp_path, 1), WriterLock(tmp_path, 0)

    def step() -> None:
        with lock.hold(), lock.hold():
            pass

    assert interrupt_often(step, 300, 0.0005) > 20
    with second_lock.hold():
        pass
    with hold_in_process(tmp_path):
        assert interrupt_often(step, 20, 0.02) == 20
    with second_lock.hold():
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"pid": 1}), "\xff"])
def test_a_damaged_signature_is_an_unknown_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "writer.json").write_text(text, encoding="latin-1")
    assert WriterLock(tmp_path, 0).describe_holder() == "an unknown process"


def test_a_folder_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteFailed, match=r"writer\.lock"), WriterLock(tmp_path / "file", 0).hold():
        pytest.fail("no lock there")


def test_a_folder_that_is_gone_is_called_gone(tmp_path: Path) -> None:
    folder = tmp_path / "collection"
    with (
        pytest.raises(WriteFailed, match=r"folder .*collection was deleted or moved away"),
        WriterLock(folder, 1).hold(),
    ):
        pytest.fail("there is nothing to lock")
