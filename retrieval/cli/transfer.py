"""The commands that carry items out of a collection and into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.options import DEFAULT, AsJson, Folder, Where, open_collection, parse_json
from retrieval.cli.output import exit_with_report, say, show_progress


def register(app: typer.Typer) -> None:
    """Add the commands to the command line's."""
    app.command()(export)
    app.command("import")(import_)


def export(
    file: Annotated[Path, typer.Argument(help=".csv, .jsonl, .parquet, or .npz with vectors.")],
    collection: Folder = DEFAULT,
    where: Where = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="Vectors in .parquet, too.")] = False,
) -> None:
    """Write items with their clusters to a file."""
    with open_collection(collection) as source:
        written = source.export(file, where=parse_json(where, "--where"), vectors=vectors)
    say(f"wrote {written} items to {file}")


def import_(
    files: Annotated[list[Path], typer.Argument(help=".parquet or .npz with vectors, folders of clip-retrieval.")],
    collection: Folder = DEFAULT,
    vector: Annotated[str, typer.Option(help="The column of vectors in Parquet.")] = "vector",
    as_json: AsJson = False,
) -> None:
    """Add items with ready-made vectors from files; makes the collection if there is none."""
    with open_collection(collection, create=True) as target, show_progress() as watch:
        report = target.import_from(files, vector=vector, progress=watch)
    exit_with_report(report, as_json)
