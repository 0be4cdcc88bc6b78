"""A database in the place of another: noticed by whoever has the earlier one open, and put there in one step.

SQLite goes on with an open file that has lost its name, and whatever is committed to it is lost. And the log (`-wal`)
belongs to its database by name alone: one that is left behind would be replayed into the new database.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from indexers.catalogue import sqlite
from indexers.errors import WriteFailed
from indexers.files import move_over, sync

READY = "rescue.ready"
"""The folder of a new database that is complete: from its rename to this name on, the swap is only to be finished."""
FIRST_LOCK_BYTE = 128
"""The byte of `-shm` on which every process that has the database open holds a shared lock."""

FileMark = tuple[int, int]


def identify_file(path: str | Path) -> FileMark | None:
    """Return what tells a file from one that takes its place later: device and inode; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def set_log_aside(path: Path, log: FileMark | None) -> None:
    """Rename the log of an earlier database, if it still lies beside the one that has taken its place.

    log: the mark of the earlier database's log. One that another process has already opened with the new database is
    left alone.
    """
    wal, memory = path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
    if log is None or identify_file(wal) != log or not wal.stat().st_size or _is_open_elsewhere(memory):
        return
    for file in (memory, wal):
        if file.exists():
            move_over(file, path.with_name(f"{path.name}.replaced{file.name[len(path.name) :]}"))
    sync(path.parent)


def _is_open_elsewhere(memory: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows does not let an open file be replaced
        return True
    with suppress(FileNotFoundError), memory.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, FIRST_LOCK_BYTE)
        except OSError:
            return True
    return False


def finish_swap(folder: Path) -> bool:
    """Put a complete new database into the place of the damaged one; return False if there is none.

    Each step may be the last of a killed process, and the next call goes on from there. To be called by who holds the
    writer's lock. Raises WriteFailed.
    """
    path, new = folder / sqlite.FILE, folder / READY / sqlite.FILE
    if not (folder / READY).is_dir():
        return False
    try:
        if new.exists():
            for suffix in ("-wal", "-shm", ""):
                old = path.with_name(path.name + suffix)
                if old.exists():
                    move_over(old, path.with_name(f"{path.name}.damaged{suffix}"))
            sync(folder)
            move_over(new, path)
            sync(folder)
        shutil.rmtree(folder / READY)
    except OSError as error:
        raise WriteFailed(f"cannot finish the rescue of {folder}: {error.strerror or error}; try again") from error
    return True


def keep_earlier_rescue(path: Path) -> None:
    """Give what an earlier rescue has kept a number, so that this one does not replace it. Raises OSError."""
    kept = [path.with_name(f"{path.name}.damaged{suffix}") for suffix in ("-wal", "-shm", "")]
    number = 1
    while path.with_name(f"{path.name}.damaged-{number}").exists():
        number += 1
    for file in kept:
        if file.exists():
            move_over(file, path.with_name(file.name.replace(".damaged", f".damaged-{number}", 1)))
