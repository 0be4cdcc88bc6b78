"""The command that lists stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.duplicates import make_start_teller
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_from, open_collection
from retrieval.cli.output import print_json, say
from retrieval.pages.page import format_count, make_printable

if TYPE_CHECKING:
    from retrieval.collection import Collection
    from retrieval.records.stacks import Stack

KINDS = (
    *("burst", "exposure bracket", "focus series", "raw + jpeg", "raw + heic", "heic + jpeg"),
    *("edit", "crop", "screenshot", "inside another picture"),
)


def stacks(
    collection: Folder = DEFAULT,
    kind: Annotated[
        str | None, typer.Option("--kind", help="Only stacks of this kind.", autocompletion=complete_from(*KINDS))
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find pictures that belong together and are no copies: bursts, brackets, RAW and JPEG, edits, crops, screenshots.

    Each stack has a cover; `nearkin decide cover ITEM` chooses another one.
    """
    with open_collection(collection) as source:
        found = source.stacks(kind, progress=make_start_teller())
        if as_json:
            print_json({"stacks": [stack.to_dict() for stack in found]})
            return
        show_stacks(found, source)


def show_stacks(found: tuple[Stack, ...], source: Collection) -> None:
    """Print each stack: why it is one, its pictures, and which of them is the cover and why."""
    for number, stack in enumerate(found, 1):
        say(f"stack {number}: {stack.kind}, {stack.reason}")
        for item in source.get(stack.items):
            note = f"  cover ({stack.cover_reason})" if item.id == stack.cover else ""
            say(f"  {item.id:>7}  {make_printable(item.uri or item.key)}{note}")
    say(format_count(len(found), "stack") if found else "no stacks found")


COMMANDS = (Command(stacks, "Duplicates", "nearkin stacks --kind burst"),)
