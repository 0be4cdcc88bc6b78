"""Reading, updating and removing the items of a collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from indexers.arrays import split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import check_metadata, is_text
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import UsageError
from indexers.types import Failure, ItemRow, Json, Vectors
from retrieval.checks import MOST, ItemName, check_whole, list_names
from retrieval.filters import parse_filter
from retrieval.items.trash import Trash
from retrieval.records.items import Item, Page
from retrieval.spaces.spaces import Spaces


class Items:
    """The items of a collection. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, trash: Trash) -> None:
        self._catalogue, self._spaces, self._trash = catalogue, spaces, trash

    def read(self, names: Iterable[ItemName]) -> list[Item]:
        """Return the items of these ids, keys or paths, in that order. Raises ItemNotFound."""
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.items(snapshot.resolve(list(names)))
            return list(build_items(snapshot, rows, snapshot.current_space_id))

    def read_vectors(self, names: Iterable[ItemName], space: str | None) -> dict[int, Vectors]:
        """Return the stored vectors by item id; items without a vector are left out. Raises ItemNotFound."""
        view = self._spaces.view(space)
        with self._catalogue.snapshot() as snapshot:
            item_ids = snapshot.resolve(names)
            ids, rows = snapshot.vectors(view.space.id, item_ids) if view else ((), ())
        return dict(zip(map(int, ids), rows, strict=True))

    def read_page(
        self, where: Mapping[str, Any] | None, cursor: int | None, limit: int, page: int | None = None
    ) -> Page:
        """Return a page of the items that match a filter, in order of id: after a cursor, or by its number."""
        if limit < 1:
            raise UsageError(f"limit is the number of items on a page, at least 1; got {limit!r}")
        limit = min(limit, MOST)
        if page is not None and cursor is not None:
            raise UsageError(f"items takes page= or cursor=; got page={page!r} and cursor={cursor!r}")
        with self._catalogue.snapshot() as snapshot:
            if page is not None and check_whole(page, "page is") > 1:
                item_ids = snapshot.ids(parse_filter(where))[: (page - 1) * limit]
                cursor = int(item_ids[-1]) if len(item_ids) else None
                if len(item_ids) < (page - 1) * limit:
                    return Page((), None, snapshot.number)
            rows = snapshot.page(parse_filter(where), cursor or 0, limit + 1)
            last = rows[limit - 1].id if len(rows) > limit else None
            items = build_items(snapshot, rows[:limit], snapshot.current_space_id)
            return Page(items, last, snapshot.number)

    def walk(self, where: Mapping[str, Any] | None, size: int = 500) -> Iterator[Item]:
        """Yield every item that matches a filter, in order of id, a page at a time. Raises BadFilter at once."""
        parse_filter(where)
        return self._walk(where, size)

    def _walk(self, where: Mapping[str, Any] | None, size: int) -> Iterator[Item]:
        cursor: int | None = 0
        while cursor is not None:
            page = self.read_page(where, cursor, size)
            yield from page.items
            cursor = page.cursor

    def count(self, where: Mapping[str, Any] | None) -> int:
        """Return the number of items that match a filter."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.count(parse_filter(where))

    def read_failures(self) -> list[Failure]:
        """Return what could not be read, newest first."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.failures()

    def update(self, name: ItemName, metadata: Mapping[str, Any] | None, text: str | None, replace: bool) -> Item:
        """Merge metadata into an item's, or replace it, and set its text. Raises ItemNotFound."""
        checked = check_metadata(metadata or {})
        if text is not None and not is_text(text):
            raise UsageError(f"{text!r} is not text that UTF-8 can carry")
        with self._catalogue.transaction() as transaction:
            item_id = transaction.resolve([name])[0]
            transaction.update(item_id, checked, replace=replace, text=text)
        self._spaces.settle()
        return self.read([item_id])[0]

    def update_all(
        self,
        metadata: Mapping[str, Any],
        where: Mapping[str, Any],
        extend: Mapping[str, Any] | None = None,
        reduce: Mapping[str, Any] | None = None,
    ) -> int:
        """Merge metadata into every item that matches a filter, in one transaction. Return their number.

        extend, reduce: lists whose values the lists under these keys gain or lose.
        """
        checked, gained, lost = (check_metadata(values or {}) for values in (metadata, extend, reduce))
        _check_lists(gained | lost, checked)
        with self._catalogue.transaction() as transaction:
            item_ids = transaction.ids(parse_filter(where)).tolist()
            for chunk in split_chunks(item_ids):
                rows = {row.id: row.metadata for row in transaction.items(chunk)} if gained or lost else {}
                for item_id in chunk:
                    lists = _change_lists(rows[item_id], gained, lost) if item_id in rows else {}
                    transaction.update(item_id, checked | lists)
        self._spaces.settle()
        return len(item_ids)

    def remove(self, names: ItemName | Iterable[ItemName] | None, where: Mapping[str, Any] | None, purge: bool) -> int:
        """Remove items by name, by filter, or those of the names that match the filter. Return their number.

        purge: delete them for good.
        """
        if names is None and where is None:
            raise UsageError("remove takes items, where= or both; to remove everything: where={}")
        chosen = None if names is None else list_names(names)
        with self._catalogue.transaction() as transaction:
            matching = transaction.ids(parse_filter(where)).tolist() if where is not None else None
            named = transaction.resolve(chosen) if chosen is not None else None
            if matching is None or named is None:
                item_ids = named if matching is None else matching
            else:
                item_ids = sorted(set(named) & set(matching))
            removed = transaction.remove(item_ids or [], keep=True)
        self._spaces.settle()
        if item_ids and purge:
            self._trash.empty(item_ids)
        elif item_ids and not self._trash.days:
            self._trash.forget(item_ids)
        self._trash.empty_expired()
        return removed


def _check_lists(lists: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Raise UsageError unless all values are lists of keys that are not set as well."""
    for key, value in lists.items():
        if not isinstance(value, list):
            raise UsageError(f"extend and reduce take lists, such as {{{key!r}: [...]}}; got {value!r}")
        if key in metadata:
            raise UsageError(f"{key!r} is set by metadata already; leave it out of extend and reduce")


def _change_lists(metadata: Mapping[str, Any], gained: Json, lost: Json) -> Json:
    """Return the lists of an item's metadata that change. What is no list counts as a list of one value."""
    changed: Json = {}
    for key in {**gained, **lost}:
        value = metadata.get(key)
        before = value if isinstance(value, list) else [] if value is None else [value]
        after = [part for part in before if part not in lost.get(key, ())]
        after += [part for part in gained.get(key, ()) if part not in after]
        if after != before:
            changed[key] = after
    return changed


def build_items(snapshot: Snapshot, rows: Sequence[ItemRow], space_id: int | None) -> tuple[Item, ...]:
    """Return the records of rows, each with its clusters in a space; None: there is no space yet."""
    item_ids = [row.id for row in rows]
    cluster_ids = {} if space_id is None else snapshot.clusters.cluster_ids(space_id, item_ids)
    seen = snapshot.texts_in_pictures(item_ids)
    return tuple(Item.of(row, tuple(filter(None, cluster_ids.get(row.id, ()))), seen.get(row.id)) for row in rows)
