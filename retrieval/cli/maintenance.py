"""The commands that look after a collection and the installation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.options import DEFAULT, AsJson, Folder, open_collection
from retrieval.cli.output import print_json, say, show_progress, show_table


def register(app: typer.Typer) -> None:
    """Add the commands to the command line's."""
    for command in (info, verify, rescue, upgrade, doctor, demo):
        app.command()(command)


def info(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Show what the collection holds."""
    with open_collection(collection) as source:
        record = source.info().to_dict()
    if as_json:
        print_json(record)
    else:
        show_table([(name, str(value)) for name, value in record.items() if value not in (None, [])])


def verify(
    collection: Folder = DEFAULT,
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild what is derived and wrong.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare catalogue, derived files and disk."""
    with open_collection(collection) as source:
        report = source.verify(repair=repair)
    if as_json:
        print_json(report.to_dict())
    else:
        for title, lines in (("checked", report.checked), ("problem", report.problems), ("repaired", report.repaired)):
            for line in lines:
                say(f"{title}: {line}")
        say("all is well" if report.ok else "there are problems; `nearkin verify --repair` mends what is derived")
    raise typer.Exit(0 if report.ok else 1)


def rescue(collection: Folder = DEFAULT) -> None:
    """Save what can still be read of a damaged collection."""
    from indexers.catalogue.rescue import rescue_catalogue as save

    kept = save(collection)
    say(f"kept {kept['item']} items with {kept['vector']} vectors; adding the same pictures again brings back the rest")
    say(f"the damaged database is beside it: {collection / 'catalogue.sqlite.damaged'}")


def upgrade(collection: Folder = DEFAULT) -> None:
    """Bring a collection that an older nearkin made to this version's schema."""
    from indexers.catalogue.upgrade import upgrade_catalogue as bring

    before, after = bring(collection)
    say(f"{collection} is at schema {after}" + ("" if before == after else f" (was at {before})"))


def doctor(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Show what is installed, what is missing, and the command that brings it."""
    from retrieval.cli.doctor import examine

    lines = examine(collection)
    if as_json:
        print_json({"checks": [line.to_dict() for line in lines]})
    else:
        for line in lines:
            mark = "ok     " if line.ok else "MISSING" if line.needed else "-      "
            say(f"{mark}  {line.what}: {line.found}" + (f"\n           {line.remedy}" if line.remedy else ""))
    raise typer.Exit(0 if all(line.ok or not line.needed for line in lines) else 1)


def demo(
    folder: Annotated[Path, typer.Option(help="Where pictures, collection and sheet go.")] = Path("nearkin-demo"),
) -> None:
    """Index some thousand drawings and photographs, search, and draw what was found."""
    from retrieval.cli.demo import run

    with show_progress() as watch:
        run(folder, say, watch)
