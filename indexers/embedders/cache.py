"""Files in the user's cache folder that save time, and are made again if they are missing, damaged or can't be kept."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from indexers.errors import WriteFailed
from indexers.files import write_file


def find_cache_folder() -> Path:
    """Return nearkin's folder in the user's cache folder; it need not exist. Raises RuntimeError without a home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nearkin"


def make_once(name: str, digest: str, make: Callable[[], bytes]) -> bytes:
    """Return the content with that SHA-256, from the file `name` of the cache folder or, if it is not there, by `make`.

    What `make` returns is kept if it has that digest, and returned in any case.
    """
    content = read_cached(name)
    if content and sha256(content).hexdigest() == digest:
        return content
    content = make()
    if sha256(content).hexdigest() == digest:
        write_cached(name, content)
    return content


def read_cached(name: str) -> bytes:
    """Return the content of a file in the cache folder; b"" if it can't be read."""
    try:
        return (find_cache_folder() / name).read_bytes()
    except (OSError, RuntimeError):
        return b""


def write_cached(name: str, content: bytes) -> None:
    """Keep a file in the cache folder, whole or not at all; nothing is kept where that can't be written."""
    try:
        write_file(find_cache_folder() / name, content)
    except (WriteFailed, OSError, RuntimeError) as error:
        logging.getLogger("nearkin").debug("the cache can't keep %s: %s", name, error)
