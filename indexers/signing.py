"""Signatures of derived files: they tell which files this user's own nearkin has written.

A checksum shows that a file is as it was written, not who wrote it, and anybody can compute one. Compiled code
(hnswlib, USearch, faiss) believes every offset in its file: a forged one makes it read and write anywhere in memory. So
every derived file bears a keyed hash of all its bytes (BLAKE3; O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020) under a
key that only this user can read, and nothing else is loaded.
"""

from __future__ import annotations

import hmac
import logging
import mmap
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3

from indexers.devices import count_cores
from indexers.files import open_regular_file, read_regular_file

log = logging.getLogger("nearkin")

KEY_FOLDER = "NEARKIN_KEY_FOLDER"
"""The environment's variable that names the folder of the key."""
KEY_FILE = "key"
KEY_BYTES = 32
CHUNK = 8 * 2**20
"""Bytes that are hashed as one part; parts are hashed beside each other."""
MAX_THREADS = 4
PATIENCE = 2.0
"""Seconds to wait for another process that has created the file of the key and not yet written it."""
UNUSED_SECONDS = 90 * 86400.0
"""Time after which what was derived for one user alone is deleted; it is then derived again when it is needed."""
SIGN, TAG, NAME = "nearkin 1 sign a derived file", "nearkin 1 hash a part of a file", "nearkin 1 name a key"
"""What keys are derived for: none of them serves for two things."""


class Key(NamedTuple):
    """What a user signs with. name: 16 hexadecimal digits, by which the key is told from others; no secret."""

    secret: bytes
    name: str


def get_key_folder() -> Path:
    """Return the folder of this user's key: that of NEARKIN_KEY_FOLDER, or where the system keeps a user's data."""
    if named := os.environ.get(KEY_FOLDER):
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "nearkin"


def get_private_folder() -> Path:
    """Return the folder of what is derived for this user alone, from collections whose own files are not believed."""
    if named := os.environ.get(KEY_FOLDER):
        return Path(named).expanduser() / "derived"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nearkin" / "derived"


def choose_private_folder(collection: Path, identity: str) -> Path:
    """Return the folder of what is derived for this user alone from one collection."""
    name = blake3(f"{identity}\0{collection}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return get_private_folder() / name


def delete_unused(used: Path) -> None:
    """Delete the folders beside `used` in which nothing was stored for long."""
    limit = time.time() - UNUSED_SECONDS
    for folder in used.parent.iterdir():
        with suppress(OSError):
            if folder != used and max(file.stat().st_mtime for file in (folder, *folder.rglob("*"))) < limit:
                shutil.rmtree(folder)


def get_key() -> Key:
    """Return this user's key, made when it is first needed.

    Where it can't be kept, a key of this process is returned: its files are then made anew by the next.
    """
    return _get_key(get_key_folder())


@lru_cache(maxsize=8)
def _get_key(folder: Path) -> Key:
    try:
        secret = _read_key(folder / KEY_FILE)
    except OSError as error:
        log.warning(
            "the key that signs derived files can't be kept in %s (%s): the next process will derive everything "
            "again; set %s to a folder that this user can write to",
            folder,
            error.strerror or error,
            KEY_FOLDER,
        )
        secret = secrets.token_bytes(KEY_BYTES)
    return Key(secret, _derive(secret, NAME).hex()[:16])


def _read_key(path: Path) -> bytes:
    """Return the key in a file, written first if there is none. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:
            file.write(secrets.token_hex(KEY_BYTES).encode() + b"\n")
    deadline = time.monotonic() + PATIENCE
    while True:
        with suppress(ValueError):
            secret = bytes.fromhex(read_regular_file(path, 4096).decode("ascii"))
            if len(secret) == KEY_BYTES:
                break
        if time.monotonic() > deadline:
            raise OSError(0, f"{path} holds no key; delete it", str(path))
        time.sleep(0.01)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return secret


def _derive(secret: bytes, purpose: str) -> bytes:
    return blake3(secret, derive_key_context=purpose).digest()


def sign(key: Key, text: bytes, parts: Iterable[Path]) -> str:
    """Return the signature of a text and of every byte of these files, in hexadecimal. Raises OSError."""
    tag_key = _derive(key.secret, TAG)
    signature = blake3(key=_derive(key.secret, SIGN))
    for content in (text, *(_hash_file(part, tag_key) for part in parts)):
        signature.update(len(content).to_bytes(8, "little") + content)
    return signature.hexdigest()


def matches(signature: str, expected: str) -> bool:
    """Compare two signatures in constant time."""
    return hmac.compare_digest(signature.encode(), expected.encode())


def _hash_file(path: Path, tag_key: bytes) -> bytes:
    """Return the keyed hashes of all chunks of a file, one after the other."""
    with open_regular_file(path) as file:
        length = os.fstat(file.fileno()).st_size
        if not length:  # an empty file can't be mapped
            return b""
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages, memoryview(pages) as view:

            def hash_chunk(start: int) -> bytes:
                with view[start : start + CHUNK] as chunk:
                    return blake3(chunk, key=tag_key).digest()

            starts = range(0, length, CHUNK)
            workers = min(len(starts), count_cores(), MAX_THREADS)
            if workers == 1:
                return b"".join(map(hash_chunk, starts))
            with ThreadPoolExecutor(workers) as pool:  # the hash lets go of the interpreter's lock
                return b"".join(pool.map(hash_chunk, starts))
