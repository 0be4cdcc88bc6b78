"""The spaces of a collection: which one is searched, which embedder fills it, which followers stand behind it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

from numpy.typing import ArrayLike

from indexers import plugins
from indexers.catalogue.catalogue import Catalogue
from indexers.embedders.base import Embedder
from indexers.errors import BadQuery, BadSetting, NearkinError, SpaceNotFound, UsageError
from indexers.followers.base import Followers
from indexers.followers.clusterings import ClusteringFollower
from indexers.followers.partitions import PartitionFollower
from indexers.followers.stored import FlatFollower, IndexFollower
from indexers.followers.tree import TreeFollower
from indexers.naming.namer import ClusterNamer
from indexers.naming.vocabulary import embed_vocabulary
from indexers.pictures.isolation import DecoderPool
from indexers.pipeline import Run
from indexers.types import Limits, Metric, Space, Vectors
from indexers.vectors.base import VectorIndex, check_vectors
from indexers.vectors.exact import Exact
from indexers.vectors.metrics import PRODUCT_METRICS, parse_metric
from retrieval.config import Config
from retrieval.records.reports import SpaceInfo
from retrieval.spaces.view import View

DEFAULT = "lite0"
READY_MADE = "vectors"


def check_name(embedder: str | Embedder | None) -> None:
    """Raises UnknownPlugin before anything is made."""
    if isinstance(embedder, str):
        plugins.member("nearkin.embedders", embedder)


def embedder_setting(embedder: str | Embedder | None) -> dict[str, str]:
    """What a new collection notes of the embedder it was asked for, until its first picture makes the space."""
    return {} if embedder is None else {"embedder": name_of(embedder)}


def name_of(embedder: str | Embedder) -> str:
    return embedder if isinstance(embedder, str) else embedder.name


def normalise_name(name: str) -> str:
    """As the embedder itself spells it: an argument may be written in several ways."""
    return str(plugins.load("nearkin.embedders", name)().name) if ":" in name else name


class Spaces:
    """The views of a collection's spaces, each made when it is first used.

    An embedder is made when it is first needed: a collection whose embedder is not installed here can still be searched
    by item and by vector.
    """

    def __init__(self, catalogue: Catalogue, config: Config, given: str | Embedder | None) -> None:
        self._catalogue, self._config = catalogue, config
        self._views: dict[int, View] = {}
        self._current: int | None = None
        self._embedders = {given.name: given} if isinstance(given, Embedder) else {}
        self._given = None if given is None else name_of(given)
        self._saved = time.monotonic()
        self._wrote = False
        self._isolated: DecoderPool | None = None
        self._starting = Lock()
        with catalogue.snapshot() as snapshot:
            self._remembered: str | None = snapshot.setting("embedder")
            self._check_embedder(snapshot.spaces())

    def _check_embedder(self, there: list[Space]) -> None:
        """The embedder that was asked for has to be one that the collection has, if it has any."""
        have = [space.embedder for space in there]  # without a space, nothing keeps it from taking another one
        if self._given is None or not have or self._given in have:
            return
        if normalise_name(self._given) in have:
            self._given = normalise_name(self._given)
            return
        if have == [None]:
            raise BadSetting(
                f"this collection holds ready-made vectors and has no embedder; {self._given!r} can't fill it"
            )
        raise BadSetting(
            f"this collection was made with the embedder {', '.join(repr(one) for one in have)}, not {self._given!r}; "
            f"leave embedder= out, or fill a second space: `nearkin add --embedder {self._given}`, Collection.fill"
        )

    # ---- views

    def view(self, name: str | None = None) -> View | None:
        """The current space, or the one of that name. None: there is no space yet. Raises SpaceNotFound."""
        with self._catalogue.snapshot() as snapshot:
            there = snapshot.spaces()
        self._check_embedder(there)
        if name is not None:
            return self._use_view(find_space(there, name))
        self._current = next((space.id for space in there if space.current), None)
        return next((self._use_view(space) for space in there if space.current), None)

    @property
    def current(self) -> View | None:
        """The space that was current when last looked: a search notices if it no longer is."""
        found = self._views.get(self._current) if self._current is not None else None
        return found or self.view()

    @property
    def views(self) -> list[View]:
        """The views in use."""
        return list(self._views.values())

    @property
    def limits(self) -> Limits:
        """What a picture may measure at most."""
        return self._config.limits

    @property
    def web(self) -> bool:
        """Whether pictures may be fetched from the web."""
        return bool(self._config.web)

    def describe(self) -> tuple[SpaceInfo, ...]:
        """Return the spaces, and how full each is."""
        with self._catalogue.snapshot() as snapshot:
            counts = snapshot.vector_counts()
            return tuple(SpaceInfo.of(space, counts.get(space.id, 0)) for space in snapshot.spaces())

    def _use_view(self, space: Space) -> View:
        if space.id not in self._views:
            self._views[space.id] = self._open(space)
        return self._views[space.id]

    def _open(self, space: Space) -> View:
        """The space with its followers, brought to the newest change."""
        folder = self._catalogue.folder / "spaces" / str(space.id)
        identity, config = self._catalogue.identity, self._config
        flat = FlatFollower(space, lambda: Exact(space.dimension, space.metric), "exact", folder / "flat", identity)
        index = None
        if config.index != "exact":  # the flat file is the exact index itself

            def fresh() -> Any:
                return make_index(config, space.dimension, space.metric)

            index = IndexFollower(space, fresh, config.index, folder / "index", identity, config.index_build)
        names = ClusterNamer(lambda: self._vocabulary(space, folder), lambda: flat.index)
        tree = TreeFollower(space, flat, index, folder / "tree", identity, names) if config.clusters else None
        partitions = PartitionFollower(space, flat) if config.clusters else None
        named = ClusteringFollower(space, flat, names)
        followers = Followers(self._catalogue, [one for one in (flat, index, tree, partitions, named) if one])
        followers.open()
        return View(
            space,
            followers,
            flat,
            index,
            named,
            lambda: self.embedder(space),
            config.limits,
            config.scan_below,
            bool(config.web),
            tree,
            partitions,
        )

    def _vocabulary(self, space: Space, folder: Path) -> tuple[Sequence[str], Vectors] | None:
        """Words and their vectors, embedded once and kept; None where the embedder reads none, or can't be had."""
        if space.embedder is None:
            return None
        try:
            embedder = self.embedder(space)
            if not embedder.supports_text:
                return None
            return embed_vocabulary(embedder, folder / "vocabulary.npz")
        except NearkinError:
            return None

    # ---- embedders

    def embedder(self, space: Space) -> Embedder:
        """Raises UnknownPlugin, MissingPackage, BadQuery (ready-made vectors), BadSetting (other weights)."""
        if space.embedder is None:
            raise BadQuery(
                "this collection holds ready-made vectors and has no embedder, so it can't take pictures or "
                "words; search with vector= or item=, add with add_vectors"
            )
        found = self._load_embedder(space.embedder, **space.settings)
        if (found.fingerprint(), found.dimension) != (space.fingerprint, space.dimension):
            raise BadSetting(
                f"the embedder {found.name!r} has other weights here than those that made this collection's vectors "
                f"({found.fingerprint()[:12]} instead of {space.fingerprint[:12]}), so that nothing could be compared; "
                "install the weights of then, or make another collection"
            )
        return found

    def reads_words(self, space: Space) -> bool:
        """Whether its embedder has a text tower; no weights are loaded to find out."""
        with suppress(NearkinError):
            return space.embedder is not None and self._load_embedder(space.embedder, **space.settings).supports_text
        return False

    def _load_embedder(self, name: str, **settings: Any) -> Embedder:
        if name not in self._embedders:
            embedder: Embedder = plugins.load("nearkin.embedders", name)(**settings)
            embedder.device = self._config.device
            self._embedders[name] = embedder
        return self._embedders[name]

    # ---- spaces to write into

    def open_for_pictures(self) -> View:
        """The current space, made if it is the first."""
        found = self.view()
        if found is None:
            embedder = self._load_embedder(self._given or self._remembered or DEFAULT)
            found = self._use_view(self._create(embedder.name, embedder, embedder.dimension))
        self.embedder(found.space)  # what is in the way is said before anything is read
        return found

    def open_for_vectors(self, vectors: ArrayLike) -> View:
        """The current space; the first one is the chosen embedder's, or one that has none."""
        found = self.view()
        if found is not None:
            return found
        if self._given or self._remembered:
            return self.open_for_pictures()
        return self._use_view(self._create(READY_MADE, None, check_vectors(vectors).shape[1]))

    def find_text_embedder(self) -> Embedder:
        """The embedder of the space for pictures, for words."""
        return self.embedder(self.open_for_pictures().space)

    def open_for_import(self, vectors: Vectors, origin: Space | None) -> View:
        """The current space, for vectors of the space `origin` of another collection (None: nobody knows); the first
        one is made like that, unless another embedder was chosen. Raises UsageError: they are of other weights."""
        if origin is None:
            return self.open_for_vectors(vectors)
        chosen = self._given or self._remembered
        found = self.view()
        if found is None and chosen in (None, origin.embedder):
            found = self._use_view(self._insert(replace(origin, name=origin.embedder or READY_MADE)))
        found = found or self.open_for_vectors(vectors)
        theirs, ours = ((one.embedder, one.fingerprint) for one in (origin, found.space))
        if theirs != ours and None not in (origin.embedder, found.space.embedder):
            raise UsageError(
                f"these vectors were made by the embedder {origin.embedder!r} ({origin.fingerprint[:12]}), those of "
                f"the space {found.space.name!r} by {found.space.embedder!r} ({found.space.fingerprint[:12]}), so that "
                "nothing could be compared; import them into another collection"
            )
        return found

    def open_second(self, embedder: str | Embedder) -> View:
        """The space of that embedder, made beside the others if there is none."""
        name = name_of(embedder)
        check_name(embedder)
        if isinstance(embedder, Embedder):
            self._embedders[name] = embedder
        with self._catalogue.snapshot() as snapshot:
            found = next((space for space in snapshot.spaces() if space.embedder == name), None)
        if found is None:
            made = self._load_embedder(name)
            found = self._create(made.name, made, made.dimension, second=True)
        self.embedder(found)
        return self._use_view(found)

    def _create(self, name: str, embedder: Embedder | None, dimension: int, second: bool = False) -> Space:
        metric = parse_metric(embedder.metric if embedder else self._config.metric)
        settings, fingerprint = (embedder.settings, embedder.fingerprint()) if embedder else ({}, "")
        by = embedder.name if embedder else None
        return self._insert(Space(0, name, by, settings, fingerprint, dimension, metric, False), second)

    def _insert(self, wanted: Space, second: bool = False) -> Space:
        make_index(
            self._config, wanted.dimension, wanted.metric
        )  # if the index takes no such thing, nothing is written yet
        values = {name: value for name, value in asdict(wanted).items() if name not in ("id", "current")}
        with self._catalogue.transaction() as writing:
            # another process may have been faster
            there = next((space for space in writing.spaces() if not second or space.name == wanted.name), None)
            return there or writing.add_space(**values)

    def use(self, name: str, *, partial: bool = False) -> Space:
        """Search that space from now on, in every process. Raises SpaceNotFound, UsageError (it lacks items)."""
        with self._catalogue.transaction() as writing:
            space = find_space(writing.spaces(), name)
            lacking = writing.count_lacking(space.id)
            if lacking and not partial:
                raise UsageError(
                    f"the space {name!r} lacks the vectors of {lacking} items, which would no longer be found; fill it "
                    f"first (nearkin add --embedder {space.embedder}), or take it as it is (--partial)"
                )
            writing.set_current(space.id)
        self.view()
        return space

    def drop(self, name: str) -> None:
        """Remove a space with its vectors and files. Raises SpaceNotFound, UsageError (the current one)."""
        with self._catalogue.transaction() as writing:
            space = find_space(writing.spaces(), name)
            if space.current:
                raise UsageError(f"the space {name!r} is the one that is searched; use another one first")
            writing.drop_space(space.id)
        if self._given == space.embedder:  # what this collection was opened with is gone, as it was asked
            self._given = None
        self._views.pop(space.id, None)
        shutil.rmtree(self._catalogue.folder / "spaces" / str(space.id), ignore_errors=True)

    # ---- after writing

    def start_run(self, view: View, **options: Any) -> Run:
        """A run of the pipeline into that space."""
        embedder = self.embedder(view.space)
        size = self._config.batch or embedder.batch_size
        limits, workers = self._config.limits, self._config.cores
        return Run(
            self._catalogue,
            view.space,
            embedder,
            limits,
            workers,
            size,
            recorded=lambda: self.settle(False),
            web=bool(self._config.web),
            isolated=self.find_isolation(),
            **options,
        )

    def isolate(self) -> None:
        """Decode in processes of their own from now on, whatever the settings say."""
        self._config = replace(self._config, isolated=1)

    def find_isolation(self) -> DecoderPool | None:
        """The processes that decode; None: pictures are decoded here."""
        with self._starting:
            if self._config.isolated and self._isolated is None:
                self._isolated = DecoderPool(self._config.limits, self._config.cores, self._config.seconds)
        return self._isolated

    def settle(self, catch_up: bool = True, *, patient: bool = True) -> None:
        """After a write: indices follow at once, the others with `catch_up` (`patient`: but those for which it is not
        yet worth while); files are saved when they are due."""
        self._wrote = True
        for view in self.views:
            view.followers.advance(include_slow=False)
            if catch_up:
                view.followers.record(let_wait=patient)
            self._save_if_due(view)

    def _save_if_due(self, view: View) -> None:
        late = time.monotonic() - self._saved > self._config.save_seconds
        if late or view.followers.count_unsaved() >= self._config.save_changes:
            view.followers.save()
            self._saved = time.monotonic()

    def close(self) -> None:
        """Save what is behind, and end the processes that decode."""
        if self._isolated:
            self._isolated.close()
        for view in self.views:
            if self._wrote or view.followers.repairs:
                view.followers.save()


def make_index(config: Config, dimension: int, metric: Metric) -> VectorIndex:
    """An empty index. One that does not take a distance is made for the Euclidean one, by which it finds candidates;
    those are scored in the distance itself."""
    kind: type[VectorIndex] = plugins.load("nearkin.vectors", config.index)
    distance = metric not in PRODUCT_METRICS and not kind.supports_metric(metric)
    return kind(dimension, "l2" if distance else metric, **config.index_settings)


def find_space(there: list[Space], name: str) -> Space:
    """Raises SpaceNotFound."""
    for space in there:
        if space.name == name:
            return space
    raise SpaceNotFound(f"there is no space {name!r}; there are: {', '.join(space.name for space in there) or 'none'}")
