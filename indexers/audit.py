"""The audit of a collection: compare catalogue, followers and disk, report what disagrees, rebuild derived files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from indexers.arrays import split_chunks
from indexers.catalogue import full_text
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import flatten_metadata
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import CatalogueDamaged, PictureError
from indexers.followers.base import Followers
from indexers.followers.stored import VectorFollower
from indexers.followers.tree import TreeFollower
from indexers.pictures.addresses import is_remote, is_web
from indexers.pictures.images import hash_content
from indexers.pictures.remote import read_uri
from indexers.pictures.scan import to_path
from indexers.types import Ids, Json, Limits

BLOCK = 5000
"""Items that are looked at in one step."""
PICTURES = 100
"""Items whose files are read in one step."""
SHOWN = 5
"""Files that a problem names."""
UNLIMITED = Limits(max_pixels=2**62, max_bytes=2**62)
LEAST_RECALL = 0.95
"""A neighbour graph in a sample of which less is right has to be made again; any history leaves .99 or more."""
PROBES = 200
"""Vectors that are searched for by themselves."""


@dataclass(slots=True)
class Findings:
    """What was checked, the problems found, and what was repaired."""

    checked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    unrepairable: list[str] = field(default_factory=list)
    """Problems that only a person can solve."""

    @property
    def is_repaired(self) -> bool:
        return bool(self.problems) and not self.unrepairable and bool(self.repaired)


def verify_collection(
    catalogue: Catalogue,
    spaces: Sequence[Followers],
    *,
    repair: bool = False,
    pictures: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Findings:
    """Run all checks. With `repair`, wrong rows of filters are written again and wrong followers are rebuilt.

    pictures: read every picture's file as well. progress: called with the number of items whose files were read, and of
    all.
    """
    findings = Findings()
    _check_database(catalogue, findings)
    if findings.problems:
        findings.unrepairable += findings.problems
        return findings
    try:
        _check_metadata(catalogue, findings, repair)
    except CatalogueDamaged as error:
        findings.problems.append(f"database: {error}")
        findings.unrepairable.append(findings.problems[-1])
        return findings
    _check_vectors(catalogue, findings)
    if findings.unrepairable:  # followers would only repeat the damage
        return findings
    for followers in spaces:
        _check_followers(followers, findings, repair)
    if pictures:
        _check_pictures(catalogue, findings, progress or (lambda *_: None))
    return findings


def _check_pictures(catalogue: Catalogue, findings: Findings, progress: Callable[[int, int], object]) -> None:
    """Read the file of every picture from its disk: it is there, can be read, and has the bytes that were added."""
    faults: dict[str, list[str]] = {"missing": [], "changed": [], "unreadable": []}
    checked = vanished = skipped = 0
    with catalogue.snapshot() as snapshot:
        ids = snapshot.ids().tolist()
    for start in range(0, len(ids), PICTURES):
        with catalogue.snapshot() as snapshot:  # not one for all: reading a disk takes hours
            rows = snapshot.items(ids[start : start + PICTURES])
        for row in rows:
            if row.hash is None:  # a ready-made vector, whose place may be anything
                continue
            vanished += row.missing
            for uri in () if row.missing else row.uris:
                fault = _find_fault(uri, row.hash)
                checked, skipped = checked + 1, skipped + (fault == "skipped")
                if fault in faults:
                    faults[fault].append(uri)
        progress(min(start + PICTURES, len(ids)), len(ids))
    notes = [f"{skipped} on the web were not fetched"] if skipped else []
    notes += [f"{vanished} items are known to have vanished"] if vanished else []
    findings.checked.append(", ".join([f"the files of the pictures ({checked})", *notes]))
    for fault, uris in faults.items():
        if uris:
            some = ", ".join(uris[:SHOWN]) + (f" and {len(uris) - SHOWN} more" if len(uris) > SHOWN else "")
            findings.problems.append(f"pictures: {len(uris)} files are {fault}: {some}")
            findings.unrepairable.append(findings.problems[-1])


def _find_fault(uri: str, digest: bytes) -> str:
    """Return "missing", "changed" or "unreadable" for a file that is not what was added; "" for one that is."""
    if is_remote(uri) and is_web(uri):
        return "skipped"
    if not is_remote(uri) and not os.path.lexists(to_path(uri)):
        return "missing"
    try:
        return "" if hash_content(read_uri(uri, UNLIMITED)) == digest else "changed"
    except FileNotFoundError:
        return "missing"
    except (PictureError, OSError):
        return "unreadable"


def _check_database(catalogue: Catalogue, findings: Findings) -> None:
    findings.checked.append("the database file (integrity and references)")
    findings.problems += [f"database: {fault}" for fault in catalogue.find_faults()]


def _check_metadata(catalogue: Catalogue, findings: Findings, repair: bool) -> None:
    findings.checked.append("the rows that filters and text search read, against the metadata")
    with catalogue.snapshot() as snapshot:
        wrong = [item_id for ids in _split_ids(snapshot) for item_id in _find_wrong_rows(snapshot, ids)]
    if not wrong:
        return
    findings.problems.append(
        f"filters: the rows of {len(wrong)} items differ from their metadata (the first is {wrong[0]})"
    )
    if repair:
        with catalogue.transaction() as writing:
            writing.reindex(wrong)
        findings.repaired.append(f"filters: wrote the rows of {len(wrong)} items again")


def _find_wrong_rows(snapshot: Snapshot, item_ids: Sequence[int]) -> list[int]:
    attributes, words = snapshot.attributes(item_ids), snapshot.indexed_words(item_ids)
    seen = snapshot.texts_in_pictures(item_ids)
    return [
        row.id
        for row in snapshot.items(item_ids)
        if attributes.get(row.id, set()) != _build_attributes(row.metadata)
        or words.get(row.id, ("", "", "")) != full_text.describe_item(row, seen.get(row.id, "")).columns
    ]


def _build_attributes(metadata: Json) -> set[tuple[object, ...]]:
    return {(row["key"], row["element"], row["number"], row["text"], row["flag"]) for row in flatten_metadata(metadata)}


def _check_vectors(catalogue: Catalogue, findings: Findings) -> None:
    """Check that each vector is complete, finite, and of its space's dimension."""
    findings.checked.append("every vector")
    with catalogue.snapshot() as snapshot:
        for space in (*snapshot.spaces(), *snapshot.part_spaces()):
            broken = snapshot.misshapen_vectors(space.id, space.dimension)
            owners = [change.item_id for change in snapshot.changes(0, space.id)]
            for ids in () if broken else split_chunks(owners, BLOCK):
                stored_ids, vectors = snapshot.vectors(space.id, ids)
                broken += stored_ids[~np.isfinite(vectors).all(axis=1)].tolist() if len(stored_ids) else []
            if broken:
                problem = f"vectors: {len(broken)} of space {space.name!r} are damaged (the first is item {broken[0]})"
                findings.problems.append(problem)
                findings.unrepairable.append(problem)


