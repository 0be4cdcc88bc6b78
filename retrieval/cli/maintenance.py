"""The commands that look after a collection and the installation."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import DEFAULT, AsJson, Folder, find_folder, open_collection
from retrieval.cli.output import print_json, say, show_progress, show_steps, show_table
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from indexers.types import Json


def info(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Show the facts about a collection: number of items, space, size on disk ..."""
    with open_collection(collection) as source:
        record = source.info().to_dict()
    if as_json:
        print_json(record)
    else:
        work, parts = record.pop("work"), record.pop("parts")
        rows = [(name, str(value)) for name, value in record.items() if value not in (None, [])]
        rows += [(kind["kind"], describe_parts(kind)) for kind in parts]
        show_table(rows + ([("work", describe_work(work))] if work else []))


def describe_parts(kind: Json) -> str:
    """Return what there is of one kind of parts, in words."""
    counts = f"{kind['parts']:,} in {format_count(kind['looked'], 'picture')} looked at"
    waiting = f", {kind['waiting']:,} not looked at yet" if kind["waiting"] else ""
    failed = f", {kind['failed']:,} could not be read" if kind["failed"] else ""
    return f"{counts}{waiting}{failed}; {kind['bytes']:,} bytes"


def describe_work(work: Json) -> str:
    """Return how far the work is that many processes share, in words."""
    counts = ", ".join(f"{work[name]:,} {name}" for name in ("waiting", "running", "failed") if work[name])
    rate = f" at {work['rate']:.1f}/s" if work["rate"] else ""
    dead = f"; dead: {', '.join(work['dead'])}" if work["dead"] else ""
    return f"{counts or 'none'}; {format_count(work['workers'], 'worker')}{rate}{dead}"


def verify(
    collection: Folder = DEFAULT,
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild derived files that are wrong.")] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Read every picture's file: is it there, readable, unchanged?")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that the catalogue and the derived files agree, and with --pictures the picture files."""
    with open_collection(collection) as source, show_steps() as show:
        progress = None if show is None else lambda done, total: show(done, total, "reading pictures")
        report = source.verify(repair=repair, pictures=pictures, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        for title, lines in (("checked", report.checked), ("problem", report.problems), ("repaired", report.repaired)):
            for line in lines:
                say(f"{title}: {line}")
        say("OK" if report.ok else _advise(report.problems))
    raise typer.Exit(0 if report.ok else 1)


def _advise(problems: Sequence[str]) -> str:
    if any(problem.startswith("database:") for problem in problems):
        return "the database is damaged; restore a backup, or `nearkin rescue` what can be read"
    of_pictures = sum(problem.startswith("pictures:") for problem in problems)
    if not of_pictures:
        return "there are problems; `nearkin verify --repair` rebuilds derived files"
    advice = (
        "there are problems; `nearkin sync --check FOLDER` takes in what has changed or vanished, or restore the files"
    )
    return advice + ("; `nearkin verify --repair` rebuilds derived files" if of_pictures < len(problems) else "")


def catch_up(collection: Folder = DEFAULT) -> None:
    """Bring index and clusters up to date, after additions that left them behind (catch_up=False in Python)."""
    with open_collection(collection) as target:
        change = target.catch_up()
    say(f"everything is at change {change}")


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder for the copy; it is created.")],
    collection: Folder = DEFAULT,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier backup of this collection there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the collection to a folder, also while others write to it, and check the copy."""
    with open_collection(collection) as source, show_steps() as show:
        progress = None if show is None else lambda done, total: show(done, total, "copying")
        made = source.backup(folder, overwrite=overwrite, progress=progress)
    if as_json:
        print_json(made.to_dict())
    else:
        say(f"backed up {made.items} items with {made.vectors} vectors as of change {made.change} to {made.path}")
        say(f"{made.bytes:,} bytes in {made.seconds:.1f} s, checked; to use it: nearkin info -c {made.path}")


def rescue(collection: Folder = DEFAULT) -> None:
    """Recover what can still be read of a damaged collection."""
    from indexers.catalogue.rescue import rescue_catalogue

    folder = find_folder(collection)
    counts = rescue_catalogue(folder)
    say(f"recovered {counts['item']} items with {counts['vector']} vectors; add the same pictures again for the rest")
    say(f"the damaged database was kept as {folder / 'catalogue.sqlite.damaged'}")


def upgrade(collection: Folder = DEFAULT) -> None:
    """Upgrade a collection of an older version of nearkin to the current schema."""
    from indexers.catalogue import sqlite
    from indexers.catalogue.catalogue import Catalogue
    from indexers.catalogue.upgrade import BACKUP, upgrade_catalogue
    from retrieval.config import choose_address

    address = choose_address(collection)
    before, after = upgrade_catalogue(address)
    say(f"{address} is at schema {after}" + ("" if before == after else f" (was at {before})"))
    if before != after and isinstance(address, Path):
        say(f"the database as it was lies in {address / (sqlite.FILE + BACKUP)}; delete it when all is well")
    with closing(Catalogue.open(address)) as catalogue:
        is_own = catalogue.is_own()
    if not is_own:  # whose files they are proves nothing: so are those of an unpacked archive
        say(
            "it bears no signature of yours, since older versions made none: its settings, jobs and files of embedders "
            f"count once you sign it. If you made it: nearkin trust {shlex.quote(str(address))}"
        )


def trust(collection: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the collection.")]) -> None:
    """Trust the derived files of a collection that somebody else, or an older version of nearkin, has made.

    Without this command they are derived again from the catalogue, which takes longer once and is safe. After it,
    whoever made those files can crash your programs or run code in them: trust only people whom you would let install
    programs here.
    """
    from indexers.followers.trust import trust_collection

    signed, damaged = trust_collection(collection.expanduser().resolve())
    for reason in damaged:
        say(f"not signed, and derived again when needed: {reason}")
    say(f"{collection}: {signed} derived files are now signed as yours; you trust whoever made them")


def doctor(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Check the installation: what is installed, what is missing, and the command that installs it."""
    from retrieval.cli.doctor import examine
    from retrieval.config import choose_address

    checks = examine(choose_address(collection))
    if as_json:
        print_json({"checks": [check.to_dict() for check in checks]})
    else:
        for check in checks:
            mark = "ok     " if check.ok else "MISSING" if check.needed else "-      "
            say(f"{mark}  {check.what}: {check.found}", *([f"           {check.remedy}"] if check.remedy else []))
    raise typer.Exit(0 if all(check.ok or not check.needed for check in checks) else 1)


def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the pictures, the collection and the results.")] = Path(
        "nearkin-demo"
    ),
) -> None:
    """Try nearkin: index some thousand drawings and photographs, search and cluster them."""
    from retrieval.cli.demo import run

    with show_progress() as progress:
        run(folder, say, progress)


COMMANDS = (
    Command(info, "Maintenance", "nearkin info"),
    Command(verify, "Maintenance", "nearkin verify --repair"),
    Command(catch_up, "Maintenance", "nearkin catch-up", "catch-up"),
    Command(backup, "Maintenance", "nearkin backup /media/disk/photos-backup"),
    Command(rescue, "Maintenance", "nearkin rescue -c ~/photos"),
    Command(upgrade, "Maintenance", "nearkin upgrade"),
    Command(trust, "Maintenance", "nearkin trust ~/photos-from-anna"),
    Command(doctor, "Maintenance", "nearkin doctor"),
    Command(demo, "Maintenance", "nearkin demo"),
)
