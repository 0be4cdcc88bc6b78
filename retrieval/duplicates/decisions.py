"""What people decide about duplicates: rows of the catalogue, by content, so that they outlive rescans and models."""

from __future__ import annotations

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import UsageError
from retrieval.checks import ItemName
from retrieval.records.duplicates import DuplicateGroup


class DuplicateDecisions:
    """Records and undoes decisions. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def keep(self, group: DuplicateGroup, name: ItemName) -> tuple[int, ...]:
        """Keep one item of a group. Return the ids of the decisions. Raises UsageError for an item of no such group."""
        with self._catalogue.transaction() as transaction:
            kept = transaction.resolve([name])[0]
            if kept not in group.items:
                raise UsageError(f"the item {name!r} is not in the group; its items are {list(group.items)}")
            contents = _read_contents(transaction, group.items)
            return tuple(
                transaction.duplicates.decide("keep", contents[kept], contents[item_id])
                for item_id in group.items
                if item_id != kept and contents[item_id] != contents[kept]
            )

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
            transaction.corrections.undo(decision_id, transaction.current_space_id, transaction.number)


def _read_contents(snapshot: Snapshot, item_ids: tuple[int, ...]) -> dict[int, bytes]:
    contents = snapshot.duplicates.content_hashes(item_ids)
    for item_id in item_ids:
        if item_id not in contents:
            raise UsageError(f"the item {item_id} is a ready-made vector; decisions need pictures")
    return contents
