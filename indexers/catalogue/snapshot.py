"""What can be read of one moment of the catalogue."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from indexers.arrays import sort_unique, split_chunks
from indexers.catalogue import full_text as words
from indexers.catalogue.clusterings import ClusteringReader
from indexers.catalogue.clusters import ClusterReader
from indexers.catalogue.conditions import Condition, select_ids
from indexers.catalogue.duplicates import DuplicateReader
from indexers.catalogue.metadata import LARGEST, is_text
from indexers.catalogue.schema import (
    attribute,
    change,
    clustering,
    counter,
    failure,
    follower,
    item,
    location,
    member,
    setting,
    space,
    vector,
)
from indexers.errors import CatalogueDamaged, ItemNotFound
from indexers.pictures.scan import to_uri
from indexers.types import Change, Failure, HitRow, Ids, ItemRow, KnownLocation, Space, UnembeddedItem, Vectors

NEAR = "near {}"  # the setting of a space


# the statements of the search path are made once: building one costs more than running it
_wanted: sa.BindParameter[Any] = sa.bindparam("wanted", expanding=True)
_first_uri = (
    sa.select(location.c.uri)
    .where(location.c.item == item.c.id)
    .order_by(location.c.missing_since.is_not(None), location.c.id)
    .limit(1)
    .scalar_subquery()
)
_HITS = sa.select(item.c.id, item.c.key, _first_uri, item.c.metadata, item.c.text).where(item.c.id.in_(_wanted))
_IN_SPACE = sa.and_(member.c.item == item.c.id, member.c.space == sa.bindparam("space"))
_HITS_WITH_CLUSTERS = (
    sa.select(*_HITS.selected_columns, member.c.coarse, member.c.medium, member.c.fine)
    .select_from(item.outerjoin(member, _IN_SPACE))
    .where(item.c.id.in_(_wanted))
)
_CURRENT = sa.select(space.c.id).where(space.c.current).limit(1).scalar_subquery()
_CLUSTERED = sa.select(clustering.c.position).where(clustering.c.space == _CURRENT).scalar_subquery()
_NUMBER = sa.select(counter.c.number, counter.c.oldest, _CURRENT, _CLUSTERED)
_VECTORS = sa.select(vector.c.item, vector.c.data).where(
    vector.c.space == sa.bindparam("space"), vector.c.item.in_(_wanted)
)


class Snapshot:
    """Everything as it was when it was opened. `number`: the newest change it holds; `oldest`: followers at an older
    position have to start anew, since the changes after it are no longer all kept; `space`: the current one, if any."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        row = connection.execute(_NUMBER).one()
        self.number: int = row[0]
        self.oldest: int = row[1]
        self.space: int | None = row[2]
        self._clustered: int | None = row[3]
        self.clusters, self.clusterings = ClusterReader(connection), ClusteringReader(connection)
        self.duplicates = DuplicateReader(connection)

    def _all(self, statement: sa.Executable) -> list[Any]:
        """Rows, whose types SQLAlchemy's own hints don't follow through our conditions."""
        return list(self._connection.execute(statement).all())

    def _scalars(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).scalars())

    # ---- items

    def ids(self, condition: Condition | None = None) -> Ids:
        """The ids that it holds for, sorted."""
        matching = (sa.select(item.c.id) if condition is None else select_ids(condition)).subquery()
        # one long text instead of a row an id: five times faster for 100,000
        text = sa.func.aggregate_strings(sa.cast(matching.c[0], sa.String), ",")
        found = np.fromstring(self._scalars(sa.select(text))[0] or "", dtype=np.int64, sep=",")
        return sort_unique(found)

    def count(self, condition: Condition | None = None) -> int:
        matching = (sa.select(item.c.id) if condition is None else select_ids(condition)).distinct().subquery()
        return int(self._scalars(sa.select(sa.func.count()).select_from(matching))[0])

    def page(self, condition: Condition | None, after: int, limit: int) -> list[ItemRow]:
        """Up to `limit` items with ids above `after`, in order of id."""
        query = sa.select(item.c.id).where(item.c.id > after).order_by(item.c.id).limit(limit)
        if condition is not None:
            query = query.where(item.c.id.in_(select_ids(condition)))
        return self.items(self._scalars(query))

    def items(self, ids: Sequence[int]) -> list[ItemRow]:
        """In the order asked for; those that don't exist are left out."""
        found: dict[int, ItemRow] = {}
        for part in split_chunks([int(one) for one in ids]):
            places = self._places(part)
            for row in self._all(sa.select(item).where(item.c.id.in_(part))):
                found[row.id] = _item(row, places.get(row.id, []))
        return [found[one] for one in map(int, ids) if one in found]

    def _places(self, ids: Sequence[int]) -> dict[int, list[tuple[str, bool]]]:
        columns = location.c.item, location.c.uri, location.c.missing_since
        places: dict[int, list[tuple[str, bool]]] = {}
        for one, uri, missing in self._all(sa.select(*columns).where(location.c.item.in_(ids)).order_by(location.c.id)):
            places.setdefault(one, []).append((uri, missing is not None))
        return places

    def hits(self, ids: Sequence[int], in_space: int | None = None) -> dict[int, HitRow]:
        """What a search shows of these items; with their clusters in a space, if one is given."""
        if in_space is None:
            return {
                row[0]: HitRow(row[1], row[2], row[3], (), row[4])
                for part in split_chunks(ids)
                for row in self._connection.execute(_HITS, {"wanted": part})
            }
        return {
            row[0]: HitRow(row[1], row[2], row[3], tuple(filter(None, row[5:])), row[4])
            for part in split_chunks(ids)
            for row in self._connection.execute(_HITS_WITH_CLUSTERS, {"wanted": part, "space": in_space})
        }

    def clustered(self, in_space: int) -> int | None:
        """The change that the clusters of a space follow; None: it has none."""
        if in_space == self.space:
            return self._clustered
        found = self.clusters.clustering(in_space)
        return found.position if found else None

    def resolve(self, names: Iterable[int | str]) -> list[int]:
        """Ids of items given by id, key, URI or path, in that order. Raises ItemNotFound for the first that isn't
        there."""
        names = list(names)
        texts = [name for name in names if isinstance(name, str)]
        numbers = [int(name) for name in names if not isinstance(name, str) and abs(name) < LARGEST]
        known: dict[int | str, int] = {}
        for part in split_chunks(numbers):
            known |= {one: one for one in self._scalars(sa.select(item.c.id).where(item.c.id.in_(part)))}
        for some in split_chunks(texts):
            places = {word: _place(word) for word in some}
            uris = [uri for uri in {*some, *places.values()} if is_text(uri)]
            found = {uri: one for one, uri in self._all(_pairs(location.c.item, location.c.uri, uris))}
            known |= {word: found[uri] for word, uri in places.items() if uri in found}
            known |= {word: found[word] for word in some if word in found}
            keys = [word for word in some if is_text(word)]
            known |= {key: one for one, key in self._all(_pairs(item.c.id, item.c.key, keys))}
        for name in names:
            if name not in known:
                raise ItemNotFound(
                    f"there is no item with the {'key or path' if isinstance(name, str) else 'id'} {name!r}"
                )
        return [known[name] for name in names]

    def embedded(self, keys: Sequence[str], in_space: int) -> dict[str, bytes | None]:
        """The content hashes of those of these keys whose items have a vector in the space."""
        found: dict[str, bytes | None] = {}
        for part in split_chunks(keys):
            query = sa.select(item.c.key, item.c.hash).where(item.c.key.in_(part), _has_vector(in_space))
            found |= dict(self._all(query))
        return found

    def find_words(self, asked: str, limit: int, condition: Condition | None = None) -> list[tuple[int, float]]:
        """Items (of those that the condition holds for) that say these words, best first, with scores. Raises
        BadQuery."""
        among = None if condition is None else select_ids(condition)
        return words.find(self._connection, asked, limit, among)

    def bodies(self, ids: Sequence[int]) -> dict[int, str]:
        """What searches for words read of these items."""
        return {one: said for part in split_chunks(ids) for one, said in words.bodies(self._connection, part).items()}

    # ---- places

    def known(self, uris: Sequence[str], in_space: int | None) -> dict[str, KnownLocation]:
        """What is held of these locations."""
        columns = location.c.uri, location.c.item, location.c.size, location.c.mtime_ns, location.c.missing_since
        embedded = _has_vector(in_space, location.c.item)
        found: dict[str, KnownLocation] = {}
        for part in split_chunks(uris):
            for row in self._all(sa.select(*columns, embedded).where(location.c.uri.in_(part))):
                found[row[0]] = KnownLocation(row[1], row[2], row[3], row[4] is not None, bool(row[5]))
        return found

    def places_under(self, prefixes: Sequence[str]) -> list[str]:
        """URIs, not marked missing, that are one of these or begin with one and a slash."""
        found: set[str] = set()
        for prefix in prefixes:
            low, high = prefix.rstrip("/") + "/", prefix.rstrip("/") + "0"  # 0 follows / in every encoding
            inside = sa.and_(location.c.uri >= low, location.c.uri < high)
            query = sa.select(location.c.uri).where(sa.or_(location.c.uri == prefix, inside))
            found |= set(self._scalars(query.where(location.c.missing_since.is_(None))))
        return sorted(found)

    def failed(self, uris: Sequence[str]) -> dict[str, tuple[int | None, int | None, str]]:
        """Size, time and reason of those of these that could not be read before."""
        columns = failure.c.uri, failure.c.size, failure.c.mtime_ns, failure.c.reason
        found: dict[str, tuple[int | None, int | None, str]] = {}
        for part in split_chunks(uris):
            query = sa.select(*columns).where(failure.c.uri.in_(part))
            found |= {uri: (size, mtime, reason) for uri, size, mtime, reason in self._all(query)}
        return found

    def failures(self) -> list[Failure]:
        """All that could not be read, newest first."""
        rows = self._all(sa.select(failure).order_by(failure.c.at.desc(), failure.c.uri))
        return [Failure(row.uri, row.reason, row.stage, row.attempts, moment(row.at)) for row in rows]

    # ---- vectors, changes, followers

    def spaces(self) -> list[Space]:
        return [Space(**row._mapping) for row in self._all(sa.select(space).order_by(space.c.id))]

    def count_lacking(self, in_space: int) -> int:
        """How many items with a vector in another space have none in this one."""
        there = sa.select(vector.c.item).where(vector.c.space == in_space)
        query = sa.select(sa.func.count(vector.c.item.distinct())).where(vector.c.item.not_in(there))
        return int(self._scalars(query)[0])

    def lacking(self, in_space: int) -> list[UnembeddedItem]:
        """The items that have no vector in that space, with the place to read each from, in order of id."""
        without = ~sa.exists().where(vector.c.space == in_space, vector.c.item == item.c.id)
        columns = item.c.id, item.c.key, item.c.hash, _first_uri
        return [UnembeddedItem(*row) for row in self._all(sa.select(*columns).where(without).order_by(item.c.id))]

    def vectors(self, space_id: int, ids: Sequence[int] | Ids) -> tuple[Ids, Vectors]:
        """Ids (sorted) and vectors, float32 (n, dimension), of those of these items that have one."""
        rows: list[tuple[int, bytes]] = []
        for part in split_chunks([int(one) for one in ids]):
            rows += [
                (row[0], row[1]) for row in self._connection.execute(_VECTORS, {"space": space_id, "wanted": part})
            ]
        rows.sort()
        joined, width = b"".join(row[1] for row in rows), len(rows[0][1]) // 4 if rows else 0
        if len(joined) != 4 * width * len(rows):
            uneven = next((one for one, data in rows if len(data) != 4 * width), rows[0][0])
            raise CatalogueDamaged(
                f"the catalogue is damaged: the vector of item {uneven} or {rows[0][0]} in space {space_id} was cut; "
                "put back a copy of the database"
            )
        data = np.frombuffer(joined, "<f4").reshape(len(rows), width).astype(np.float32, copy=False)
        return np.array([row[0] for row in rows], np.int64), data

    def changes(self, since: int, in_space: int) -> list[Change]:
        """The net result for each item after change `since`, in order of item. `since` 0: the state itself.

        `since` must not lie below `oldest` unless it is 0.
        """
        if since == 0:
            items = self._scalars(sa.select(vector.c.item).where(vector.c.space == in_space).order_by(vector.c.item))
            return [Change(self.number, one, in_space, "vector set") for one in items]
        query = sa.select(change.c.number, change.c.item, change.c.space, change.c.what)
        query = query.where(change.c.number > since, change.c.space == in_space).order_by(change.c.number)
        net = {row[1]: Change(*row) for row in self._all(query)}
        return [net[one] for one in sorted(net)]

    def count_changes(self, since: int, in_space: int, most: int) -> int:
        """How many vectors of that space have changed after change `since`, counted up to `most`."""
        if since == 0:
            query = sa.select(vector.c.item).where(vector.c.space == in_space).limit(most)
        else:
            query = sa.select(change.c.number).where(change.c.number > since, change.c.space == in_space).limit(most)
        return len(self._scalars(query))

    def touched(self, since: int) -> list[int]:
        """Items of which anything has changed after change `since`, which must not lie below `oldest`."""
        return self._scalars(sa.select(change.c.item).where(change.c.number > since).distinct().order_by(change.c.item))

    def unchanged(self, since: int, in_space: int) -> bool:
        """Whether no vector of that space has changed after change `since`."""
        query = sa.select(change.c.number).where(change.c.number > since, change.c.space == in_space).limit(1)
        return since >= self.oldest and not self._scalars(query)

    def stamp(self, number: int) -> int:
        """When that change was made; 0 where it is not kept or never was."""
        return next(iter(self._scalars(sa.select(change.c.at).where(change.c.number == number))), 0)

    def follower(self, name: str, space_id: int) -> tuple[int, int]:
        """Position and generation of a follower when it was last saved; zeros if it never was."""
        query = sa.select(follower.c.position, follower.c.generation)
        rows = self._all(query.where(follower.c.name == name, follower.c.space == space_id))
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def values(self, key: str) -> dict[int, str | float | bool]:
        """The text, number or truth value of a metadata key, of the items that have one."""
        rows = attribute.c
        query = sa.select(rows.item, rows.text, rows.number, rows.flag).where(rows.key == key, rows.element.is_(False))
        found = {row[0]: next((one for one in row[1:] if one is not None), None) for row in self._all(query)}
        return {one: value for one, value in found.items() if value is not None}

    def keys(self, most: int) -> list[str]:
        """Metadata keys, in order of the alphabet."""
        return self._scalars(sa.select(attribute.c.key).distinct().order_by(attribute.c.key).limit(most))

    def attributes(self, ids: Sequence[int]) -> dict[int, set[tuple[Any, ...]]]:
        """What filters read of these items: (key, element, number, text, flag)."""
        rows = attribute.c
        query = sa.select(rows.item, rows.key, rows.element, rows.number, rows.text, rows.flag)
        found: dict[int, set[tuple[Any, ...]]] = {}
        for part in split_chunks(ids):
            for row in self._all(query.where(rows.item.in_(part))):
                found.setdefault(row[0], set()).add(tuple(row[1:]))
        return found

    def misshapen(self, space_id: int, dimension: int) -> list[int]:
        """Items whose vector in that space has not the space's dimension."""
        wrong = sa.func.length(vector.c.data) != 4 * dimension
        return self._scalars(sa.select(vector.c.item).where(vector.c.space == space_id, wrong))

    def setting(self, key: str) -> Any:
        return next(iter(self._scalars(sa.select(setting.c.value).where(setting.c.key == key))), None)

    def near(self, space_id: int) -> float | None:
        """From which similarity on two vectors of a space are worth a proof, where it was measured."""
        found: float | None = self.setting(NEAR.format(space_id))
        return found

    def counts(self) -> dict[str, int]:
        """Rows of each table that a user has a notion of."""
        tables = {"items": item, "locations": location, "attributes": attribute, "failures": failure}
        found = {name: int(self._scalars(sa.select(sa.func.count()).select_from(t))[0]) for name, t in tables.items()}
        gone = sa.select(sa.func.count()).where(location.c.missing_since.is_not(None))
        return found | {"missing": int(self._scalars(gone)[0])}

    def vector_counts(self) -> dict[int, int]:
        query = sa.select(vector.c.space, sa.func.count()).group_by(vector.c.space)
        return {row[0]: row[1] for row in self._all(query)}


