"""Two towers: that of words is loaded once, when the first are read, whichever thread reads them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from indexers.embedders.two_towers import TwoTowerEmbedder
from indexers.errors import BadQuery, WeightsUnavailable

torch = pytest.importorskip("torch")


class Lengths(TwoTowerEmbedder):
    """Says of a sentence how long it is."""

    name = "lengths"
    dimension = 2
    loaded: list[str]

    def load_text_model(self) -> Any:
        self.loaded.append("model")
        return torch.nn.Identity()

    def load_tokenizer(self) -> Any:
        self.loaded.append("tokenizer")
        return len

    def encode(self, sentences: list[str], tokenizer: Any, model: Any, device: Any) -> Any:
        rows = [[tokenizer(sentence), 1.0] for sentence in sentences]
        return model(torch.tensor(rows, dtype=torch.float64, device=device))

    make_network = find_weights = published_bytes = make_transform = is_published = None  # type: ignore[assignment]


def make() -> Lengths:
    embedder = Lengths(device="cpu")
    embedder.loaded = []
    return embedder


def test_it_is_loaded_once_when_words_are_read() -> None:
    embedder = make()
    assert embedder.supports_text
    assert embedder.loaded == []
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda text: embedder.embed_texts([text]), ["a dog", "a small cat"] * 8))
    assert embedder.loaded == ["model", "tokenizer"]
    assert rows[0].dtype == np.float32
    assert [row[0].tolist() for row in rows[:2]] == [[5, 1], [11, 1]]
    with pytest.raises(BadQuery, match="7 is no text"):
        embedder.embed_texts([7])  # type: ignore[list-item]


def test_a_tokenizer_that_is_missing_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = make()

    def fail() -> Any:
        raise WeightsUnavailable("no tokenizer")

    with monkeypatch.context() as patched:
        patched.setattr(embedder, "load_tokenizer", fail)
        with pytest.raises(WeightsUnavailable):
            embedder.embed_texts(["a dog"])
    assert embedder.embed_texts(["a dog"]).shape == (1, 2)
