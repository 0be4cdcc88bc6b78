"""Files that are written whole or not at all, and what must be on the disk before anything relies on it."""

from __future__ import annotations

import errno
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexers.errors import WriteFailed

PATIENCE = 2.0
"""Seconds that a file in use is waited for."""


@contextmanager
def replace_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` to write to; when the block ends, the file written there takes the place of `path`.

    If the block raises, `path` stays as it was. Several processes and threads may do so at once: each writes to a path
    of its own. With `durable`, content and name are on the disk when the block ends. Raises WriteFailed for an OSError.
    """
    temporary = path.with_name(f".{path.name[:24]}.{os.getpid()}-{threading.get_ident()}-{secrets.token_hex(4)}.part")
    try:
        yield temporary
        if durable:
            sync(temporary)
        move_over(temporary, path)
        if durable:
            sync(path.parent)
    except OSError as error:
        raise WriteFailed(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk.

    A new file is safe from a power cut once it and its folder are synced. Where a folder can't be opened (Windows) or
    its file system knows no such thing, names need no help, and nothing is done. Raises OSError.
    """
    is_folder = path.is_dir()
    if is_folder and os.name != "posix":
        return
    try:  # fsync of a file needs the right to write on Windows, and no more than to read elsewhere
        handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    except PermissionError:
        if is_folder:  # one that may be written, but not listed
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if not is_folder or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Create a folder with its parents, each of them on the disk when this returns. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync(folder.parent)


def move_over(source: Path, target: Path) -> None:
    """Rename a file, in place of any that is there. Windows refuses while somebody reads that: then try again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if os.name == "posix" or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def write_file(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a whole file as `replace_file` does, in a folder that is created if missing. Raises WriteFailed."""
    try:
        make_folder(path.parent) if durable else path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteFailed(f"cannot write {path}: {error.strerror or error}") from error
    with replace_file(path, durable) as temporary:
        temporary.write_bytes(content)
