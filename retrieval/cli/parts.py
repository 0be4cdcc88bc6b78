"""The command that looks for parts of pictures, and lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import Ids, Keys, find_items
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_from, open_collection
from retrieval.cli.output import print_json, say, show_steps
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.collection import Collection
    from retrieval.records.parts import Part

FIND = "find"
SHOWN = 10
"""Failures that are printed."""


def parts(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="find FINDER... | ITEM",
            help="Look for parts: subject, regions (or regions:slic, regions:watershed), tiles (or tiles:3), pages of "
            "PDFs, frames of films. Or list those of an item, by id, key or path.",
            autocompletion=complete_from(FIND, "subject", "regions", "tiles", "pages", "frames"),
        ),
    ] = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
    kind: Annotated[str | None, typer.Option("--kind", help="List only parts of this kind.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With find: also try pictures again that could not be read.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find subjects, regions and other parts in pictures, so that `nearkin search --by KIND` compares these; or list
    the parts of a picture.

    Pictures in which a finder has looked before are not looked at again.
    """
    is_find = bool(names) and names is not None and names[0] == FIND and not ids and not keys
    if is_find and names is not None:
        if len(names) == 1:
            raise typer.BadParameter("say what to look for: nearkin parts find subject")
        with open_collection(collection) as target:
            return find_parts(target, names[1:], retry_failed, as_json)
    with open_collection(collection) as source:
        items = find_items(source, names, ids, keys)
        if len(items) != 1:
            raise typer.BadParameter("give one item, by id, key or path, or: nearkin parts find subject")
        show_parts(source.parts(items[0], kind), as_json)


def find_parts(target: Collection, finders: Sequence[str], retry_failed: bool, as_json: bool) -> None:
    """Look for parts, and tell how many were found."""
    with show_steps() as show:
        progress = None if show is None else lambda done, total: show(done, total, "looking for parts")
        report = target.find_parts(finders, retry_failed=retry_failed, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        found = f"{format_count(report.parts, 'part')} in {report.with_parts} of them, " if report.items else ""
        looked = f"looked at {format_count(report.items, 'picture')}, {found}"
        say(f"{looked}{report.failed} failed, in {report.seconds:.1f} s")
        for failure in report.failures[:SHOWN]:
            say(f"  failed: {failure.uri}: {failure.reason}")
        if report.failed > SHOWN:
            say(f"  ... and {report.failed - SHOWN} more; --json lists them")
    raise typer.Exit(1 if report.failed else 0)


def show_parts(found: Sequence[Part], as_json: bool) -> None:
    """Print parts, each with its place."""
    if as_json:
        print_json({"parts": [part.to_dict() for part in found]})
        return
    for part in found:
        score = "" if part.score is None else f"  {part.score:.2f}"
        say(f"{part.id:>8}  {part.kind}  {describe_place(part)}{score}")
    if not found:
        say("no parts; `nearkin parts find subject` looks for them")


def describe_place(part: Part) -> str:
    """Return where a part is: its page, its time, and its box as `search --region` takes it."""
    places = [] if part.page is None else [f"page {part.page}"]
    if part.start is not None:
        places.append(f"at {format_time(part.start)}")
    if part.box is not None:
        places.append(",".join(map(str, part.box)))
    return " ".join(places) or "all of it"


def format_time(seconds: float) -> str:
    """Return seconds in a film as hours, minutes and seconds."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


COMMANDS = (Command(parts, "Pictures", "nearkin parts find subject"),)
