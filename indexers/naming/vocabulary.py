"""The vectors of the words that clusters are named with, kept in a file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from indexers import signing
from indexers.embedders.base import Embedder
from indexers.errors import UnknownWords, WriteFailed
from indexers.files import read_regular_file, replace_file, write_file
from indexers.naming import words as naming
from indexers.types import Vectors

BATCH = 64
"""Words that are embedded at once."""


def embed_vocabulary(embedder: Embedder, path: Path, count: int | None = None) -> tuple[Sequence[str], Vectors]:
    """Return the words that clusters are named with, or `count` of them, and their vectors in the embedder's space.

    The vectors are float32 (n, dimension). Words that the embedder does not know are left out. All are kept in the file
    `path`, with this user's signature beside it, for as long as neither the weights nor the words change.
    """
    words = naming.load_vocabulary()
    if count is not None:
        words = tuple(words[place] for place in np.linspace(0, len(words) - 1, count).astype(np.int64).tolist())
    stamp = f"{embedder.fingerprint()} {hash_words(words)}"
    stored = _read_vectors(path, stamp)
    if stored is None:
        stored = _embed_words(embedder, words)
        _write_vectors(path, stamp, stored)
    places = np.flatnonzero(stored.any(axis=1)).tolist()
    return [words[place] for place in places], stored[places]


def _embed_words(embedder: Embedder, words: Sequence[str]) -> Vectors:
    """Return the vectors of words, zeros for those that the embedder does not know."""
    prompts = naming.make_prompts(words)
    parts = [_embed_known(embedder, prompts[start : start + BATCH]) for start in range(0, len(words), BATCH)]
    return np.concatenate(parts)


def _embed_known(embedder: Embedder, prompts: Sequence[str]) -> Vectors:
    """Return the vectors of prompts together or, if the embedder does not know all of them, one by one."""
    try:
        return embedder.embed_texts(prompts)
    except UnknownWords:
        if len(prompts) > 1:
            return np.concatenate([_embed_known(embedder, [prompt]) for prompt in prompts])
        return np.zeros((1, embedder.dimension), np.float32)


def _write_vectors(path: Path, stamp: str, vectors: Vectors) -> None:
    with suppress(OSError, WriteFailed):  # next time they are embedded again
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, stamp=np.array(stamp), vectors=vectors)
        write_file(_signature_path(path), _sign(path).encode())


def _read_vectors(path: Path, stamp: str) -> Vectors | None:
    """Return the vectors in the file; None if it is missing, damaged, of another stamp, or not signed by this user."""
    damage = (OSError, EOFError, ValueError, KeyError, BadZipFile)
    with suppress(*damage):
        signature = read_regular_file(_signature_path(path), 1024).decode("ascii")
        if signing.matches(signature, _sign(path)):
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                if str(arrays["stamp"]) == stamp:
                    vectors: Vectors = arrays["vectors"]
                    return vectors
    return None


def _sign(path: Path) -> str:
    return signing.sign(signing.get_key(), b"vocabulary", [path])


def _signature_path(path: Path) -> Path:
    return path.with_name(path.name + ".signature")


def hash_words(words: Sequence[str]) -> str:
    """Return a hash of the list, 16 hexadecimal digits."""
    return blake2b("\n".join(words).encode(), digest_size=8).hexdigest()
