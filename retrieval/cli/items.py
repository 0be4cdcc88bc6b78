"""The commands that add pictures to a collection and remove them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import (
    DEFAULT,
    AsJson,
    Device,
    EmbedderSettings,
    Folder,
    Precision,
    RetryFailed,
    Where,
    build_embedder,
    complete_plugins,
    needs_second_space,
    open_collection,
    parse_item_name,
    parse_json,
    read_paths,
)
from retrieval.cli.output import exit_with_report, print_json, say, show_progress

if TYPE_CHECKING:
    from indexers.types import Json

Metadata = Annotated[str | None, typer.Option(help='Metadata for every picture, e.g. \'{"album": "2024"}\'.')]


def add(
    paths: Annotated[list[str] | None, typer.Argument(help="Files, folders, globs or URLs.")] = None,
    collection: Folder = DEFAULT,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="Model that turns pictures into vectors; `nearkin embedders` lists them.",
            autocompletion=complete_plugins("nearkin.embedders"),
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = None,
    settings: EmbedderSettings = None,
    listing: Annotated[
        Path | None, typer.Option("--list", help="A file with one path per line; - for standard input.")
    ] = None,
    metadata: Metadata = None,
    retry_failed: RetryFailed = False,
    as_json: AsJson = False,
) -> None:
    """Add pictures; creates the collection if it does not exist.

    With --embedder NAME on a collection that uses another embedder, this embeds the pictures of the collection a second
    time, into a space of their own. Then `nearkin use NAME` switches to it.
    """
    sources = [*(paths or []), *(read_paths(listing) if listing else [])]
    if not sources and not retry_failed and embedder is None:
        raise typer.BadParameter("give files, folders or globs to add (or --list, or --retry-failed)")
    parameters: Json = parse_json(settings, "--settings") or {}
    parameters |= {} if precision is None else {"precision": precision}
    is_second = needs_second_space(collection, embedder)
    model = build_embedder(embedder, parameters) if embedder and parameters else embedder
    first = None if is_second else model
    with open_collection(collection, create=True, embedder=first, device=device) as target, show_progress() as progress:
        if retry_failed and not sources:
            report = target.retry_failed(progress=progress)
        elif sources or not is_second:
            values = parse_json(metadata, "--metadata")
            report = target.add(sources, metadata=values, retry_failed=retry_failed, progress=progress)
        if is_second and model:
            report = target.fill(model, progress=progress)
    exit_with_report(report, as_json)


def sync(
    paths: Annotated[list[Path], typer.Argument(help="Folders.")],
    collection: Folder = DEFAULT,
    metadata: Metadata = None,
    retry_failed: RetryFailed = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read known files again, whatever their size and time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add the new pictures of folders, and mark pictures whose files have vanished."""
    with open_collection(collection, create=True) as target, show_progress() as progress:
        values = parse_json(metadata, "--metadata")
        report = target.sync(list(paths), metadata=values, retry_failed=retry_failed, check=check, progress=progress)
    exit_with_report(report, as_json)


def remove(
    items: Annotated[list[str] | None, typer.Argument(help="Items, by id, key or path.")] = None,
    collection: Folder = DEFAULT,
    where: Where = None,
    missing: Annotated[bool, typer.Option("--missing", help="All items whose files have vanished.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove items from the collection. The picture files are not touched."""
    if not items and where is None and not missing:
        raise typer.BadParameter("give items, --where or --missing")
    condition = {"missing": True} if missing else parse_json(where, "--where")
    names = [parse_item_name(item) for item in items] if items else None
    with open_collection(collection) as target:
        count = target.remove(names, where=condition)
    print_json({"removed": count}) if as_json else say(f"removed {count} items")


def failures(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the files that could not be read, and why."""
    with open_collection(collection) as source:
        records = source.failures()
    if as_json:
        print_json({"failures": [failure.to_dict() for failure in records]})
    else:
        for failure in records:
            say(f"{failure.uri}: {failure.reason} (tried {failure.attempts} times, last at {failure.at})")


COMMANDS = (
    Command(add, "Pictures", "nearkin add ~/Pictures"),
    Command(sync, "Pictures", "nearkin sync ~/Pictures"),
    Command(remove, "Pictures", "nearkin remove --missing"),
    Command(failures, "Pictures", "nearkin failures"),
)
