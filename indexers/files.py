"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indexers.errors import WriteFailed


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Another place to write to, which takes the path's when everything is written. Raises WriteFailed."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise WriteFailed(f"{path} can't be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
