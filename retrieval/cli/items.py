"""The commands that put pictures into a collection and take them out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.options import (
    DEFAULT,
    AsJson,
    Device,
    Folder,
    Precision,
    Settings,
    Where,
    build_embedder,
    needs_second_space,
    open_collection,
    parse_item_name,
    parse_json,
    read_paths,
)
from retrieval.cli.output import exit_with_report, print_json, say, show_progress

if TYPE_CHECKING:
    from indexers.types import Json


def register(app: typer.Typer) -> None:
    """Add the commands to the command line's."""
    for command in (add, sync, remove, failures):
        app.command()(command)


def add(
    paths: Annotated[list[str] | None, typer.Argument(help="Files, folders, globs, addresses.")] = None,
    collection: Folder = DEFAULT,
    embedder: Annotated[str | None, typer.Option(help="What turns pictures into vectors; see `embedders`.")] = None,
    device: Device = "auto",
    precision: Precision = None,
    settings: Settings = None,
    listing: Annotated[
        Path | None, typer.Option("--list", help="A file with paths, one a line; - is standard input.")
    ] = None,
    metadata: Annotated[str | None, typer.Option(help='Metadata for each picture, e.g. \'{"album": "2024"}\'.')] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add pictures; makes the collection if there is none.

    With --embedder NAME on a collection that was made with another one: fill a second space beside the first, from the
    pictures that are there. `nearkin use NAME` then switches to it.
    """
    wanted: list[Any] = [*(paths or []), *(read_paths(listing) if listing else [])]
    if not wanted and not retry_failed and embedder is None:
        raise typer.BadParameter("give files, folders or globs to add (or --list, or --retry-failed)")
    how: Json = parse_json(settings, "--settings") or {}
    how |= {} if precision is None else {"precision": precision}
    second = needs_second_space(collection, embedder)
    chosen = build_embedder(embedder, how) if embedder and how else embedder
    first = None if second else chosen
    with open_collection(collection, create=True, embedder=first, device=device) as target, show_progress() as watch:
        said = parse_json(metadata, "--metadata")
        if retry_failed and not wanted:
            report = target.retry_failed(progress=watch)
        elif wanted or not second:
            report = target.add(wanted, metadata=said, retry_failed=retry_failed, progress=watch)
        if second and chosen:
            report = target.fill(chosen, progress=watch)
    exit_with_report(report, as_json)


def sync(
    paths: Annotated[list[Path], typer.Argument(help="Folders.")],
    collection: Folder = DEFAULT,
    metadata: Annotated[str | None, typer.Option(help="Metadata for each picture.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add what is new in folders, and mark what has vanished from them."""
    with open_collection(collection, create=True) as target, show_progress() as watch:
        said = parse_json(metadata, "--metadata")
        report = target.sync(list(paths), metadata=said, retry_failed=retry_failed, progress=watch)
    exit_with_report(report, as_json)


def remove(
    items: Annotated[list[str] | None, typer.Argument(help="Items: ids, keys or paths.")] = None,
    collection: Folder = DEFAULT,
    where: Where = None,
    missing: Annotated[bool, typer.Option("--missing", help="All items whose files have vanished.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove items from the collection (never the files themselves)."""
    if not items and where is None and not missing:
        raise typer.BadParameter("give items, --where or --missing")
    wanted = {"missing": True} if missing else parse_json(where, "--where")
    names = [parse_item_name(one) for one in items] if items else None
    with open_collection(collection) as target:
        removed = target.remove(names, where=wanted)
    print_json({"removed": removed}) if as_json else say(f"removed {removed} items")


def failures(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List what could not be read, and why."""
    with open_collection(collection) as source:
        found = source.failures()
    if as_json:
        print_json({"failures": [one.to_dict() for one in found]})
    else:
        for one in found:
            say(f"{one.uri}: {one.reason} (tried {one.attempts} times, last {one.at})")
