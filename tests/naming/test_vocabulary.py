"""The vectors of the vocabulary: embedded once for each embedder, and again when the weights have changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from indexers.embedders.tiny import Tiny
from indexers.naming.vocabulary import embed_vocabulary, hash_words
from indexers.naming.words import load_vocabulary, make_prompts
from indexers.types import Vectors


class Lengths(Tiny):
    """Reads a text as its length, and remembers the sizes of the batches."""

    supports_text = True

    def __init__(self, weights: str = "a") -> None:
        super().__init__()
        self.weights, self.batches = weights, list[int]()

    def fingerprint(self) -> str:
        return self.weights

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(len(texts))
        return np.array([[len(text)] for text in texts], np.float32)


def test_each_word_has_the_vector_of_its_prompt_in_small_batches(tmp_path: Path) -> None:
    embedder = Lengths()
    words, vectors = embed_vocabulary(embedder, tmp_path / "words.npz")
    assert tuple(words) == load_vocabulary()
    assert vectors[:, 0].tolist() == [len(prompt) for prompt in make_prompts(words)]
    assert (vectors.shape, vectors.dtype) == ((len(words), 1), np.float32)
    assert max(embedder.batches) == 64
    assert sum(embedder.batches) == len(words)


def test_the_file_is_read_instead_and_its_folder_created(tmp_path: Path) -> None:
    path = tmp_path / "new" / "words.npz"
    _, vectors = embed_vocabulary(Lengths(), path)
    again = Lengths()
    words, stored = embed_vocabulary(again, path)
    assert not again.batches
    assert tuple(words) == load_vocabulary()
    np.testing.assert_array_equal(stored, vectors)
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["words.npz", "words.npz.signature"], "nothing unfinished is left beside it"


def test_other_weights_embed_the_words_again_and_replace_the_file(tmp_path: Path) -> None:
    path = tmp_path / "words.npz"
    embed_vocabulary(Lengths("a"), path)
    for weights, is_new in (("b", True), ("b", False), ("a", True)):
        embedder = Lengths(weights)
        embed_vocabulary(embedder, path)
        assert bool(embedder.batches) == is_new


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive at all", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.npz"
    path.write_bytes(content)
    first, second = Lengths(), Lengths()
    embed_vocabulary(first, path)
    embed_vocabulary(second, path)
    assert first.batches
    assert not second.batches


def test_a_file_of_arrays_under_other_names_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "words.npz"
    np.savez(path, something=np.ones(3))
    embedder = Lengths()
    embed_vocabulary(embedder, path)
    assert embedder.batches


def test_a_folder_that_can_not_be_written_to_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    words, vectors = embed_vocabulary(Lengths(), tmp_path / "file" / "words.npz")
    assert len(words) == len(vectors)


def test_the_hash_depends_on_the_words_and_on_their_order() -> None:
    hashes = {hash_words(words) for words in (["cat", "dog"], ["dog", "cat"], ["cat"], ["ca", "tdog"], [])}
    assert len(hashes) == 5
    assert all(len(digest) == 16 for digest in hashes)
    assert hash_words(("cat", "dog")) == hash_words(["cat", "dog"])


@pytest.mark.parametrize("forged", ["another key", "no signature", "other vectors"])
def test_a_file_that_this_user_has_not_signed_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forged: str
) -> None:
    path = tmp_path / "words.npz"
    _, vectors = embed_vocabulary(Lengths(), path)
    if forged == "another key":
        monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "other"))
    elif forged == "no signature":
        path.with_name("words.npz.signature").unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"\0\0", b"\0\1"))
    again = Lengths()
    np.testing.assert_array_equal(embed_vocabulary(again, path)[1], vectors)
    assert again.batches
