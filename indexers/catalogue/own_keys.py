"""Items with keys of their own, and the files that they follow.

A picture without a key is known by its content. An item with a key of its own is whatever its file shows: it follows
the file when that is edited and, known by its content, when it is renamed or moved. A copy of the file is not one of
its files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from indexers.catalogue.file_metadata import TAKEN
from indexers.catalogue.file_writer import FileWriter
from indexers.catalogue.places import Place
from indexers.catalogue.schema import item, vector
from indexers.catalogue.snapshot import Snapshot
from indexers.types import Arrival, PictureFacts


class FileOwners:
    """Tells to which items with keys of their own the files of a batch belong."""

    def __init__(self, snapshot: Snapshot, arrivals: Sequence[Arrival]) -> None:
        files = [arrival for arrival in arrivals if arrival.uri and arrival.hash]
        uris = [arrival.uri or "" for arrival in files]
        self._unreadable = snapshot.earlier_failures(uris)
        self._by_uri: dict[str, list[Place]] = {}
        self._by_hash: dict[bytes, list[Place]] = {}
        for place in snapshot.places.find(uris, [arrival.hash or b"" for arrival in files if arrival.key is None]):
            self._by_uri.setdefault(place.uri, []).append(place)
            self._by_hash.setdefault(place.hash, []).append(place)
        self._taken: set[str] = set()

    @property
    def is_known(self) -> bool:
        """Whether any of the files, or its content, was seen before."""
        return bool(self._by_uri)

    def find(self, arrival: Arrival) -> list[Place]:
        """Return the places of the items, other than that of the arrival's own key, whose picture the file is now.

        In this order: the items that have the file, if it shows what it showed; those that had it and whose picture
        it shows again; those that have lost a file of that content, which was moved; those that have the file, which
        was edited. None of them if it is a picture without a key that was moved.
        """
        if not arrival.hash:
            return []
        places = [place for place in self._by_uri.get(arrival.uri or "", []) if place.has_own_key]
        having = [place for place in places if not place.is_missing or place.uri in self._unreadable]
        if arrival.key is not None:
            return [place for place in having if place.key != arrival.key]
        if any(place.hash == arrival.hash for place in having):
            return having
        returned = [place for place in places if place.hash == arrival.hash]
        lost = self._find_lost(arrival)
        moved = returned or self._take_lost(arrival, [place for place in lost if place.has_own_key])
        return moved or ([] if lost else having)

    def _find_lost(self, arrival: Arrival) -> list[Place]:
        """Return the places of the items with the content of an arrival all of whose files have vanished."""
        places = self._by_hash.get(arrival.hash or b"", [])
        present = {place.key for place in places if not place.is_missing}
        return [place for place in places if place.key not in present and place.uri not in self._taken]

    def _take_lost(self, arrival: Arrival, lost: Sequence[Place]) -> list[Place]:
        """Return those of these places that were one file: the one that is most likely to have become the arrival's."""
        if not lost:
            return []
        name = posixpath.basename(arrival.uri or "")

        def rate(place: Place) -> tuple[bool, bool]:
            return bool(arrival.file and place.holds(arrival.file)), posixpath.basename(place.uri) == name

        file = max(lost, key=rate).uri
        self._taken.add(file)
        return [place for place in lost if place.uri == file]


class OwnKeyWriter(FileWriter):
    """A snapshot that addresses the content of files to items with keys of their own."""

    def _address_own_keys(self, arrivals: Sequence[Arrival], space_id: int | None) -> tuple[list[int], list[Arrival]]:
        """Address the content of a file to every item with a key of its own whose picture it is.

        Return the place of each arrival among the addressed ones, and these. A file without a key that belongs to no
        such item goes to the item of its content.
        """
        owners = FileOwners(self, arrivals)
        if owners.is_known:
            self._demand_alone()  # what becomes of files that are known depends on what others do with them
        numbers: list[int] = []
        addressed: list[Arrival] = []
        for arrival in arrivals:
            places = owners.find(arrival)
            numbers.append(len(addressed))
            if arrival.key or not places:
                addressed.append(arrival)
            facts = self._find_facts(arrival) if places else None
            for place in places:
                if arrival.key is None or place.hash != arrival.hash:
                    metadata = arrival.metadata if arrival.key is None else {}
                    text = arrival.text if arrival.key is None else None
                    vector = self._find_vector(arrival, space_id)
                    own = replace(arrival, key=place.key, metadata=metadata, text=text, vector=vector, facts=facts)
                    addressed.append(own)
        return numbers, addressed

    def _find_vector(self, arrival: Arrival, space_id: int | None) -> Any:
        """Return the vector of an arrival, or that of an item with the same content in the space; None if none has."""
        if arrival.vector is not None or space_id is None or arrival.hash is None:
            return arrival.vector
        same = sa.select(item.c.id).where(item.c.hash == arrival.hash)
        query = sa.select(vector.c.data).where(vector.c.space == space_id, vector.c.item.in_(same)).limit(1)
        content = next(iter(self._scalars(query)), None)
        return None if content is None else np.frombuffer(content, "<f4")

    def _find_facts(self, arrival: Arrival) -> PictureFacts | None:
        """Return the facts of an arrival, or of an item with the same content; None if they are not known."""
        if arrival.facts is not None:
            return arrival.facts
        columns = item.c.id, item.c.width, item.c.height, item.c.format
        for row in self._all(
            sa.select(*columns).where(item.c.hash == arrival.hash, item.c.width.is_not(None)).limit(1)
        ):
            embedded = self.files.load([row.id])[row.id].embedded
            said = {key: value for key, value in embedded.items() if key != TAKEN}
            return PictureFacts(row.width, row.height, row.format, embedded.get(TAKEN), description=said)
        return None