def _check_followers(followers: Followers, findings: Findings, repair: bool) -> None:
    """Check that each follower holds exactly the vectors that the catalogue holds, and finds them."""
    name = followers.members[0].space.name
    findings.checked.append(f"derived files of the space {name!r} against the catalogue")
    followers.load_stored()
    problems = followers.find_damage()
    damaged = {problem.split(":")[0] for problem in problems}  # and perhaps mapped into memory: not to be touched
    with followers.current_snapshot() as snapshot:
        for follower in followers.members:
            if isinstance(follower, VectorFollower) and follower.name not in damaged:
                problems += [f"{follower.name}: {problem}" for problem in _compare(follower, snapshot)]
    if not damaged:  # trees read the other followers
        for tree in [follower for follower in followers.members if isinstance(follower, TreeFollower)]:
            with followers.complete_snapshot() as snapshot:
                problems += [f"tree: {problem}" for problem in tree.find_contradictions(snapshot)]
                recall = tree.measure_recall()
            findings.checked.append(f"the neighbour graph of the space {name!r} ({recall:.2%} of a sample are right)")
            if recall < LEAST_RECALL:
                problems.append(f"tree: of the neighbours in its graph, {recall:.1%} of a sample are right")
    findings.problems += problems
    if problems and repair:
        followers.rebuild()
        findings.repaired.append(f"derived files of the space {name!r}: rebuilt from the catalogue")


def _compare(follower: VectorFollower[Any], snapshot: Snapshot) -> list[str]:
    expected = np.array([change.item_id for change in snapshot.changes(0, follower.space.id)], np.int64)
    actual = follower.index.ids()
    missing, removed = np.setdiff1d(expected, actual), np.setdiff1d(actual, expected)
    problems = []
    if len(missing):
        problems.append(f"lacks {len(missing)} vectors (the first is of item {missing[0]})")
    if len(removed):
        problems.append(f"still holds {len(removed)} removed vectors (the first is of item {removed[0]})")
    return problems or _probe(follower, expected, snapshot)


def _probe(follower: VectorFollower[Any], item_ids: Ids, snapshot: Snapshot) -> list[str]:
    """Search for some vectors, each of which has to find itself or an equal one."""
    probes = item_ids
    if len(item_ids):
        probes = np.random.default_rng(0).choice(item_ids, min(PROBES, len(item_ids)), replace=False)
    ids, vectors = snapshot.vectors(follower.space.id, np.sort(probes))
    if not len(ids):
        return []
    queries = follower.index.prepare(vectors)
    best = follower.index.search(queries, 1)
    squares = (queries * queries).sum(axis=1)
    is_product = follower.space.metric in ("cosine", "ip")
    itself, size = (squares, squares) if is_product else (np.zeros(len(ids)), np.sqrt(squares))
    error = 1e-3 if follower.index.exact_scores else 2e-2
    lost = int((best.scores[:, 0] < itself - error * np.maximum(1, size)).sum())
    limit = 0 if follower.name == "flat" else max(2, len(ids) // 50)  # an approximate index may miss a few
    return [f"{lost} of {len(ids)} vectors do not find themselves"] if lost > limit else []


def _split_ids(snapshot: Snapshot) -> list[Sequence[int]]:
    return list(split_chunks(snapshot.ids().tolist(), BLOCK))
