"""The commands that write items to files and read them back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import Ids, Keys, find_items
from retrieval.cli.options import DEFAULT, AsJson, Folder, Where, address, open_collection, parse_json
from retrieval.cli.output import finish_with_report, say, show_progress, show_steps
from retrieval.pages.page import format_count


def export(
    file: Annotated[
        Path, typer.Argument(help="File to write: .csv, .jsonl or .parquet, or .npz, which includes vectors.")
    ],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ITEM", help="Items, by id, key or path (default: all).")
    ] = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
    where: Where = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="Include the vectors (.parquet).")] = False,
) -> None:
    """Export items with their clusters to a file."""
    condition = parse_json(where, "--where")
    with open_collection(collection) as source:
        if names or ids or keys:
            chosen = {"id": {"$in": find_items(source, names, ids, keys)}}
            condition = chosen if condition is None else {"$and": [condition, chosen]}
        count = source.export(file, where=condition, vectors=vectors)
    say(f"wrote {format_count(count, 'item')} to {file}")


def import_(
    files: Annotated[
        list[Path], typer.Argument(help="Files with vectors (.parquet, .npz) or folders made by clip-retrieval.")
    ],
    collection: Folder = DEFAULT,
    vector: Annotated[str, typer.Option(help="Name of the Parquet column that holds the vectors.")] = "vector",
    embedder: Annotated[
        str | None, typer.Option(help="Model that has made the vectors, if a new collection is to use it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import items with ready-made vectors from files; creates the collection if it does not exist."""
    with open_collection(collection, create=True, embedder=embedder) as target:
        with show_progress() as progress:
            report = target.import_from(files, vector=vector, progress=progress)
        finish_with_report(report, as_json)


def copy(
    source: Annotated[str, typer.Argument(metavar="SRC", help="Folder or database of the collection.", parser=address)],
    target: Annotated[str, typer.Argument(metavar="DST", help="Folder or database for the copy.", parser=address)],
) -> None:
    """Copy a collection from a folder to a PostgreSQL database, or back, and compare the copy row by row.

    A copy that is broken off goes on when the command is repeated; until it is complete, nothing opens it.
    """
    from indexers.catalogue.addresses import hide_passwords
    from indexers.catalogue.copying import copy_catalogue
    from retrieval.config import choose_address

    with show_steps() as show:
        counts = copy_catalogue(choose_address(source), choose_address(target), show)
    say(f"copied and compared {format_count(counts['item'], 'item')} with {counts['vector']} vectors")
    say(f"to use it: nearkin info -c {hide_passwords(target)}")


COMMANDS = (
    Command(copy, "Spaces and data", "nearkin copy photos postgresql://user@host/photos"),
    Command(export, "Spaces and data", "nearkin export photos.parquet --vectors"),
    Command(import_, "Spaces and data", "nearkin import photos.parquet", "import"),
)
