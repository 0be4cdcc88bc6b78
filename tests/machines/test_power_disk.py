"""What the model of a disk keeps after a power cut: content that was synced, and names whose folders were."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.power_disk import Disk, list_choices, read_trace, restore


def encode(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


class Trace:
    """Lines as strace writes them."""

    def __init__(self, root: Path) -> None:
        self.root, self.lines = root, list[str]()

    def add(self, call: str, result: str = "0") -> None:
        self.lines.append(f"17 {call} = {result}")

    def open(self, name: str) -> str:
        path = encode(str(self.root / name))
        handle = f"3<{path}>"
        self.add(f'openat(AT_FDCWD<{encode("/")}>, "{path}", O_WRONLY|O_CREAT|O_TRUNC, 0666)', handle)
        return handle

    def write(self, name: str, text: str) -> str:
        handle = self.open(name)
        self.add(f'write({handle}, "{encode(text)}", {len(text)})', str(len(text)))
        return handle

    def rename(self, source: str, target: str) -> None:
        self.add(f'rename("{encode(str(self.root / source))}", "{encode(str(self.root / target))}")')

    def sync_folder(self) -> None:
        self.add(f"fsync(4<{encode(str(self.root))}>)")


def leave(trace: Trace, choice: int) -> dict[str, str]:
    disk = Disk(trace.root)
    for call in read_trace(trace.lines):
        disk.apply(call)
    restore(trace.root, disk.leave(list_choices(0)[choice]))
    return {path.name: path.read_text() for path in trace.root.iterdir()}


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    root = tmp_path / "disk"
    root.mkdir()
    (root / "old").write_text("old")
    return Trace(root)


def test_all_that_was_written_is_there_when_only_the_process_dies(trace: Trace) -> None:
    trace.write("new", "new")
    trace.rename("new", "old")
    assert leave(trace, 0) == {"old": "new"}


def test_without_a_sync_a_new_file_is_lost_and_the_old_one_stays(trace: Trace) -> None:
    trace.write("new", "new")
    trace.rename("new", "old")
    assert leave(trace, 1) == {"old": "old"}


def test_a_name_may_be_there_before_its_content(trace: Trace) -> None:
    trace.write("new", "new")
    trace.rename("new", "old")
    assert leave(trace, 2) == {"old": ""}


def test_a_synced_file_under_a_synced_name_is_kept(trace: Trace) -> None:
    trace.add(f"fsync({trace.write('new', 'new')})")
    trace.rename("new", "old")
    trace.sync_folder()
    trace.write("later", "later")
    assert leave(trace, 1) == {"old": "new"}


def test_calls_that_failed_or_overlap_are_read_as_they_ended(trace: Trace) -> None:
    handle = trace.open("new")
    trace.lines.append(f'17 write({handle}, "{encode("ab")}", 2 <unfinished ...>')
    trace.add(f'unlink("{encode(str(trace.root / "none"))}")', "-1 ENOENT (No such file or directory)")
    trace.lines.append("17 <... write resumed>) = 2")
    assert leave(trace, 0) == {"old": "old", "new": "ab"}
