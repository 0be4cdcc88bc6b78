from __future__ import annotations

import signal
import threading
import time

import pytest

from indexers.followers.shared_lock import SharedLock
from tests.support.interrupts import interrupt_often

posix_signals = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs the timers of POSIX")


def test_readers_share_and_a_writer_is_alone() -> None:
    lock, barrier = SharedLock(), threading.Barrier(3, timeout=5)
    log: list[str] = []

    def read() -> None:
        with lock.shared():
            barrier.wait()  # passes only if all three are inside at once
            log.append("read")

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with lock.exclusive():
        late = threading.Thread(target=lambda: read_late(lock, log))
        late.start()
        time.sleep(0.05)
        log.append("wrote")
    late.join()
    assert log == ["read"] * 3 + ["wrote", "late"]


def read_late(lock: SharedLock, log: list[str]) -> None:
    """Note in the log when the shared side is free."""
    with lock.shared():
        log.append("late")


def test_a_waiting_writer_goes_before_new_readers() -> None:
    lock, log = SharedLock(), list[str]()

    def write() -> None:
        with lock.exclusive():
            log.append("wrote")

    with lock.shared():
        writer = threading.Thread(target=write)
        writer.start()
        while not lock._waiting:
            time.sleep(0.001)
        reader = threading.Thread(target=lambda: read_late(lock, log))
        reader.start()
        time.sleep(0.05)
    writer.join()
    reader.join()
    assert log == ["wrote", "late"]


def test_it_is_free_after_errors_inside() -> None:
    lock = SharedLock()
    for side in (lock.shared, lock.exclusive):
        with pytest.raises(RuntimeError), side():
            raise RuntimeError
    with lock.exclusive():
        pass


def can_take_both_sides(lock: SharedLock) -> bool:
    """Return True if another thread gets each side within ten seconds."""
    done = threading.Event()

    def take() -> None:
        for side in (lock.exclusive, lock.shared):
            with side():
                pass
        done.set()

    threading.Thread(target=take, daemon=True).start()
    return done.wait(10)


@posix_signals
@pytest.mark.parametrize("is_contended", [True, False])
def test_an_interrupt_at_any_moment_leaves_it_free(is_contended: bool) -> None:
    lock, is_over = SharedLock(), threading.Event()

    def step() -> None:
        for side in (lock.exclusive, lock.shared, lock.exclusive):
            with side():
                pass

    def read() -> None:
        while not is_over.is_set():
            with lock.shared():
                time.sleep(0.0005)

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2 * is_contended)]
    for reader in readers:
        reader.start()
    count = interrupt_often(step, 400, 0.0003 if is_contended else 0.00005)
    is_over.set()
    for reader in readers:
        reader.join(10)
    assert count > 20
    assert can_take_both_sides(lock)
    assert (lock._held, lock._waiting) == ([], [])


@posix_signals
def test_an_interrupted_writer_that_waits_lets_readers_in() -> None:
    lock, may_end, is_inside = SharedLock(), threading.Event(), threading.Event()

    def read() -> None:
        with lock.shared():
            is_inside.set()
            may_end.wait(10)

    reader = threading.Thread(target=read)
    reader.start()
    is_inside.wait(10)

    def wait() -> None:
        with lock.exclusive():
            pytest.fail("beside a reader")

    assert interrupt_often(wait, 1, 0.05) == 1
    late: list[str] = []
    second = threading.Thread(target=lambda: read_late(lock, late))
    second.start()
    second.join(10)
    assert late == ["late"]
    may_end.set()
    reader.join()


def test_a_claim_that_its_thread_has_left_behind_does_not_block_it() -> None:
    for first in ("shared", "exclusive"):
        lock = SharedLock()
        left_behind = getattr(lock, first)()
        left_behind.__enter__()  # and an interrupt before the block began
        with lock.exclusive():
            pass
        assert can_take_both_sides(lock)
        left_behind.__exit__(None, None, None)  # the collector comes by at last
        assert can_take_both_sides(lock)
