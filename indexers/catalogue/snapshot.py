"""All that can be read of one moment of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from indexers.arrays import split_chunks
from indexers.catalogue import dialects, full_text
from indexers.catalogue.conditions import Condition, select_ids
from indexers.catalogue.expressions import list_ids
from indexers.catalogue.item_names import resolve_names
from indexers.catalogue.lookup import find_ids, is_short
from indexers.catalogue.metadata import INTEGER_LIMIT, is_storable
from indexers.catalogue.rows import ITEM_COLUMNS, format_time, to_hit_row, to_item_row
from indexers.catalogue.schema import (
    attribute,
    failure,
    item,
    location,
    member,
    vector,
)
from indexers.catalogue.space_reader import SpaceReader
from indexers.types import Failure, HitRow, Ids, ItemRow, KnownLocation, UnembeddedItem

# the statements of the search path are built once: building one costs more than running it
_item_ids: sa.BindParameter[Any] = sa.bindparam("item_ids", expanding=True)
_listed_ids = list_ids(sa.bindparam("listed_ids", type_=sa.String))  # no list that is written out anew


def _select_first_location(value: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    """Return a select of what an item's first location has, one whose file is there before those that have vanished."""
    of_item = sa.select(value).where(location.c.item == item.c.id)
    return of_item.order_by(location.c.missing_since.is_not(None), location.c.id).limit(1).scalar_subquery()


# one search for both: a digit that says whether the file has vanished, then its URI
_marked_uri = sa.case((location.c.missing_since.is_(None), "0"), else_="1") + location.c.uri
_HITS = sa.select(item.c.id, item.c.key, _select_first_location(_marked_uri), item.c.metadata, item.c.text).where(
    item.c.id.in_(sa.select(_listed_ids.c.value))
)
_ITEMS = sa.select(*(item.c[name] for name in ITEM_COLUMNS)).where(item.c.id.in_(sa.select(_listed_ids.c.value)))
_LOCATIONS = (
    sa.select(location.c.item, location.c.uri, location.c.missing_since)
    .where(location.c.item.in_(sa.select(_listed_ids.c.value)))
    .order_by(location.c.id)
)
_IN_SPACE = sa.and_(member.c.item == item.c.id, member.c.space == sa.bindparam("space"))
_HITS_WITH_CLUSTERS = _HITS.add_columns(member.c.coarse, member.c.medium, member.c.fine).select_from(
    item.outerjoin(member, _IN_SPACE)
)


