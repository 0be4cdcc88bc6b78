"""The spaces of a collection: which one is searched, which embedder fills it, which followers it has."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

from numpy.typing import ArrayLike
from PIL import Image

from indexers.arrays import scale_to_unit
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.links import check_links
from indexers.embedders.base import Embedder
from indexers.errors import NearkinError, UsageError
from indexers.followers.base import Followers
from indexers.followers.chances import ChanceFollower
from indexers.followers.clusterings import ClusteringFollower
from indexers.followers.partitions import PartitionFollower
from indexers.followers.stored import FlatFollower, IndexFollower
from indexers.followers.tree import TreeFollower
from indexers.naming.namer import ClusterNamer
from indexers.naming.vocabulary import embed_vocabulary
from indexers.pictures.isolation import DecoderPool
from indexers.pipeline import Run
from indexers.types import Limits, Space, Vectors
from indexers.vectors.base import check_vectors
from indexers.vectors.exact import Exact
from indexers.vectors.metrics import parse_metric
from retrieval.config import Config
from retrieval.records.reports import SpaceInfo
from retrieval.spaces import choices
from retrieval.spaces.embedder_names import check_name, find_own_space, name_of
from retrieval.spaces.embedders import Embedders
from retrieval.spaces.part_owners import PartOwners
from retrieval.spaces.view import View

READY_MADE = "vectors"
WORDS = 256
"""Words whose scores tell how near a text is to a picture by chance."""


class Spaces:
    """The views of a collection's spaces, each opened when it is first used.

    An embedder is loaded when it is first needed: a collection whose embedder is not installed here can still be
    searched by item and by vector.
    """

    def __init__(self, catalogue: Catalogue, config: Config, embedder: str | Embedder | None) -> None:
        self._catalogue, self._config = catalogue, config
        self._views: dict[int, View] = {}
        self._current: int | None = None
        self._saved = time.monotonic()
        self._wrote = False
        self._isolated: DecoderPool | None = None
        self._starting = Lock()
        self._process = os.getpid()
        self._embedders = Embedders(catalogue, config.device, embedder)

    # ---- views

    def view(self, name: str | None = None) -> View | None:
        """Return the current space, or the one of that name; None if there is no space yet. Raises SpaceNotFound."""
        with self._catalogue.snapshot() as snapshot:
            spaces = snapshot.spaces()
        self._embedders.check_requested(spaces)
        if name is not None:
            return self._use_view(choices.find_space(spaces, name))
        self._current = next((space.id for space in spaces if space.current), None)
        return next((self._use_view(space) for space in spaces if space.current), None)

    def view_parts(self, view: View, kind: str) -> View:
        """Return the space of parts of a kind beside a space of items. Raises what `find_part_space` raises."""
        with self._catalogue.snapshot() as snapshot:
            space = choices.find_part_space(snapshot.part_spaces(view.space), view.space, kind)
        of_parts = self._use_view(space)
        of_parts.items_space_id = view.space.id
        return of_parts

    def view_all(self) -> list[View]:
        """Return all spaces, those of parts too."""
        self.view()
        with self._catalogue.snapshot() as snapshot:
            return [self._use_view(space) for space in (*snapshot.spaces(), *snapshot.part_spaces())]

    @property
    def current(self) -> View | None:
        """The space that was current when last read: a search notices if it no longer is."""
        view = self._views.get(self._current) if self._current is not None else None
        return view or self.view()

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
        """Open a space with its followers, brought to the newest change."""
        folder = self._catalogue.folder / "spaces" / str(space.id)
        check_links(self._catalogue.folder, [folder / name for name in ("flat", "index", "tree")])
        identity, config = self._catalogue.identity, self._config
        private = self._catalogue.find_private_folder(space.id)

        def empty() -> Exact:
            return Exact(space.dimension, space.metric)

        flat = FlatFollower(space, empty, "exact", folder / "flat", identity, private=private / "flat")
        index: IndexFollower | None = None
        if config.index != "exact":  # the flat file is the exact index itself

            def fresh() -> Any:
                made = choices.make_index(config, space.dimension, space.metric)
                made.attach(config.index_url or self._catalogue.server_url, f"nearkin_{identity[:16]}_{space.id}")
                made.bind(lambda: flat.index)
                return made

            index = choices.make_index_follower(config, space, fresh, folder / "index", identity, private / "index")

        def load_vocabulary() -> tuple[Sequence[str], Vectors] | None:
            return self._load_words(space, folder / "vocabulary.npz") if self._names_clusters(space) else None

        names = ClusterNamer(load_vocabulary, lambda: flat.index, space.parts is not None)
        tree = None
        if config.clusters:
            tree = TreeFollower(space, flat, index, folder / "tree", identity, names, private / "tree")
        partitions = PartitionFollower(space, flat) if config.clusters else None
        named = ClusteringFollower(space, flat, names)

        def load_word_vectors() -> Vectors | None:
            words = self._load_words(space, folder / "words.npz", WORDS)
            return scale_to_unit(words[1]) if words and len(words[0]) else None

        chances = ChanceFollower(space, flat, load_word_vectors)
        members = (flat, index, tree, partitions, named, chances)
        followers = Followers(self._catalogue, [member for member in members if member])
        followers.open()
        self._wrote |= followers.rebuild_outgrown()  # where another index has served until now
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
            load_words=load_word_vectors,
            owners=None if space.parts is None else PartOwners(),
        )

    def _names_clusters(self, space: Space) -> bool:
        """Return True if the words that the embedder of a space reads are sure enough to name clusters by."""
        with suppress(NearkinError):
            return space.embedder is not None and self.embedder(space).names_clusters
        return False

    def _load_words(self, space: Space, path: Path, count: int | None = None) -> tuple[Sequence[str], Vectors] | None:
        """Return the words of the vocabulary, or some, and their vectors, embedded once and kept in a file; None if the
        embedder reads none or is unavailable."""
        with suppress(NearkinError):
            if self.reads_words(space):
                return embed_vocabulary(self.embedder(space), path, count)
        return None

    # ---- embedders

    def embedder(self, space: Space) -> Embedder:
        """Return the embedder of a space. Raises what `Embedders.find` raises."""
        return self._embedders.find(space)

    def reads_words(self, space: Space) -> bool:
        """Return True if the embedder of a space has a text tower; no weights are loaded to find out."""
        return self._embedders.reads_words(space)

    # ---- spaces to write into

    def open_for_pictures(self, *, only_vectors: bool = False) -> View:
        """Return the current space for pictures, created if it is the first and its embedder can embed here."""
        view = self.view()
        if view is None:
            embedder = self._embedders.load_chosen()
            if not only_vectors:
                embedder.embed([Image.new("RGB", (8, 8))])
            view = self._use_view(self._create(embedder.name, embedder, embedder.dimension))
        self.embedder(view.space)  # raises what is in the way before anything is read
        return view

    def open_for_vectors(self, vectors: ArrayLike) -> View:
        """Return the current space for vectors; the first one is the requested embedder's, or has no embedder."""
        view = self.view()
        if view is not None:
            return view
        if self._embedders.chosen:
            return self.open_for_pictures(only_vectors=True)
        return self._use_view(self._create(READY_MADE, None, check_vectors(vectors).shape[1]))

    def find_text_embedder(self) -> Embedder:
        """Return the embedder for texts."""
        return self.embedder(self.open_for_pictures().space)

    def open_for_import(self, vectors: Vectors, origin: Space | None) -> View:
        """Return the current space, for vectors of the space `origin` of another collection (None: unknown).

        The first space is created like `origin`, unless another embedder was requested. Raises UsageError if the
        vectors were made with other weights.
        """
        if origin is None:
            return self.open_for_vectors(vectors)
        view = self.view()
        if view is None and self._embedders.takes_over(origin):
            view = self._use_view(self._insert(replace(origin, name=origin.embedder or READY_MADE)))
        view = view or self.open_for_vectors(vectors)
        choices.check_same_weights(origin, view.space)
        return view

    def foresee_import(self, vectors: Vectors, origin: Space | None, foreseen: Space | None = None) -> Space:
        """Return the space that `open_for_import` would open, without creating any; `foreseen`: for files before.

        Raises UsageError if the vectors were made with other weights, BadVector if they are no vectors.
        """
        view, chosen = self.view(), self._embedders.chosen
        space = view.space if view else foreseen
        if space is None and origin is not None and self._embedders.takes_over(origin):
            space = origin
        if space is None and chosen:
            embedder = self._embedders.load_chosen()
            metric = parse_metric(embedder.metric)
            space = Space(0, chosen, embedder.name, {}, embedder.fingerprint(), embedder.dimension, metric, False)
        elif space is None:
            dimension, metric = check_vectors(vectors).shape[1], parse_metric(self._config.metric)
            space = Space(0, READY_MADE, None, {}, "", dimension, metric, False)
        if origin is not None:
            choices.check_same_weights(origin, space)
        if space.id == 0 or space is origin:
            choices.make_index(self._config, space.dimension, space.metric)  # what no index takes is told now
        return space

    def open_second(self, embedder: str | Embedder) -> View:
        """Return the space of that embedder, created beside the others if there is none."""
        name = name_of(embedder)
        check_name(embedder)
        with self._catalogue.snapshot() as snapshot:
            space = find_own_space(embedder, snapshot.spaces())
        if isinstance(embedder, Embedder):
            self._embedders.take(embedder, str(space.embedder) if space else name)
        if space is None:
            loaded = self._embedders.load(name)
            space = self._create(loaded.name, loaded, loaded.dimension, second=True)
        self.embedder(space)
        return self._use_view(space)

    def _create(self, name: str, embedder: Embedder | None, dimension: int, second: bool = False) -> Space:
        metric = parse_metric(embedder.metric if embedder else self._config.metric)
        settings, fingerprint = (embedder.settings, embedder.fingerprint()) if embedder else ({}, "")
        embedder_name = embedder.name if embedder else None
        return self._insert(Space(0, name, embedder_name, settings, fingerprint, dimension, metric, False), second)

    def _insert(self, space: Space, second: bool = False) -> Space:
        # if the index takes no such thing, nothing is written yet
        choices.make_index(self._config, space.dimension, space.metric)
        values = {name: value for name, value in asdict(space).items() if name not in ("id", "current", "parts")}
        with self._catalogue.transaction() as transaction:
            # another process may have been faster
            existing = next((row for row in transaction.spaces() if not second or row.name == space.name), None)
            return existing or transaction.add_space(**values)

    def use(self, name: str, *, partial: bool = False) -> Space:
        """Search that space from now on, in every process. Raises SpaceNotFound, UsageError (it lacks items)."""
        with self._catalogue.transaction() as transaction:
            space = choices.find_space(transaction.spaces(), name)
            lacking = transaction.count_unembedded(space.id)
            if lacking and not partial:
                raise UsageError(
                    f"the space {name!r} lacks the vectors of {lacking} items, so searches would not find them; fill "
                    f"it first (nearkin add --embedder {space.embedder}), or switch all the same (--partial)"
                )
            transaction.set_current(space.id)
        self.view()
        return space

    def drop(self, name: str) -> None:
        """Remove a space with its vectors and files. Raises SpaceNotFound, UsageError (the current one)."""
        with self._catalogue.transaction() as transaction:
            space = choices.find_space(transaction.spaces(), name)
            if space.current:
                raise UsageError(f"the space {name!r} is the current one; switch to another space first")
            dropped = [space, *transaction.part_spaces(space)]
            transaction.drop_space(space.id)
        self._embedders.forget(space)
        for space in dropped:
            self._views.pop(space.id, None)
            shutil.rmtree(self._catalogue.folder / "spaces" / str(space.id), ignore_errors=True)

    # ---- after writing

    def start_run(self, view: View, **options: Any) -> Run:
        """Return a run of the pipeline into that space."""
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
            allow_web=bool(self._config.web),
            decoders=self.find_isolation(),
            **{"on_recorded": lambda: self.settle(False), **options},
        )

    def isolate(self) -> None:
        """Decode pictures in processes of their own from now on, whatever the settings say."""
        self._config = replace(self._config, isolated=1)

    def find_isolation(self) -> DecoderPool | None:
        """Return the processes that decode; None if pictures are decoded in this one."""
        with self._starting:
            if self._config.isolated and self._isolated is None:
                self._isolated = DecoderPool(self._config.limits, self._config.cores, self._config.seconds)
        return self._isolated

    def settle(self, catch_up: bool = True, *, patient: bool = True) -> None:
        """Bring followers forward after a write, and save files that are due.

        Indexes follow at once, the others with `catch_up`; `patient`: except those for which it is not worth it yet.
        """
        self._wrote = True
        for view in self.views:
            view.followers.advance(include_slow=False)
            if catch_up:
                view.followers.record(let_wait=patient)
                view.followers.rebuild_outgrown()
            self._save_if_due(view)

    def erase_removed(self) -> None:
        """Leave nothing of removed items in memory and in stored files, of every space."""
        for view in self.view_all():
            view.followers.advance()
            view.followers.erase_removed()

    def _save_if_due(self, view: View) -> None:
        late = time.monotonic() - self._saved > self._config.save_seconds
        if late or view.followers.count_unsaved() >= self._config.save_changes:
            view.followers.save()
            self._saved = time.monotonic()

    def close(self) -> None:
        """Save what is behind."""
        for view in self.views:
            if self._wrote or view.followers.repairs:
                view.followers.save()

    def release(self) -> None:
        """Release every file and all memory, and end the processes that decode; a later call opens them again."""
        if os.getpid() == self._process:  # else they are the parent's
            views, self._views, self._current = self.views, {}, None
            for view in views:
                view.release()
            isolated, self._isolated = self._isolated, None
            if isolated:
                isolated.close()
