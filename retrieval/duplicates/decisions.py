"""What people decide about duplicates: rows of the catalogue, by content, so that they outlive rescans and models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.errors import UsageError
from indexers.types import ItemRow
from retrieval.checks import ItemName
from retrieval.duplicates.merging import Rules, build_merging, check_keys, check_rules, plan_merge
from retrieval.records.duplicates import DuplicateGroup, Merge


class DuplicateDecisions:
    """Records and undoes decisions. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def keep(self, group: DuplicateGroup, name: ItemName, merge: bool | Rules) -> tuple[int, ...]:
        """Keep one item of a group. Return the ids of the decisions; with `merge` of the one that undoes all of it.

        Raises UsageError for an item of no such group, and where a person has to choose what is merged.
        """
        with self._catalogue.transaction() as transaction:
            kept = transaction.resolve([name])[0]
            if kept not in group.items:
                raise UsageError(f"the item {name!r} is not in the group; its items are {list(group.items)}")
            contents = _read_contents(transaction, group.items)
            decide = transaction.duplicates.decide
            decisions = tuple(
                decide("keep", contents[kept], contents[item_id])
                for item_id in group.items
                if item_id != kept and contents[item_id] != contents[kept]
            )
            if merge is False:
                return decisions
            (plan,) = plan_merges(transaction, [replace(group, keep=kept)], merge) or (Merge(kept, (), ()),)
            return (transaction.merges.add(build_merging(plan, contents[kept], decisions)),)

    def plan(self, groups: Sequence[DuplicateGroup], merge: bool | Rules) -> tuple[Merge, ...]:
        """Return what the item that is kept of each group would take over. Raises UsageError, ItemNotFound."""
        with self._catalogue.snapshot() as snapshot:
            return plan_merges(snapshot, groups, merge)

    def decide(self, verdict: str, a: ItemName, b: ItemName) -> int:
        """Record a verdict about two items. Return the decision's id. Raises UsageError if they are one picture."""
        with self._catalogue.transaction() as transaction:
            first, second = transaction.resolve([a, b])
            contents = _read_contents(transaction, (first, second))
            if contents[first] == contents[second]:
                raise UsageError(f"{a!r} and {b!r} have the same content")
            return transaction.duplicates.decide(verdict, contents[first], contents[second])

    def undo(self, decision_id: int) -> None:
        """Take a decision back. Raises UsageError."""
        with self._catalogue.transaction() as transaction:
            if not transaction.duplicates.undo(decision_id):
                raise UsageError(f"there is no decision {decision_id!r} to undo")
            space_id = find_corrected_space(transaction, decision_id)
            transaction.corrections.undo(decision_id, space_id, transaction.number)
            transaction.merges.undo(decision_id)


def find_corrected_space(snapshot: Snapshot, decision_id: int) -> int | None:
    """Return the space whose clusters a correction is about: the current one, or that of parts beside it."""
    kind = snapshot.corrections.find_kind(snapshot.corrections.groups(decision_id))
    current = next((space for space in snapshot.spaces() if space.current), None)
    of_parts = snapshot.part_spaces(current) if current and kind else []
    return next((space.id for space in of_parts if space.parts == kind), snapshot.current_space_id)


def plan_merges(snapshot: Snapshot, groups: Iterable[DuplicateGroup], merge: bool | Rules) -> tuple[Merge, ...]:
    """Return what the item that is kept of each group takes over, by rules; True: by the usual ones.

    Groups of one item have nothing to merge. Raises UsageError, ItemNotFound.
    """
    groups, rules = [group for group in groups if len(group.items) > 1], check_rules(merge)
    members = [_read_members(snapshot, group) for group in groups]
    check_keys(rules, members)
    return tuple(plan_merge(kept, others, rules) for kept, *others in members)


def merge_group(transaction: Transaction, group: DuplicateGroup, rules: Rules, moves: str) -> None:
    """Let the item that is kept of a group take over what the others say; it belongs to the moves of that name."""
    kept, *others = _read_members(transaction, group)
    merging = build_merging(plan_merge(kept, others, rules), kept.hash or b"")
    transaction.merges.add(merging, moves)


def _read_members(snapshot: Snapshot, group: DuplicateGroup) -> list[ItemRow]:
    """Return the items of a group, the one that is kept first."""
    others = [item_id for item_id in group.items if item_id != group.keep]
    return snapshot.items(snapshot.resolve([group.keep, *others]))


def _read_contents(snapshot: Snapshot, item_ids: tuple[int, ...]) -> dict[int, bytes]:
    contents = snapshot.duplicates.content_hashes(item_ids)
    for item_id in item_ids:
        if item_id not in contents:
            raise UsageError(f"the item {item_id} is a ready-made vector; decisions need pictures")
    return contents
