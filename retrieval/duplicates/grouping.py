"""Groups of duplicates from stored pairs: which items belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b

from indexers.catalogue.duplicates import Decision, PairRow
from indexers.errors import BadQuery
from indexers.followers.evidence import DUPLICATE_KINDS
from indexers.types import ItemRow
from retrieval.duplicates.keeping import explain_choice, rank_to_keep
from retrieval.records.duplicates import DuplicateGroup, Pair

RULES = ("kept", "every pair", "connected")


def build_groups(
    pairs: Sequence[PairRow],
    rows: Mapping[int, ItemRow],
    decisions: Sequence[Decision],
    *,
    rule: str = "kept",
    prefer: str | None = None,
    are_apart: Callable[[int, int], bool] = lambda a, b: False,
) -> list[DuplicateGroup]:
    """Group verified duplicates, the largest group first.

    are_apart: two items that are in no group together, whatever a third one is a duplicate of, as shots of one burst.

    "kept": every member is a verified duplicate of the one to keep, so that no picture is lost to a chain of
    likenesses. "every pair": of each other member, too. "connected": chains count. Two pictures about which a person
    has decided are in no group together. The groups depend on contents alone, not on the order of ids.
    """
    if rule not in RULES:
        raise BadQuery(f"there is no rule {rule!r}; there are: {', '.join(RULES)}")
    decided = {frozenset((decision.first, decision.second)) for decision in decisions}
    links: dict[int, dict[int, PairRow]] = {}
    for pair in pairs:
        if pair.a in rows and pair.b in rows and frozenset((rows[pair.a].hash, rows[pair.b].hash)) not in decided:
            links.setdefault(pair.a, {})[pair.b] = pair
            links.setdefault(pair.b, {})[pair.a] = pair
    order = sorted(links, key=lambda item_id: rank_to_keep(rows[item_id], prefer))
    rank = {item_id: place for place, item_id in enumerate(order)}
    grouped: set[int] = set()
    groups = []
    for kept in order:
        if kept in grouped:
            continue
        members = _find_members(kept, rank, links, grouped, rule)
        members = _leave_out_apart(members, rank, links, are_apart)
        if len(members) > 1:
            grouped |= set(members)
            groups.append(_build_group(members, links, rows, prefer))
    return sorted(groups, key=lambda group: (-len(group.items), group.id))


def _find_members(
    kept: int, rank: Mapping[int, int], links: Mapping[int, Mapping[int, PairRow]], grouped: set[int], rule: str
) -> list[int]:
    """Return the item to keep and its duplicates, best first."""
    near = sorted((item_id for item_id in links[kept] if item_id not in grouped), key=rank.__getitem__)
    if rule == "kept":
        return [kept, *near]
    if rule == "every pair":
        members = [kept]
        for item_id in near:
            if all(member in links[item_id] for member in members):
                members.append(item_id)
        return members
    reached, front = {kept}, [kept]
    while front:
        next_ids = [linked for item_id in front for linked in links[item_id]]
        front = [item_id for item_id in next_ids if item_id not in reached and item_id not in grouped]
        reached |= set(front)
    return sorted(reached, key=rank.__getitem__)


def _leave_out_apart(
    members: list[int],
    rank: Mapping[int, int],
    links: Mapping[int, Mapping[int, PairRow]],
    are_apart: Callable[[int, int], bool],
) -> list[int]:
    """Return the members, best first, less those that are apart from one which is surer to be a duplicate."""
    kept, *others = members
    scores = {item_id: pair.score for item_id, pair in links[kept].items()}
    together = [kept]
    for item_id in sorted(others, key=lambda item_id: (-scores.get(item_id, 0), rank[item_id])):
        if not any(member not in links[item_id] and are_apart(item_id, member) for member in together):
            together.append(item_id)
    return sorted(together, key=rank.__getitem__)


def _build_group(
    members: list[int], links: Mapping[int, Mapping[int, PairRow]], rows: Mapping[int, ItemRow], prefer: str | None
) -> DuplicateGroup:
    inside = [
        links[first][second]
        for place, first in enumerate(members)
        for second in members[place + 1 :]
        if second in links[first]
    ]
    contents = sorted(rows[item_id].hash or str(item_id).encode() for item_id in members)
    weakest = min(inside, key=lambda pair: (pair.score, pair.a, pair.b))
    complete = len(inside) == len(members) * (len(members) - 1) // 2
    return DuplicateGroup(
        id=hash_contents(contents),
        kind=DUPLICATE_KINDS[max(DUPLICATE_KINDS.index(pair.kind) for pair in inside)],
        items=tuple(members),
        keep=members[0],
        reason=explain_choice(rows[members[0]], [rows[item_id] for item_id in members[1:]], prefer),
        pairs=tuple(Pair(*pair) for pair in inside),
        weakest=weakest.score,
        weakest_pair=(weakest.a, weakest.b),
        diameter=round(1 - weakest.score, 4) if complete else 1.0,
        path=() if complete else _find_path(members, links),
    )


def _find_path(members: list[int], links: Mapping[int, Mapping[int, PairRow]]) -> tuple[int, ...]:
    """Return the shortest path from the first member to the one farthest from it; of several to the last."""
    came_from: dict[int, int] = {members[0]: members[0]}
    front = [members[0]]
    while front:
        reached = [member for item_id in front for member in members if member in links[item_id]]
        reached = [member for member in dict.fromkeys(reached) if member not in came_from]
        for member in reached:
            came_from[member] = next(item_id for item_id in front if member in links[item_id])
        front = reached
    path = [list(came_from)[-1]]
    while path[-1] != members[0]:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))


def group_repeated_files(rows: Iterable[ItemRow]) -> list[DuplicateGroup]:
    """Return a group for each item that lies in more than one place: the same bytes, which need no proof."""
    groups = []
    for row in rows:
        group_id = hash_contents([b"bytes", row.hash or b""])
        groups.append(DuplicateGroup(group_id, "same bytes", (row.id,), row.id, "one item in several places", (), 1.0))
    return sorted(groups, key=lambda group: group.id)


def hash_contents(contents: Iterable[bytes]) -> int:
    """Return the id of a group, from the hashes of its contents."""
    return int.from_bytes(blake2b(b"".join(contents), digest_size=6).digest(), "big")
