"""The vectors of the words that clusters are named with, kept in a file"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np

from indexers.embedders.base import Embedder
from indexers.errors import WriteFailed
from indexers.files import replace_file
from indexers.naming import words as naming
from indexers.types import Vectors


def embed_vocabulary(embedder: Embedder, path: Path) -> tuple[Sequence[str], Vectors]:
    """The words that pictures are named by, and their vectors in the embedder's space."""
    words = naming.load_vocabulary()
    stamp = f"{embedder.fingerprint()} {hash_words(words)}"
    with suppress(OSError, ValueError, KeyError), np.load(path, allow_pickle=False) as kept:
        if str(kept["stamp"]) == stamp:
            return words, kept["vectors"]
    prompts = naming.make_prompts(words)
    vectors = np.concatenate([embedder.embed_texts(prompts[start : start + 64]) for start in range(0, len(words), 64)])
    with suppress(OSError, WriteFailed):  # then they are embedded again
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, stamp=np.array(stamp), vectors=vectors)
    return words, vectors


def hash_words(words: Sequence[str]) -> str:
    return blake2b("\n".join(words).encode(), digest_size=8).hexdigest()
