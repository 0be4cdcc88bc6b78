"""Compare catalogue, followers and disk; say what does not agree; mend what is derived when told to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from indexers.catalogue import full_text as words
from indexers.catalogue import metadata as attributes
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.followers.base import Followers
from indexers.followers.stored import VectorFollower
from indexers.followers.tree import TreeFollower
from indexers.types import Json

BLOCK = 5000
PROBES = 200


@dataclass(slots=True)
class Findings:
    """What was looked at, what was wrong, what was mended."""

    checked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    beyond: list[str] = field(default_factory=list)
    """Problems that only a person can mend."""

    @property
    def mended(self) -> bool:
        return bool(self.problems) and not self.beyond and bool(self.repaired)


def verify(catalogue: Catalogue, spaces: Sequence[Followers], *, repair: bool = False) -> Findings:
    """All checks. With `repair`, filters' rows are written again and followers are rebuilt where they are wrong."""
    found = Findings()
    _database(catalogue, found)
    if found.problems:
        found.beyond += found.problems
        return found
    _metadata(catalogue, found, repair)
    _vectors(catalogue, found)
    if found.beyond:  # followers could only carry the damage on
        return found
    for followers in spaces:
        _followers(followers, found, repair)
    return found


def _database(catalogue: Catalogue, found: Findings) -> None:
    found.checked.append("the database file (integrity and references)")
    found.problems += [f"database: {one}" for one in catalogue.check()]


def _metadata(catalogue: Catalogue, found: Findings, repair: bool) -> None:
    found.checked.append("what filters and searches for words read, against the metadata")
    with catalogue.snapshot() as snapshot:
        wrong = [one for ids in _blocks(snapshot) for one in _undescribed(snapshot, ids)]
    if not wrong:
        return
    found.problems.append(
        f"filters: the rows of {len(wrong)} items differ from their metadata (the first is {wrong[0]})"
    )
    if repair:
        with catalogue.transaction() as writing:
            writing.reindex(wrong)
        found.repaired.append(f"filters: wrote the rows of {len(wrong)} items again")


def _undescribed(snapshot: Snapshot, ids: list[int]) -> list[int]:
    stored, said = snapshot.attributes(ids), snapshot.indexed_texts(ids)
    return [
        row.id
        for row in snapshot.items(ids)
        if stored.get(row.id, set()) != _described(row.metadata)
        or said.get(row.id, "") != words.build_text(row.text, row.metadata)
    ]


def _described(metadata: Json) -> set[tuple[object, ...]]:
    return {
        (row["key"], row["element"], row["number"], row["text"], row["flag"])
        for row in attributes.flatten_metadata(metadata)
    }


def _vectors(catalogue: Catalogue, found: Findings) -> None:
    """Each vector whole, finite, of its space's dimension."""
    found.checked.append("every vector")
    with catalogue.snapshot() as snapshot:
        for space in snapshot.spaces():
            broken = snapshot.misshapen_vectors(space.id, space.dimension)
            for ids in () if broken else _blocks(snapshot):
                there, vectors = snapshot.vectors(space.id, ids)
                broken += there[~np.isfinite(vectors).all(axis=1)].tolist() if len(there) else []
            if broken:
                what = f"vectors: {len(broken)} of space {space.name!r} are damaged (the first is item {broken[0]})"
                found.problems.append(what)
                found.beyond.append(what)


def _followers(followers: Followers, found: Findings, repair: bool) -> None:
    """Each follower holds just the vectors that the catalogue holds, and finds them."""
    name = followers.members[0].space.name
    found.checked.append(f"derived files of the space {name!r} against the catalogue")
    followers.load_stored()
    wrong = followers.find_damage()
    damaged = {one.split(":")[0] for one in wrong}  # and perhaps mapped into memory: not to be touched
    with followers.current_snapshot() as snapshot:
        for follower in followers.members:
            if isinstance(follower, VectorFollower) and follower.name not in damaged:
                wrong += [f"{follower.name}: {one}" for one in _compare(follower, snapshot)]
    trees = (
        [one for one in followers.members if isinstance(one, TreeFollower)] if not damaged else []
    )  # they read the others
    for tree in trees:
        with followers.complete_snapshot() as snapshot:
            wrong += [f"tree: {one}" for one in tree.find_contradictions(snapshot)]
    found.problems += wrong
    if wrong and repair:
        followers.rebuild()
        found.repaired.append(f"derived files of the space {name!r}: rebuilt from the catalogue")


def _compare(follower: VectorFollower[Any], snapshot: Snapshot) -> list[str]:
    want = np.array([one.item_id for one in snapshot.changes(0, follower.space.id)], np.int64)
    have = follower.index.ids()
    problems = []
    for what, ids in (("lacks", np.setdiff1d(want, have)), ("holds what was removed:", np.setdiff1d(have, want))):
        if len(ids):
            problems.append(f"{what} {len(ids)} vectors (the first is of item {ids[0]})")
    return problems or _probe(follower, want, snapshot)


def _probe(follower: VectorFollower[Any], ids: np.ndarray, snapshot: Snapshot) -> list[str]:
    """Some vectors have to find themselves, or an equal one."""
    some = np.random.default_rng(0).choice(ids, min(PROBES, len(ids)), replace=False) if len(ids) else ids
    there, vectors = snapshot.vectors(follower.space.id, np.sort(some))
    if not len(there):
        return []
    queries = follower.index.prepare(vectors)
    best = follower.index.search(queries, 1)
    size = (queries * queries).sum(axis=1)
    itself, size = (size, size) if follower.space.metric in ("cosine", "ip") else (np.zeros(len(there)), np.sqrt(size))
    error = 1e-3 if follower.index.exact_scores else 2e-2
    lost = int((best.scores[:, 0] < itself - error * np.maximum(1, size)).sum())
    limit = 0 if follower.name == "flat" else max(2, len(there) // 50)  # an approximate index may miss a few
    return [f"{lost} of {len(there)} vectors do not find themselves"] if lost > limit else []


def _blocks(snapshot: Snapshot) -> list[list[int]]:
    ids = snapshot.ids().tolist()
    return [ids[start : start + BLOCK] for start in range(0, len(ids), BLOCK)]
