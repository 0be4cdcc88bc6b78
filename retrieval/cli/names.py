"""The names of items and clusters on the command line: numbers that are ids or names, as the collection has them.

What is typed is text, but `1` may be the id of an item, or its key. A number that is only one of the two means that
one; one that is both is refused with the two items that it may mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from retrieval.collection import Collection
    from retrieval.records.clusters import Cluster
    from retrieval.records.items import Item

_ID = re.compile(r"[1-9][0-9]{0,17}")

Ids = Annotated[list[str] | None, typer.Option("--id", help="An item by its id; can be repeated.")]
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="An item by its key or path, even if it looks like an id; can be repeated."),
]


def name_collection(source: Collection) -> str:
    """Return what to call a collection in a title: its folder, or its database."""
    if source.address == str(source.path):
        return source.path.name
    return source.address.partition("?")[0].rpartition("/")[2]


def parse_id(text: str) -> int | None:
    """Return the id that a text is written as, or None: other digits, signs and leading zeros make no id."""
    return int(text) if _ID.fullmatch(text) else None


def find_items(
    source: Collection, names: Iterable[str] | None, ids: Sequence[str] | None = None, keys: Sequence[str] | None = None
) -> list[int]:
    """Return the ids of the items that are named: first `names`, each an id, key or path; then those of the options
    --id and --key. Raises ItemNotFound, UsageError for a name that may mean two items."""
    found = [_find_item(source, name) for name in names or ()]
    found += [_find_by_id(source, text) for text in ids or ()]
    found += [source.get(key).id for key in keys or ()]
    return found


def find_item(
    source: Collection, name: str | None, ids: Sequence[str] | None = None, keys: Sequence[str] | None = None
) -> int | None:
    """Return the id of the one item that is named, None if there is none. Raises BadParameter for several."""
    count = (name is not None) + len(ids or ()) + len(keys or ())
    if count > 1:
        raise typer.BadParameter("give one item, by --item, --id or --key")
    return find_items(source, [] if name is None else [name], ids, keys)[0] if count else None


def _find_item(source: Collection, name: str) -> int:
    from indexers.errors import ItemNotFound, UsageError

    number = parse_id(name)
    by_key = _get(source, name)
    by_id = None if number is None else _get(source, number)
    if by_key and by_id and by_key.id != by_id.id:
        raise UsageError(
            f"{name!r} is the id of one item ({_describe(by_id)}) and the key or path of another "
            f"({_describe(by_key)}); say --id {name} or --key {name}"
        )
    item = by_key or by_id
    if item is None:
        kind = "id, key or path" if name.isdigit() else "key or path"
        raise ItemNotFound(f"there is no item with the {kind} {name!r}{_suggest(name)}")
    return item.id


def _find_by_id(source: Collection, text: str) -> int:
    return source.get(parse_id_option(text)).id


def parse_id_option(text: str) -> int:
    """Return the id that was given by --id. Raises BadParameter."""
    number = parse_id(text)
    if number is None:
        raise typer.BadParameter(f"--id takes the number of an item, such as 17; got {text!r}{_suggest(text)}")
    return number


def _get(source: Collection, name: int | str) -> Item | None:
    from indexers.errors import ItemNotFound

    try:
        return source.get(name)
    except ItemNotFound:
        return None


def _describe(item: Item) -> str:
    place = "" if item.uri in (None, item.key) else f", {item.uri}"
    return f"id {item.id}, key {item.key!r}{place}"


def _suggest(text: str) -> str:
    """Return a hint for a text that is a number, but not written as ids are."""
    try:
        number = int(text[:40])
    except ValueError:
        return "; `nearkin items` lists them"
    is_other = parse_id(text) is None and parse_id(str(number)) is not None
    return f"; the id {number} is written {number}" if is_other else "; `nearkin items` lists them"


# ---- clusters


def find_cluster(source: Collection, text: str) -> Cluster:
    """Return the cluster that is named by its id, as `17` or `#17`, or by its name.

    Raises ClusterNotFound, UsageError for a number that is both, and for a name that several clusters have.
    """
    from indexers.errors import ClusterNotFound, UsageError

    number = parse_id(text.removeprefix("#"))
    if number is None:
        return source.cluster(text)
    try:
        by_id = source.cluster(number)
    except ClusterNotFound as error:
        by_id, reason = None, error
    try:
        by_name = source.cluster(text)
    except ClusterNotFound:
        by_name = None
    if by_id and by_name and by_id.id != by_name.id and not text.startswith("#"):
        raise UsageError(
            f"{text!r} is the id of a cluster ({by_id.name or 'unnamed'}, {by_id.size} items) and the name of another "
            f"(#{by_name.id}, {by_name.size} items); say '#{by_id.id}' or '#{by_name.id}'"
        )
    if by_id is None and by_name is None:
        raise reason
    found = by_id or by_name
    assert found is not None
    return found


def find_scope(source: Collection, names: Sequence[str] | None) -> list[int | str] | None:
    """Return clusters as `Collection.search` takes them: by id, or by a name, which several may share."""
    return [_find_scope(source, name) for name in names] if names else None


def _find_scope(source: Collection, text: str) -> int | str:
    from indexers.errors import ClusterNotFound

    number = parse_id(text.removeprefix("#"))
    if number is None:
        return text
    try:
        source.cluster(text)
    except ClusterNotFound:
        return number  # of this space or another
    return find_cluster(source, text).id or number
