"""Items whose file has the same bytes as a picture: duplicates that need no proof, and that no comparison may doubt."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from indexers.errors import PictureError
from indexers.followers.evidence import PART_KINDS
from indexers.matching.verification import Verdict
from indexers.pictures.images import hash_content, read_file, to_path
from indexers.types import Limits
from retrieval.records.duplicates import Match

IDENTICAL = Verdict("same picture", 1.0, overlap=1.0, agreement=1.0)
"""What is known of two files with the same bytes."""


class Named(Protocol):
    """An item, or its row."""

    @property
    def id(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def uris(self) -> tuple[str, ...]: ...


def hash_source(picture: Any, limits: Limits) -> bytes | None:
    """Return the content hash of a picture that is given as the bytes of a file, or as its path; else None."""
    if isinstance(picture, bytes):
        return hash_content(picture)
    if not isinstance(picture, str | os.PathLike):
        return None
    try:
        return hash_content(read_file(to_path(os.path.expanduser(os.fspath(picture))), limits))
    except PictureError:
        return None


def mark_identical(matches: Iterable[Match], items: Iterable[Named]) -> tuple[Match, ...]:
    """Return matches, the surest first and parts last, with the items of the same bytes, however they compare."""
    by_id = {match.item: match for match in matches}
    for item in items:
        uri = item.uris[0] if item.uris else None
        match = by_id.get(item.id) or Match(item.id, item.key, uri, "", 0.0, IDENTICAL.to_dict())
        by_id[item.id] = replace(match, kind="same bytes", score=1.0, evidence=match.evidence | {"score": 1.0})

    def rank(match: Match) -> tuple[bool, float, bool, int]:
        return match.kind in PART_KINDS, -match.score, match.kind != "same bytes", match.item

    return tuple(sorted(by_id.values(), key=rank))
