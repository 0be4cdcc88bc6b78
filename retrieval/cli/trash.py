"""The commands that list removed items, restore them and delete them for good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import Ids, Keys, parse_id, parse_id_option
from retrieval.cli.options import DEFAULT, AsJson, Folder, open_collection
from retrieval.cli.output import print_json, say
from retrieval.pages.page import format_count, make_printable

if TYPE_CHECKING:
    from retrieval import TrashedItem

Names = Annotated[list[str] | None, typer.Argument(metavar="ITEM", help="Removed items, by id, key or path.")]


def trash(
    names: Names = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
    empty: Annotated[bool, typer.Option("--empty", help="Delete them for good, all or those named.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the removed items, which `nearkin restore` brings back, or delete them for good."""
    is_named = bool(names or ids or keys)
    if is_named and not empty:
        raise typer.BadParameter("add --empty to delete them for good, or say: nearkin restore")
    with open_collection(collection) as target:
        if empty:
            chosen = choose_removed(target.trash(), names, ids, keys) if is_named else None
            count = target.empty_trash(chosen)
            print_json({"deleted": count}) if as_json else say(f"deleted {format_count(count, 'item')} for good")
            return
        rows = target.trash()
    if as_json:
        print_json({"items": [row.to_dict() for row in rows]})
        return
    for row in rows:
        name = make_printable(row.uri or row.key)
        say(f"{row.id}  {name}  removed {row.removed_at}, kept until {row.kept_until}")
    say(f"{format_count(len(rows), 'removed item')}" if rows else "no removed items")


def restore(
    names: Names = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
    everything: Annotated[bool, typer.Option("--all", help="All removed items.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring removed items back, with their metadata, vectors and clusters."""
    is_named = bool(names or ids or keys)
    if is_named == everything:
        raise typer.BadParameter("give removed items, or --all; `nearkin trash` lists them")
    with open_collection(collection) as target:
        rows = target.trash()
        chosen = [row.id for row in rows] if everything else choose_removed(rows, names, ids, keys)
        count = target.restore(chosen)
    print_json({"restored": count}) if as_json else say(f"restored {format_count(count, 'item')}")


def choose_removed(
    rows: Sequence[TrashedItem],
    names: Iterable[str] | None,
    ids: Iterable[str] | None = None,
    keys: Iterable[str] | None = None,
) -> list[int | str]:
    """Return ids of the removed items that are named by id, key or path, and texts that are neither id nor key.

    Raises UsageError for a number that is the id of one and the key of another, ItemNotFound for one that is neither.
    """
    from indexers.catalogue.item_names import path_to_uri
    from indexers.errors import ItemNotFound, UsageError

    known_ids, known_keys = {row.id for row in rows}, {row.key: row.id for row in reversed(rows)}
    uris = {row.uri for row in rows}
    chosen: list[int | str] = [*map(parse_id_option, ids or ()), *(keys or ())]
    for name in names or ():
        number = parse_id(name)
        is_id, by_key = number in known_ids, known_keys.get(name)
        if is_id and by_key is not None and by_key != number:
            raise UsageError(f"{name!r} is the id of one removed item and the key of another; say --id or --key {name}")
        if number is not None and not is_id and by_key is None and path_to_uri(name) not in uris:
            raise ItemNotFound(
                f"there is no removed item with the id, key or path {name!r}; `nearkin trash` lists those there are"
            )
        chosen.append(number if is_id and number is not None else name)
    return chosen


COMMANDS = (
    Command(trash, "Pictures", "nearkin trash"),
    Command(restore, "Pictures", "nearkin restore holiday.jpg"),
)
