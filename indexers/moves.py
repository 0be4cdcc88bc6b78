"""Files that were renamed or moved: what a run has to know of them before it records what it found."""

from __future__ import annotations

import os
from collections.abc import Sequence

from indexers.catalogue.places import Place
from indexers.catalogue.snapshot import Snapshot
from indexers.pictures.scan import is_lost, to_path
from indexers.types import Arrival, FoundFile


def find_renamed(snapshot: Snapshot, files: Sequence[FoundFile]) -> list[str]:
    """Return the URIs of those of these changed files whose former files are now among them under other names.

    Only items with keys of their own are asked about: to them another picture in the place of their file is an edit.
    """
    by_inode = {file.inode: file for file in files}
    renamed = []
    for place in _select_own(snapshot.places.find([file.uri for file in files])):
        file = by_inode.get(place.inode or 0)
        if file and file.uri != place.uri and place.holds(file):
            renamed.append(place.uri)
    return renamed


def find_vanished(snapshot: Snapshot, arrivals: Sequence[Arrival]) -> list[str]:
    """Return the URIs of files that no longer exist, and whose content arrives somewhere else: they were moved.

    Only what items with keys of their own may follow is asked about, since other items are known by their content.
    """
    files = {arrival.uri: arrival.hash for arrival in arrivals if arrival.uri and arrival.hash and not arrival.key}
    places = snapshot.places.find(files, [digest for digest in files.values() if digest])
    overwritten = {files[place.uri] for place in _select_own(places) if place.uri in files}
    followed = [place for place in places if not place.is_missing and (place.has_own_key or place.hash in overwritten)]
    paths = {place.uri: to_path(place.uri) for place in followed if place.uri not in files}
    return [uri for uri, path in paths.items() if os.path.isabs(path) and is_lost(path)]


def _select_own(places: Sequence[Place]) -> list[Place]:
    return [place for place in places if place.has_own_key and not place.is_missing]
