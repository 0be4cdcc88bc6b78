"""Copies, from stored evidence: groups, what to keep and why, and what a person has decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from indexers.catalogue.duplicates import Decision, PairRow
from indexers.errors import BadQuery
from indexers.followers.evidence import DUPLICATE_KINDS
from indexers.types import ItemRow
from retrieval.records.duplicates import DuplicateGroup, Pair

RULES = ("kept", "every pair", "connected")
LOSSLESS = ("PNG", "TIFF", "BMP", "PSD")
"""Formats whose bytes are all picture; of the others more bytes mean that less was thrown away."""

REASONS = (
    "preferred",
    "most pixels",
    "a format that loses nothing",
    "most bytes",
    "most metadata",
    "earliest date",
    "shortest path",
    "first path",
    "first hash",
)
"""What decides, in the order of `worth`."""


def worth(row: ItemRow, prefer: str | None = None) -> tuple[Any, ...]:
    """The order of what to keep, best first: what is preferred (a format, a folder, or "oldest"), then more pixels, a
    format that throws nothing away, more bytes, more metadata, the earlier date, the shorter path; the hash decides
    what is left, so that the order is always the same."""
    uri = min(row.uris, key=lambda one: (len(one), one), default="")  # whichever of its places came first
    date = row.taken_at or "~"
    first: Any = 0
    if prefer == "oldest":
        first = date
    elif prefer:
        first = not (str(row.format or "").lower() == prefer.lower() or uri.startswith(prefer))
    pixels = (row.width or 0) * (row.height or 0)
    said = len(row.metadata) + (row.text is not None)
    lossless = row.format in LOSSLESS
    best = -pixels, not lossless, 0 if lossless else -(row.bytes or 0), -said, date, len(uri), uri
    return first, *best, row.hash or b""


def reason(best: ItemRow, others: Iterable[ItemRow], prefer: str | None = None) -> str:
    """Why that one is to be kept, in words: the first thing in which it beats all the others."""
    mine = worth(best, prefer)
    return REASONS[max((_parting(mine, worth(one, prefer)) for one in others), default=8)]


def _parting(one: tuple[Any, ...], other: tuple[Any, ...]) -> int:
    """The first place in which they differ."""
    return next((place for place, (x, y) in enumerate(zip(one, other, strict=True)) if x != y), 8)


def groups(
    pairs: Sequence[PairRow],
    rows: Mapping[int, ItemRow],
    decisions: Sequence[Decision],
    *,
    rule: str = "kept",
    prefer: str | None = None,
) -> list[DuplicateGroup]:
    """Group verified copies.

    "kept": every member is a verified copy of the one that is to be kept, so that nobody loses a picture to a chain of
    likenesses. "every pair": of each other one, too. "connected": chains count. What a person has decided about two
    pictures is settled: they are in no group together. The answer depends on contents alone, not on the order of ids.
    """
    if rule not in RULES:
        raise BadQuery(f"there is no rule {rule!r}; there are: {', '.join(RULES)}")
    settled = {frozenset((one.first, one.second)) for one in decisions}
    links: dict[int, dict[int, PairRow]] = {}
    for pair in pairs:
        if pair.a in rows and pair.b in rows and frozenset((rows[pair.a].hash, rows[pair.b].hash)) not in settled:
            links.setdefault(pair.a, {})[pair.b] = pair
            links.setdefault(pair.b, {})[pair.a] = pair
    order = sorted(links, key=lambda one: worth(rows[one], prefer))
    rank = {one: place for place, one in enumerate(order)}
    taken: set[int] = set()
    found = []
    for best in order:
        if best in taken:
            continue
        members = _members(best, rank, links, taken, rule)
        if len(members) > 1:
            taken |= set(members)
            found.append(_group(members, links, rows, prefer))
    return sorted(found, key=lambda one: (-len(one.items), one.id))


def _members(
    best: int, rank: Mapping[int, int], links: Mapping[int, Mapping[int, PairRow]], taken: set[int], rule: str
) -> list[int]:
    """The one to keep and its copies, in order of worth."""
    near = sorted((one for one in links[best] if one not in taken), key=rank.__getitem__)
    if rule == "kept":
        return [best, *near]
    if rule == "every pair":
        members = [best]
        for one in near:
            if all(other in links[one] for other in members):
                members.append(one)
        return members
    reached, front = {best}, [best]
    while front:
        front = [two for one in front for two in links[one] if two not in reached and two not in taken]
        reached |= set(front)
    return sorted(reached, key=rank.__getitem__)


def _group(
    members: list[int], links: Mapping[int, Mapping[int, PairRow]], rows: Mapping[int, ItemRow], prefer: str | None
) -> DuplicateGroup:
    inside = [links[one][two] for place, one in enumerate(members) for two in members[place + 1 :] if two in links[one]]
    contents = sorted(rows[one].hash or str(one).encode() for one in members)
    number = int.from_bytes(blake2b(b"".join(contents), digest_size=6).digest(), "big")
    kind = DUPLICATE_KINDS[max(DUPLICATE_KINDS.index(one.kind) for one in inside)]
    why = reason(rows[members[0]], [rows[one] for one in members[1:]], prefer)
    weakest = min(inside, key=lambda one: (one.score, one.a, one.b))
    complete = len(inside) == len(members) * (len(members) - 1) // 2
    return DuplicateGroup(
        number,
        kind,
        tuple(members),
        members[0],
        why,
        tuple(Pair(*one) for one in inside),
        weakest.score,
        (weakest.a, weakest.b),
        round(1 - weakest.score, 4) if complete else 1.0,
        () if complete else _path(members, links),
    )


def _path(members: list[int], links: Mapping[int, Mapping[int, PairRow]]) -> tuple[int, ...]:
    """The shortest way to the member that is farthest from the first one; of several to the last."""
    came: dict[int, int] = {members[0]: members[0]}
    front = [members[0]]
    while front:
        reached = [two for one in front for two in members if two in links[one] and two not in came]
        came |= {two: next(one for one in front if two in links[one]) for two in reached}
        front = list(dict.fromkeys(reached)) or front[:0]
    path = [list(came)[-1]]
    while path[-1] != members[0]:
        path.append(came[path[-1]])
    return tuple(reversed(path))


def in_several_places(rows: Iterable[ItemRow]) -> list[DuplicateGroup]:
    """Items that lie in more than one place: the same bytes each time, which need no proof."""
    found = []
    for row in rows:
        number = int.from_bytes(blake2b(b"bytes" + (row.hash or b""), digest_size=6).digest(), "big")
        found.append(DuplicateGroup(number, "same bytes", (row.id,), row.id, "one item in several places", (), 1.0))
    return sorted(found, key=lambda one: one.id)
