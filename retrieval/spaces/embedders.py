"""The embedders of a collection: those that its user names, and those that its database names.

An embedder may load a file. Whoever has made a collection, or a file that is imported, could name any file of whoever
opens it, and one of theirs that lies beside it. So such a name is believed only if the user has given it, or in a
collection of one's own.
"""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from typing import Any

from indexers import plugins
from indexers.catalogue.catalogue import Catalogue
from indexers.embedders.base import Embedder, revive_embedder
from indexers.embedders.weights import is_file_name
from indexers.errors import BadQuery, BadSetting, NearkinError, UsageError
from indexers.types import Space
from retrieval.spaces.choices import check_made_by
from retrieval.spaces.embedder_names import find_own_space, name_of

DEFAULT = "lite0"
GROUP = "nearkin.embedders"


class Embedders:
    """The embedders of a collection, each made when it is first needed.

    requested: what the collection was opened with. initial: what it was created with, before it had a space.
    """

    def __init__(self, catalogue: Catalogue, device: str, embedder: str | Embedder | None) -> None:
        self._catalogue, self._device = catalogue, device
        self._loaded = {embedder.name: embedder} if isinstance(embedder, Embedder) else {}
        self._requested = None if embedder is None else name_of(embedder)
        with catalogue.snapshot() as snapshot:
            self._initial: str | None = snapshot.setting("embedder")
            self.check_requested(snapshot.spaces())

    def check_requested(self, spaces: list[Space]) -> None:
        """Raise BadSetting if the requested embedder is none of those that the collection has."""
        names = [space.embedder for space in spaces]  # without a space, it can take any embedder
        if self._requested is None or not names or self._requested in names:
            return
        instance = self._loaded.get(self._requested)
        if own := find_own_space(instance or self._requested, spaces):
            self._requested = name = str(own.embedder)
            self._loaded |= {name: instance} if instance else {}
            return
        if names == [None]:
            raise BadSetting(
                f"this collection holds ready-made vectors and has no embedder; {self._requested!r} can't fill it"
            )
        raise BadSetting(
            f"this collection was made with the embedder {', '.join(map(repr, names))}, not {self._requested!r}; "
            f"leave embedder= out, or fill a second space: `nearkin add --embedder {self._requested}`, Collection.fill"
        )

    @property
    def chosen(self) -> str | None:
        """The name of the first space's embedder, if one was chosen."""
        return self._requested or self._initial

    def take(self, embedder: Embedder, name: str) -> None:
        """Use an embedder of the user's from now on, for the space whose embedder has that name."""
        self._loaded[name] = embedder

    def forget(self, space: Space) -> None:
        """Note that the space is gone, and with it, as it was asked, what this collection was opened with."""
        if self._requested == space.embedder:
            self._requested = None

    def find(self, space: Space) -> Embedder:
        """Return the embedder of a space.

        Raises UnknownPlugin, MissingPackage, BadQuery (ready-made vectors), BadSetting (other weights, or a file that a
        stranger has named).
        """
        if space.embedder is None:
            raise BadQuery(
                "this collection holds ready-made vectors and has no embedder, so it can't take pictures or "
                "words; search with vector= or item=, add with add_vectors"
            )
        embedder = self._load_stored(space.embedder, space)
        check_made_by(embedder, space)
        return embedder

    def reads_words(self, space: Space) -> bool:
        """Return True if the embedder has a text tower; no weights are loaded to find out."""
        with suppress(NearkinError):
            return space.embedder is not None and self._load_stored(space.embedder, space).supports_text
        return False

    def load(self, name: str) -> Embedder:
        """Return the embedder of a name that the user has given."""
        if name not in self._loaded:
            self._keep(name, plugins.load_member(GROUP, name)())
        return self._loaded[name]

    def load_chosen(self) -> Embedder:
        """Return the embedder for the first space."""
        if self._requested is None and self._initial is not None:
            return self._load_stored(self._initial, None)
        return self.load(self._requested or DEFAULT)

    def _load_stored(self, name: str, space: Space | None) -> Embedder:
        """Return the embedder that the database names, with the settings of a space, if there is one already."""
        if name not in self._loaded:
            embedder = revive_embedder(name, space.settings) if space else plugins.load_member(GROUP, name)()
            self._check_files(name, space, embedder)
            self._keep(name, embedder)
        elif space and (adopted := self._loaded[name].adopt(space.settings)) is not self._loaded[name]:
            self._check_files(name, space, adopted)
            self._loaded[name] = adopted
        return self._loaded[name]

    def _keep(self, name: str, embedder: Embedder) -> None:
        embedder.device = self._device
        self._loaded[name] = embedder

    def _list_own_files(self) -> list[str]:
        """Return the files of the embedder that the user has chosen."""
        name = self._requested or (self._initial if self._catalogue.is_own() else None)
        if name is None:
            return []
        # one that is made for this is not kept: a space may hold other settings of the same name
        return _list_files((self._loaded.get(name) or plugins.load_member(GROUP, name)()).settings)

    def _check_files(self, name: str, space: Space | None, embedder: Embedder) -> None:
        """Check the files that an embedder would load which is made from what the database says. Raises BadSetting.

        A path has to be whole, as every space of ours keeps it: any other leads beside the collection, wherever that
        lies.
        """
        files = _list_files(embedder.settings)
        strange = [] if not files or self._catalogue.is_own() else sorted({*files} - {*self._list_own_files()})
        if strange:
            folder = shlex.quote(str(self._catalogue.folder))
            raise BadSetting(
                f"the embedder {name!r} of this collection would load {strange[0]}, and a collection that somebody "
                "else, or an older nearkin, has made is not believed in this. Search with vector= or item=, or trust "
                f"whoever made it: nearkin trust {folder}"
            )
        for path in files:
            if space and os.path.isabs(path) and path not in space.settings.values():
                raise BadSetting(
                    f"the embedder {name!r} of this collection would load {path}, and its database does not hold "
                    "this whole path, as one written by nearkin does: fill another space with that file, if it is yours"
                )

    def takes_over(self, origin: Space) -> bool:
        """Return True if the first space is to be like that of an imported file.

        Raises UsageError if it names files that the user has not named.
        """
        if self.chosen not in (None, origin.embedder):
            return False
        files = _list_files([(origin.embedder or "").partition(":")[2], origin.settings])
        strange = sorted({*files} - {*self._list_own_files()}) if files else []
        if strange:
            raise UsageError(
                f"these vectors were made by the embedder {origin.embedder!r}, which loads {strange[0]}; what a file "
                "from elsewhere names is not loaded. If that path is yours, name it yourself: Collection.open(..., "
                f"embedder={origin.embedder!r}), nearkin import --embedder {shlex.quote(origin.embedder or '')}"
            )
        return True


def _list_files(settings: Any) -> list[str]:
    """Return those values in the settings of an embedder, however deep, that are meant as paths."""
    if isinstance(settings, dict | list):
        values = settings.values() if isinstance(settings, dict) else settings
        return [path for value in values for path in _list_files(value)]
    return [settings] if isinstance(settings, str) and is_file_name(settings) else []
