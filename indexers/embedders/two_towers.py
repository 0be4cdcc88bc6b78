"""Networks of two towers, one for pictures and one for words, that were trained to agree."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from indexers.devices import import_torch, pick_device
from indexers.embedders.network import NetworkEmbedder
from indexers.embedders.sentences import embed_sentences
from indexers.types import Vectors


class TwoTowerEmbedder(NetworkEmbedder):
    """Reads pictures as its parent does, and words by a tower that is loaded when the first are read."""

    supports_text = True

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(device, **settings)
        self._loading_text = threading.Lock()
        self._text_tower: tuple[Any, Any, Any] | None = None

    @abstractmethod
    def load_text_model(self) -> Any:
        """Return a model with the tower of words, for `encode`. Raises WeightsUnavailable."""

    @abstractmethod
    def load_tokenizer(self) -> Any:
        """Return what makes tokens of sentences, for `encode`. Raises WeightsUnavailable."""

    @abstractmethod
    def encode(self, sentences: list[str], tokenizer: Any, model: Any, device: Any) -> Any:
        """Return the vectors of n sentences as a tensor (n, dimension); no gradients are kept."""

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of n texts, float32 (n, dimension), in the space of the pictures.

        Raises BadQuery for anything that is no text.
        """
        return embed_sentences(texts, self.dimension, self._encode_sentences)

    def _encode_sentences(self, sentences: list[str]) -> Vectors:
        torch = import_torch()
        with self._loading_text:
            if self._text_tower is None:
                device, model = pick_device(self.device), self.load_text_model()
                self._text_tower = self.load_tokenizer(), model.to(device), device
        with torch.inference_mode():
            vectors: Vectors = self.encode(sentences, *self._text_tower).float().cpu().numpy()
        return vectors
