"""The names of items: an item is named by its id, its key, a URI or a path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.metadata import is_storable, is_text
from indexers.catalogue.schema import item, location
from indexers.errors import ItemNotFound
from indexers.pictures.scan import to_uri


def resolve_names(connection: Connection, names: Sequence[int | str]) -> list[int]:
    """Return the id of each named item, in order. Raises ItemNotFound for the first that does not exist."""
    known: dict[int | str, int] = {}
    for ids in split_chunks([int(name) for name in names if not isinstance(name, str) and is_storable(name)]):
        rows = connection.execute(sa.select(item.c.id).where(item.c.id.in_(ids)))
        known |= {row[0]: row[0] for row in rows}
    for texts in split_chunks([name for name in names if isinstance(name, str)]):
        known.update(_resolve_texts(connection, texts))
    for name in names:
        if name not in known:
            kind = "key or path" if isinstance(name, str) else "id"
            raise ItemNotFound(f"there is no item with the {kind} {name!r}")
    return [known[name] for name in names]


def _resolve_texts(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Return the id for each name that is known; a key counts before a URI, a URI before a path."""
    uri_of = {name: path_to_uri(name) for name in names}
    # of the items that share a file, one whose file is there counts before others, and the first before later ones
    order = location.c.missing_since.is_(None), location.c.id.desc()
    by_uri = _select_ids(connection, location.c.item, location.c.uri, {*names, *uri_of.values()}, order)
    known = {name: by_uri[uri] for name, uri in uri_of.items() if uri in by_uri}
    known |= {name: by_uri[name] for name in names if name in by_uri}
    return known | _select_ids(connection, item.c.id, item.c.key, set(names))


def _select_ids(
    connection: Connection, id_column: Any, name_column: Any, names: set[str], order: Sequence[Any] = ()
) -> dict[str, int]:
    """Return an id for each name; of several the one that comes last."""
    storable = [name for name in names if is_text(name)]
    query = sa.select(id_column, name_column).where(name_column.in_(storable))
    rows = connection.execute(query.order_by(*order) if order else query)
    return {row[1]: row[0] for row in rows}


def path_to_uri(path: str) -> str:
    """Return the URI of a path; the path itself if it is relative and the working directory is gone."""
    try:
        return to_uri(os.path.expanduser(path))
    except FileNotFoundError:
        return path
