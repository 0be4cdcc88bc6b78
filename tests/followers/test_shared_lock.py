from __future__ import annotations

import threading
import time

import pytest

from indexers.followers.shared_lock import SharedLock


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
