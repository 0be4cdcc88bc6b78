"""Files that are written whole or not at all, and what must be on the disk before anything relies on it."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from indexers.errors import WriteFailed

PATIENCE = 2.0
"""Seconds that a file in use is waited for."""


def suggest_remedy(error: OSError) -> str:
    """Return what is in the way of a file, and what to do about it, as the end of a sentence."""
    reason = error.strerror or os.strerror(error.errno or 0)
    remedies = {
        (errno.ENOSPC, errno.EDQUOT): "the disk is full; free disk space, then repeat the command",
        (
            errno.EMFILE,
            errno.ENFILE,
        ): "no more files can be opened; close some, or raise the limit (ulimit -n), then repeat the command",
        (errno.EROFS,): "its disk may only be read",
        (errno.EACCES, errno.EPERM): "correct the permissions of the file and its folder, then repeat the command",
        (errno.ENOENT, errno.ENOTDIR): "it is not there (any more)",
        (errno.EIO,): "the disk reports an error; free disk space, and check the disk",
    }
    return next((remedy for numbers, remedy in remedies.items() if error.errno in numbers), reason)


@contextmanager
def replace_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` to write to; when the block ends, the file written there takes the place of `path`.

    If the block raises, `path` stays as it was. Several processes and threads may do so at once: each writes to a path
    of its own. With `durable`, content and name are on the disk when the block ends. Raises WriteFailed for an OSError,
    and for what can't be the name of a file.
    """
    _check_name(path)
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


def _check_name(path: Path) -> None:
    try:
        is_possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise WriteFailed(f"cannot write {str(path)!r}: no file can have that name")


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


def open_regular_file(path: Path) -> BinaryIO:
    """Open a file for reading. Raises OSError for a link, a pipe, a device or a folder, which a stranger may have put
    in its place: a link leads anywhere, and reading from a pipe would wait for ever."""
    if path.is_symlink():  # where the system can't refuse it while it opens
        raise OSError(errno.ELOOP, "it is a link, not a file", str(path))
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return open(handle, "rb")


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file. Raises OSError for what `open_regular_file` refuses and for a larger file."""
    with open_regular_file(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"it has more than {max_bytes} bytes", str(path))
    return content


def leads_outside(path: Path, folder: Path) -> bool:
    """Return True if links on the way from `folder` to `path`, which need not exist, lead out of `folder`."""
    root, place = os.path.realpath(folder), os.path.realpath(path)
    return place != root and not place.startswith(os.path.join(root, ""))
