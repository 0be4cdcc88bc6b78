"""What people say of clusters, in an export and out of one: by the keys of items, as ids differ in each collection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from indexers.arrays import split_chunks
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.errors import UsageError
from indexers.types import CORRECTION_KINDS, LEVELS, CorrectionKind, Json

MARK = "nearkin.corrections"
"""The key in Parquet's metadata that holds corrections, as JSON; in NumPy's archive an array without the dot."""
ELSEWHERE = -1
"""The id of a hidden cluster that another collection had: its items say what is hidden."""
_LEAST_GROUPS = {"merge": 2, "split": 2, "move": 2, "apart": 2, "together": 1, "hide": 1}


def describe_corrections(snapshot: Snapshot, ids: Sequence[int]) -> str:
    """Return the corrections that hold, as far as they are about these items, as JSON for an export of them."""
    rows = snapshot.corrections.rows()
    named = {item_id for row in rows for group in row.groups for item_id in group}.intersection(ids)
    keys = {item.id: item.key for part in split_chunks(sorted(named)) for item in snapshot.items(part)}
    described = []
    for row in rows:
        groups = [[keys[item_id] for item_id in group if item_id in keys] for group in row.groups]
        described.append({"kind": row.kind, "level": row.level, "groups": groups})
    return json.dumps([row for row in described if _has_items(row["kind"], row["groups"])], ensure_ascii=False)


def _has_items(kind: Any, groups: Sequence[Sequence[Any]]) -> bool:
    """Return True if what is left of a correction says anything."""
    filled = [group for group in groups if group]
    return len(filled) >= _LEAST_GROUPS[kind] and (kind != "together" or len(filled[0]) > 1)


def parse_corrections(text: str | bytes | None) -> list[Json]:
    """Read what `describe_corrections` wrote; nothing for None. Raises UsageError for anything else."""
    rows = json.loads(text) if text else []
    if not isinstance(rows, list) or not all(map(_is_sound, rows)):
        raise UsageError("it was exported by another program: its corrections of clusters are none")
    return rows


def _is_sound(row: Any) -> bool:
    if not isinstance(row, dict) or row.get("kind") not in CORRECTION_KINDS or row.get("level") not in LEVELS:
        return False
    kind, groups = row["kind"], row.get("groups")
    if not isinstance(groups, list) or not all(isinstance(group, list) for group in groups):
        return False
    is_counted = len(groups) >= 2 if kind == "split" else len(groups) == _LEAST_GROUPS[kind]
    return is_counted and all(isinstance(key, str) for key in chain.from_iterable(groups))


def list_named(corrections: Sequence[Json]) -> set[str]:
    """Return the keys of the items that corrections are about."""
    return {key for row in corrections for group in row["groups"] for key in group}


def enter_corrections(writing: Transaction, corrections: Sequence[Json], ids: Mapping[str, int], space_id: int) -> None:
    """Enter the corrections of an export, unless the same hold already. ids: by key, of the items that have come."""
    known = {(row.kind, row.level, _to_comparable(row.groups)) for row in writing.corrections.rows()}
    for row in corrections:
        kind: CorrectionKind = row["kind"]
        groups = [[ids[key] for key in group if key in ids] for group in row["groups"]]
        if kind == "split":
            groups = [group for group in groups if group]
        entry = (kind, row["level"], _to_comparable(groups))
        if entry in known or not _has_items(kind, groups):
            continue
        known.add(entry)
        writing.corrections.add(kind, row["level"], groups, [ELSEWHERE] if kind == "hide" else [], space_id)


def _to_comparable(groups: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(sorted(group)) for group in groups)