class Snapshot(SpaceReader):
    """The catalogue as it was when the snapshot was opened. Methods that read are named by what they return.

    number: the newest change it holds.
    oldest: a follower at a position below it has to start again, since changes after that position were pruned.
    current_space_id: the space that is searched by default, if there is any.
    clusters ... chances: readers of parts of it; see the classes.
    """

    # ---- items

    def ids(self, condition: Condition | None = None) -> Ids:
        """Return the ids of the items that the condition holds for, sorted."""
        return find_ids(self._connection, condition)

    def count(self, condition: Condition | None = None) -> int:
        """Return the number of items that the condition holds for."""
        if not is_short(condition):
            return len(self.ids(condition))
        matching = (sa.select(item.c.id) if condition is None else select_ids(condition)).distinct().subquery()
        return int(self._scalars(sa.select(sa.func.count()).select_from(matching))[0])

    def page(self, condition: Condition | None, after: int, limit: int) -> list[ItemRow]:
        """Return up to `limit` items with ids above `after`, by id."""
        after = min(max(after, -1), INTEGER_LIMIT - 1)
        if not is_short(condition):
            ids = self.ids(condition)
            return self.items(ids[np.searchsorted(ids, after, "right") :][:limit].tolist())
        query = sa.select(item.c.id).where(item.c.id > after).order_by(item.c.id).limit(limit)
        if condition is not None:
            query = query.where(item.c.id.in_(select_ids(condition)))
        return self.items(self._scalars(query))

    def items(self, item_ids: Sequence[int]) -> list[ItemRow]:
        """Return these items in the order of `item_ids`, without those that don't exist."""
        listed = json.dumps([int(item_id) for item_id in item_ids if is_storable(item_id)])
        uris = self._uris(listed)
        rows = dialects.fetch_all(self._connection, _ITEMS, listed_ids=listed)
        by_id = {row[0]: to_item_row(row, uris.get(row[0], [])) for row in rows}
        return [by_id[item_id] for item_id in map(int, item_ids) if item_id in by_id]

    def _uris(self, listed_ids: str) -> dict[int, list[tuple[str, bool]]]:
        """Return the URIs of each item of a list in JSON, and whether each has vanished."""
        by_item: dict[int, list[tuple[str, bool]]] = {}
        for item_id, uri, missing_since in dialects.fetch_all(self._connection, _LOCATIONS, listed_ids=listed_ids):
            by_item.setdefault(item_id, []).append((uri, missing_since is not None))
        return by_item

    def hits(self, item_ids: Sequence[int], space_id: int | None = None) -> dict[int, HitRow]:
        """Return by id what a search shows of these items; with a space, their clusters in it too."""
        listed = json.dumps(list(item_ids))
        if space_id is None:
            rows = dialects.fetch_all(self._connection, _HITS, listed_ids=listed)
        else:
            rows = dialects.fetch_all(self._connection, _HITS_WITH_CLUSTERS, listed_ids=listed, space=space_id)
        return {row[0]: to_hit_row(row) for row in rows}

    def clusters_position(self, space_id: int) -> int | None:
        """Return the change that the clusters of a space follow; None if it has no clusters."""
        if space_id == self.current_space_id:
            return self._clusters_position
        tree_levels = self.clusters.tree_levels(space_id)
        return tree_levels.position if tree_levels else None

    def clusters_version(self, space_id: int) -> tuple[int, int] | None:
        """Return what changes with the clusters of a space, also if they are made again at the same change.

        The change that they follow, and the last event of any cluster; None if the space has no clusters.
        """
        position = self.clusters_position(space_id)
        return None if position is None else (position, self._last_event)

    def resolve(self, names: Iterable[int | str]) -> list[int]:
        """Return the ids of items that are named by id, key, URI or path, in that order.

        Raises ItemNotFound for the first that does not exist.
        """
        return resolve_names(self._connection, list(names))

    def embedded_hashes(self, keys: Sequence[str], space_id: int) -> dict[str, bytes | None]:
        """Return by key the content hashes of those items with these keys that have a vector in the space."""
        by_key: dict[str, bytes | None] = {}
        for chunk in split_chunks(keys):
            query = sa.select(item.c.key, item.c.hash).where(item.c.key.in_(chunk), _has_vector(space_id))
            by_key |= dict(self._all(query))
        return by_key

    def search_text(
        self,
        words: str,
        limit: int,
        condition: Condition | None = None,
        weights: full_text.Weights = full_text.Weights(),  # noqa: B008  it never changes
    ) -> list[tuple[int, float]]:
        """Return items (of those that the condition holds for) whose text, metadata, paths or picture hold these words.

        Pairs of id and score, best first. Raises BadQuery.
        """
        if is_short(condition):
            allowed = None if condition is None else select_ids(condition)
        else:
            allowed = full_text.select_listed(self.ids(condition))
        return full_text.search(self._connection, words, limit, allowed, weights)

    def texts_in_pictures(self, item_ids: Sequence[int]) -> dict[int, str]:
        """Return by id the text that was read in the pictures of these items, and that of their pages."""
        seen, said = self.readings.texts(item_ids), self.parts.texts(item_ids)
        return {id_: "\n".join(of[id_] for of in (seen, said) if id_ in of) for id_ in seen.keys() | said.keys()}

    def indexed_words(self, item_ids: Sequence[int]) -> dict[int, tuple[str, str, str]]:
        """Return by id what `search_text` reads of these items: the words of texts, of paths, and in pictures."""
        return {
            item_id: words
            for chunk in split_chunks(item_ids)
            for item_id, words in full_text.read_documents(self._connection, chunk).items()
        }

    # ---- locations

    def known_locations(self, uris: Sequence[str], space_id: int | None) -> dict[str, KnownLocation]:
        """Return by URI those of these locations that the catalogue holds."""
        has_vector = _has_vector(space_id, location.c.item).label("has_vector")
        by_uri: dict[str, KnownLocation] = {}
        for chunk in split_chunks(uris):
            query = sa.select(location, has_vector).where(location.c.uri.in_(chunk))
            # what was there before comes first, and gives way to what is there now
            for row in self._all(query.order_by(location.c.missing_since.is_(None), location.c.missing_since)):
                other = by_uri.get(row.uri)
                is_shared = other is not None and not other.is_missing
                by_uri[row.uri] = KnownLocation(
                    (*(other.item_ids if other and is_shared else ()), row.item),
                    row.size,
                    row.mtime_ns,
                    row.inode,
                    row.ctime_ns,
                    row.missing_since is not None,
                    bool(row.has_vector) and (other is None or not is_shared or other.has_vector),
                )
        return by_uri

    def uris_under(self, prefixes: Sequence[str]) -> list[str]:
        """Return the URIs, not marked missing, that equal one of these or begin with one and a slash, sorted."""
        uris: set[str] = set()
        for prefix in prefixes:
            low, high = prefix.rstrip("/") + "/", prefix.rstrip("/") + "0"  # 0 follows / in every encoding
            is_below = sa.and_(location.c.uri >= low, location.c.uri < high)
            query = sa.select(location.c.uri).where(sa.or_(location.c.uri == prefix, is_below))
            uris |= set(self._scalars(query.where(location.c.missing_since.is_(None))))
        return sorted(uris)

    def earlier_failures(self, uris: Sequence[str]) -> dict[str, tuple[int | None, int | None, str]]:
        """Return by URI the size, time and reason of those of these files that could not be read before."""
        columns = failure.c.uri, failure.c.size, failure.c.mtime_ns, failure.c.reason
        by_uri: dict[str, tuple[int | None, int | None, str]] = {}
        for chunk in split_chunks(uris):
            query = sa.select(*columns).where(failure.c.uri.in_(chunk))
            by_uri |= {uri: (size, mtime_ns, reason) for uri, size, mtime_ns, reason in self._all(query)}
        return by_uri

    def failures(self) -> list[Failure]:
        """Return all that could not be read, newest first."""
        rows = self._all(sa.select(failure).order_by(failure.c.at.desc(), failure.c.uri))
        return [Failure(row.uri, row.reason, row.stage, row.attempts, format_time(row.at)) for row in rows]

    # ---- vectors, changes, followers

    def unembedded_items(self, space_id: int) -> list[UnembeddedItem]:
        """Return the items without a vector in that space, by id."""
        has_none = ~sa.exists().where(vector.c.space == space_id, vector.c.item == item.c.id)
        columns = item.c.id, item.c.key, item.c.hash, _select_first_location(location.c.uri)
        return [UnembeddedItem(*row) for row in self._all(sa.select(*columns).where(has_none).order_by(item.c.id))]

    # ---- metadata and settings

    def metadata_values(self, key: str) -> dict[int, str | float | bool]:
        """Return the text, number or truth value under a metadata key, of the items that have one."""
        query = sa.select(attribute.c.item, attribute.c.text, attribute.c.number, attribute.c.flag)
        rows = self._all(query.where(attribute.c.key == key, attribute.c.element.is_(False)))
        by_item = {row[0]: next((value for value in row[1:] if value is not None), None) for row in rows}
        return {item_id: value for item_id, value in by_item.items() if value is not None}

    def metadata_keys(self, limit: int) -> list[str]:
        """Return up to `limit` metadata keys, sorted."""
        return self._scalars(sa.select(attribute.c.key).distinct().order_by(attribute.c.key).limit(limit))

    def attributes(self, item_ids: Sequence[int]) -> dict[int, set[tuple[Any, ...]]]:
        """Return by id what filters read of these items: (key, element, number, text, flag)."""
        columns = attribute.c
        query = sa.select(columns.item, columns.key, columns.element, columns.number, columns.text, columns.flag)
        by_item: dict[int, set[tuple[Any, ...]]] = {}
        for chunk in split_chunks(item_ids):
            for row in self._all(query.where(columns.item.in_(chunk))):
                by_item.setdefault(row[0], set()).add(tuple(row[1:]))
        return by_item

    def table_counts(self) -> dict[str, int]:
        """Return the number of rows of each table that a user has a notion of."""
        tables = {"items": item, "locations": location, "attributes": attribute, "failures": failure}
        counts = {
            name: int(self._scalars(sa.select(sa.func.count()).select_from(table))[0]) for name, table in tables.items()
        }
        missing = sa.select(sa.func.count()).where(location.c.missing_since.is_not(None))
        return counts | {"missing": int(self._scalars(missing)[0])}


def _has_vector(space_id: int | None, item_column: Any = item.c.id) -> sa.ColumnElement[bool]:
    if space_id is None:
        return sa.false()
    return sa.exists().where(vector.c.space == space_id, vector.c.item == item_column)
