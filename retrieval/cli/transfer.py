"""The commands that write items to files and read them back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import Ids, Keys, find_items
from retrieval.cli.options import DEFAULT, AsJson, Folder, Where, open_collection, parse_json
from retrieval.cli.output import finish_with_report, say, show_progress
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


COMMANDS = (
    Command(export, "Spaces and data", "nearkin export photos.parquet --vectors"),
    Command(import_, "Spaces and data", "nearkin import photos.parquet", "import"),
)