def moment(microseconds: int) -> str:
    """ISO 8601 in UTC, to the second."""
    return str(np.datetime64(microseconds, "us").astype("datetime64[s]")) + "Z"


def _place(word: str) -> str:
    """The URI of a path; the word itself where the folder that a relative path begins in is gone."""
    try:
        return to_uri(os.path.expanduser(word))
    except FileNotFoundError:
        return word


def _has_vector(in_space: int | None, owner: Any = item.c.id) -> sa.ColumnElement[bool]:
    if in_space is None:
        return sa.false()
    return sa.exists().where(vector.c.space == in_space, vector.c.item == owner)


def _pairs(first: Any, second: Any, wanted: Sequence[str]) -> sa.Select[Any]:
    return sa.select(first, second).where(second.in_(wanted))


def _item(row: Row[Any], places: list[tuple[str, bool]]) -> ItemRow:
    here = tuple(uri for uri, missing in places if not missing)
    missing = bool(places) and not here
    fields = {name: getattr(row, name) for name in ("id", "key", "hash", "width", "height", "format", "bytes", "text")}
    return ItemRow(
        **fields,
        taken_at=row.taken_at,
        added_at=row.added_at,
        metadata=row.metadata,
        uris=tuple(uri for uri, _ in places) if missing else here,
        missing=missing,
    )
