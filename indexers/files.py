"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexers.errors import WriteFailed


@contextmanager
def replace_file(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` to write to; when the block ends, the file written there takes the place of `path`.

    If the block raises, `path` stays as it was. Several processes and threads may do so at once: each writes to a path
    of its own. With `durable`, the content is on the disk when the block ends. Raises WriteFailed for any OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield temporary
        if durable:
            _sync(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise WriteFailed(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def write_file(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a whole file as `replace_file` does, in a folder that is created if missing. Raises WriteFailed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteFailed(f"cannot write {path}: {error.strerror or error}") from error
    with replace_file(path, durable) as temporary:
        temporary.write_bytes(content)
