"""The contract of an embedder: pictures (and, for some, words) in, vectors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np
from PIL.Image import Image

from indexers import plugins
from indexers.errors import BadSetting, NoTextTower
from indexers.types import Json, Metric, Vectors


class Embedder(ABC):
    """Turns pictures into vectors of one dimension.

    Constructing one is cheap: it checks its settings and loads nothing. Weights load on first use. The same picture,
    the same settings and the same fingerprint give the same vector, whatever else is in the batch: to float32
    rounding, or, where a setting `precision` allows less than full precision, to a cosine of .999.

    `prepare` and `forward` may be called from several threads at once.
    """

    name: str
    """What a collection calls it; it may have an argument after a colon, which depends on the settings (`named`)."""
    dimension: int
    input_size: int
    """Edge in pixels of what the model looks at; pictures are decoded to about twice that."""
    metric: ClassVar[Metric] = "cosine"
    supports_text: bool = False
    licence: str = "unknown"
    """Of the weights."""
    extra: str | None = None
    """The nearkin extra that installs what it needs."""
    batch_size: int = 32
    device: str = "auto"
    """Where it computes: auto (a GPU if there is one), cpu, cuda, mps. It changes vectors by rounding only."""

    def __init__(self, **settings: Any) -> None:
        unknown = set(settings) - set(self.defaults())
        if unknown:
            known = ", ".join(sorted(self.defaults())) or "none"
            raise BadSetting(f"the embedder {self.name!r} has no setting {sorted(unknown)[0]!r}; it has: {known}")
        self.settings: Json = self.defaults() | settings

    @classmethod
    def defaults(cls) -> Json:
        """The settings that change the vectors, with their defaults; JSON values only."""
        return {}

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """The settings that a name with an argument stands for: of `family:argument`, `argument`. Raises BadSetting."""
        raise BadSetting(f"the embedder {cls.name!r} takes no argument after a colon; got {argument!r}")

    @abstractmethod
    def forward(self, batch: Sequence[Any]) -> Vectors:
        """Vectors, float32 (n, dimension), of n prepared pictures."""

    def prepare(self, image: Image) -> Any:
        """What `forward` takes of one picture (an upright RGB picture of any size): the model's own transform."""
        return image

    def embed(self, images: Sequence[Image]) -> Vectors:
        """Vectors, float32 (n, dimension), of n upright RGB pictures."""
        if not images:
            return np.empty((0, self.dimension), np.float32)
        return self.forward([self.prepare(image) for image in images])

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Vectors of words, in the same space as the pictures'. Raises NoTextTower."""
        names = ", ".join(list_text_embedders())
        raise NoTextTower(
            f"the embedder {self.name!r} reads pictures only, so it can't search for {texts[0]!r}; search with a "
            f"picture, an item or a vector, or fill a space of an embedder that reads words: {names}"
        )

    def fingerprint(self) -> str:
        """Names the weights (a hash of their file) or the version of the computation: other vectors, other name."""
        return "1"

    def missing(self) -> str:
        """What has to be done before it can embed here, as one sentence; nothing: "". Downloads nothing."""
        return ""

    def weights_bytes(self) -> int | None:
        """Size of the weights' file; 0 if there are none, None if it is not known without a download."""
        return 0

    def limit_threads(self, count: int) -> None:
        """Called in each worker thread: use so many cores for one call of `forward`."""
        return


def list_text_embedders() -> list[str]:
    """The names of the embedders that read words."""
    found = []
    for name in sorted(plugins.find_members("nearkin.embedders")):
        with suppress(Exception):  # what can't be loaded reads nothing
            if plugins.load_member("nearkin.embedders", name).supports_text:
                found.append(name)
    return found
