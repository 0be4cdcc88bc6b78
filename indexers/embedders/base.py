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

    The constructor is cheap: it checks the settings and loads nothing. Weights load on first use. The same picture,
    settings and fingerprint give the same vector, whatever else is in the batch: to float32 rounding, or, where the
    setting `precision` allows less than full precision, to a cosine of .999.

    `prepare` and `forward` may be called from several threads at once.
    """

    name: str
    """The name in a collection. It may have an argument after a colon, which follows from the settings; see
    `parse_argument`."""
    dimension: int
    input_size: int
    """Edge in pixels of the model's input; pictures are decoded to about twice that."""
    metric: ClassVar[Metric] = "cosine"
    supports_text: bool = False
    names_clusters: bool = True
    """Where it reads words: they are sure enough to name clusters by."""
    expands_words: bool = False
    """Where it reads words: they find more if the nearest pictures ask with them, see `retrieval.search.expansion`."""
    licence: str = "unknown"
    """Of the weights."""
    extra: str | None = None
    """The extra of nearkin that installs the required packages."""
    batch_size: int = 32
    device: str = "auto"
    """Where to compute: auto (a GPU if there is one), cpu, cuda, mps. It changes vectors by rounding only."""

    def __init__(self, **settings: Any) -> None:
        unknown = set(settings) - set(self.defaults())
        if unknown:
            known = ", ".join(sorted(self.defaults())) or "none"
            raise BadSetting(f"the embedder {self.name!r} has no setting {sorted(unknown)[0]!r}; it has: {known}")
        self.settings: Json = self.defaults() | settings
        self._passed = settings

    @classmethod
    def defaults(cls) -> Json:
        """Return the settings that change the vectors, with their defaults; JSON values only."""
        return {}

    @classmethod
    def complete_settings(cls, stored: Json) -> Json:
        """Return the settings of a space from those it stores: one that was added later has the value that vectors had
        before, which need not be the default of today."""
        return cls.defaults() | stored

    def adopt(self, stored: Json) -> Embedder:
        """Return this embedder, or, if it was made without settings, one with those that a space stores."""
        settings = self.complete_settings(stored)
        if self._passed or settings == self.settings:
            return self
        other = type(self)(**settings)
        other.name, other.device = self.name, self.device
        return other

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Return the settings that the argument of a name stands for: in `timm:resnet26d`, `resnet26d`.

        Raises BadSetting.
        """
        raise BadSetting(f"the embedder {cls.name!r} takes no argument after a colon; got {argument!r}")

    @abstractmethod
    def forward(self, batch: Sequence[Any]) -> Vectors:
        """Return the vectors of n prepared pictures, float32 (n, dimension)."""

    def prepare(self, image: Image) -> Any:
        """Return the input of `forward` for one upright RGB picture of any size: apply the model's own transform."""
        return image

    def embed(self, images: Sequence[Image]) -> Vectors:
        """Return the vectors of n upright RGB pictures, float32 (n, dimension)."""
        if not images:
            return np.empty((0, self.dimension), np.float32)
        return self.forward([self.prepare(image) for image in images])

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of n texts, float32 (n, dimension), in the space of the pictures. Raises NoTextTower."""
        names = ", ".join(list_text_embedders())
        raise NoTextTower(
            f"the embedder {self.name!r} reads pictures only, so it can't search for {texts[0]!r}; search with a "
            f"picture, an item or a vector, or fill a space of an embedder that reads words: {names}"
        )

    def find_unknown_words(self, text: str) -> Sequence[str]:
        """Return the words of a text that `embed_texts` can make nothing of, as far as it can tell."""
        return ()

    def fingerprint(self) -> str:
        """Return a name of the weights (a hash of their file) or of the version of the computation.

        It differs wherever the vectors do.
        """
        return "1"

    def missing(self) -> str:
        """Return what has to be done before this embedder can be used here, in one sentence; "" if nothing.

        Downloads nothing.
        """
        return ""

    def weights_bytes(self) -> int | None:
        """Return the size of the weights' file; 0 if there is none, None if only a download would tell."""
        return 0

    def describe_engine(self) -> str:
        """Return what computes the vectors here, such as "ONNX Runtime"; "" if no engine does, or none is known yet.

        Loads nothing.
        """
        return ""

    def limit_threads(self, count: int) -> None:
        """Use so many cores for one call of `forward` in this thread. Called in each worker thread."""
        return


def revive_embedder(name: str, stored: Json) -> Embedder:
    """Return the embedder of that name with settings that were stored with it, perhaps by an older version.

    Raises UnknownPlugin, MissingPackage, BadSetting.
    """
    member: Any = plugins.load_member("nearkin.embedders", name)
    complete = getattr(member, "complete_settings", dict)  # a name with an argument is never without its settings
    embedder: Embedder = member(**complete(stored))
    if embedder.name != name:  # the settings are as stored: no reason to spell them in the name
        embedder.name = name
    return embedder


def list_text_embedders() -> list[str]:
    """Return the names of the embedders that read words."""
    names = []
    for name in sorted(plugins.find_members("nearkin.embedders")):
        with suppress(Exception):  # an embedder that can't be loaded reads no words
            if plugins.load_member("nearkin.embedders", name).supports_text:
                names.append(name)
    return names
