"""Which space a collection searches, which embedder fills it, and the followers that stand behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numpy.typing import ArrayLike

from indexers import plugins
from indexers.catalogue import Catalogue
from indexers.embedders.base import Embedder
from indexers.errors import BadQuery, BadSetting
from indexers.followers.base import Followers
from indexers.followers.stored import Flat, Index
from indexers.types import Metric, Space
from indexers.vectors.base import checked
from indexers.vectors.exact import Exact
from retrieval.config import Config
from retrieval.search import View

DEFAULT = "lite0"
READY_MADE = "vectors"


def check_name(embedder: str | Embedder | None) -> None:
    """Raises UnknownPlugin before anything is made."""
    if isinstance(embedder, str):
        plugins.member("nearkin.embedders", embedder)


def current(catalogue: Catalogue) -> Space | None:
    with catalogue.snapshot() as snapshot:
        return next((space for space in snapshot.spaces() if space.current), None)


def remembered(embedder: str | Embedder | None) -> dict[str, str]:
    """What a new collection notes of the embedder it was asked for, until its first picture makes the space."""
    if embedder is None:
        return {}
    return {"embedder": embedder if isinstance(embedder, str) else embedder.name}


class Embedding:
    """The embedder of a collection, made when it is first needed: a collection whose embedder is not installed here can
    still be searched by item and by vector."""

    def __init__(self, catalogue: Catalogue, given: str | Embedder | None, config: Config) -> None:
        self._config = config
        self._instance = given if isinstance(given, Embedder) else None
        self._space = current(catalogue)
        with catalogue.snapshot() as snapshot:
            self._remembered: str | None = snapshot.setting("embedder")
        self._given = given.name if isinstance(given, Embedder) else given
        self._agree()

    def adopt(self, space: Space) -> None:
        """Take up the space that there is by now (another process may have made it). Raises BadSetting."""
        self._space = space
        self._agree()

    def _agree(self) -> None:
        holds = self._space.embedder if self._space else self._remembered
        if self._given is None or (holds is None and self._space is None):
            return
        if holds is None:
            raise BadSetting(
                f"this collection holds ready-made vectors and has no embedder; {self._given!r} can't fill it"
            )
        if self._given != holds:
            raise BadSetting(
                f"this collection was made with the embedder {holds!r}, not {self._given!r}; "
                f"leave embedder= out, or make another collection"
            )

    @property
    def chosen(self) -> bool:
        """Somebody has asked for an embedder, or the vectors there are made by one."""
        return bool(self._given or self._remembered or (self._space and self._space.embedder))

    def get(self) -> Embedder:
        """Raises UnknownPlugin, MissingPackage, BadQuery (ready-made vectors), BadSetting (other weights)."""
        if self._space and self._space.embedder is None:
            raise BadQuery(
                "this collection holds ready-made vectors and has no embedder, so it can't take pictures or "
                "words; search with vector= or item=, add with add_vectors"
            )
        if self._instance is None:
            name = (self._space.embedder if self._space else None) or self._given or self._remembered or DEFAULT
            settings = self._space.settings if self._space else {}
            self._instance = make(name, self._config, **settings)
        self._same(self._instance)
        return self._instance

    def _same(self, embedder: Embedder) -> None:
        if self._space and (embedder.fingerprint(), embedder.dimension) != (
            self._space.fingerprint,
            self._space.dimension,
        ):
            raise BadSetting(
                f"the embedder {embedder.name!r} has other weights here than those that made this collection's vectors "
                f"({embedder.fingerprint()[:12]} instead of {self._space.fingerprint[:12]}), so that nothing could be "
                "compared; install the weights of then, or make another collection"
            )

    def space(self, catalogue: Catalogue, ready_made: ArrayLike | None = None) -> Space:
        """The space to write into; made if it is the first. `ready_made`: vectors that nobody has to embed."""
        found = current(catalogue)
        if found is None and ready_made is not None and not self.chosen:
            found = self._add(catalogue, READY_MADE, None, checked(ready_made).shape[1])
        elif found is None:
            found = self._add(catalogue, self.get().name, self.get(), self.get().dimension)
        self._space = found
        return found

    def _add(self, catalogue: Catalogue, name: str, embedder: Embedder | None, dimension: int) -> Space:
        metric = embedder.metric if embedder else cast(Metric, self._config.metric)
        member(self._config)(dimension, metric)  # the index may not know the metric: say so before anything is written
        settings, fingerprint = (embedder.settings, embedder.fingerprint()) if embedder else ({}, "")
        with catalogue.transaction() as writing:
            made = next(iter(writing.spaces()), None)  # another process was faster
            return made or writing.add_space(
                name, embedder.name if embedder else None, settings, fingerprint, dimension, metric
            )


def make(name: str, config: Config, **settings: Any) -> Embedder:
    """An embedder by name, on the device that the settings ask for."""
    embedder: Embedder = plugins.load("nearkin.embedders", name)(**settings)
    embedder.device = config.device
    return embedder


def member(config: Config) -> Callable[..., Any]:
    kind: Callable[..., Any] = plugins.load("nearkin.vectors", config.index)
    return kind


def view(catalogue: Catalogue, space: Space, embedding: Embedding, config: Config) -> View:
    """The space with its followers, brought to the newest change."""
    folder = catalogue.folder / "spaces" / str(space.id)
    flat = Flat(space, lambda: Exact(space.dimension, space.metric), "exact", folder / "flat", catalogue.identity)
    index = None
    if config.index != "exact":  # the flat file is the exact index itself

        def fresh() -> Any:
            return member(config)(space.dimension, space.metric, **config.index_settings)

        index = Index(space, fresh, config.index, folder / "index", catalogue.identity, config.index_build)
    followers = Followers(catalogue, [flat, index] if index else [flat])
    followers.open()
    return View(space, followers, flat, index, embedding.get, config.limits, config.scan_below)
