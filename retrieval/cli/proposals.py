"""The commands about what programs propose: list it, accept it, reject it; and the door through which they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_from, open_collection
from retrieval.cli.output import format_value, print_json, say
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from retrieval.records.proposals import Proposal

VERBS = ("accept", "reject")
STATES = ("open", "accepted", "rejected")


def proposals(
    verb: Annotated[
        str | None,
        typer.Argument(
            metavar="[accept|reject]",
            help="What to do with those of these numbers; without it they are listed.",
            autocompletion=complete_from(*VERBS),
        ),
    ] = None,
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[NUMBER]...", help="Numbers of proposals.")] = None,
    collection: Folder = DEFAULT,
    state: Annotated[
        str, typer.Option(help="List those that are open, accepted or rejected.", autocompletion=complete_from(*STATES))
    ] = "open",
    as_json: AsJson = False,
) -> None:
    """List what programs propose (see `nearkin mcp`), and accept or reject it: nothing comes of it before."""
    if verb is not None and (verb not in VERBS or not numbers):
        raise typer.BadParameter("use: proposals accept NUMBER..., or proposals reject NUMBER...")
    with open_collection(collection) as target:
        if verb is None:
            rows = target.proposals(state)
        else:
            settle = target.accept_proposal if verb == "accept" else target.reject_proposal
            rows = tuple(settle(number) for number in numbers or ())
    if as_json:
        return print_json({"proposals": [row.to_dict() for row in rows]})
    for row in rows:
        say(f"{row.id:>7}  {row.state:<9} {describe(row)}")
        if row.reason or row.source:
            say(f"{'':>7}  {row.source or 'unnamed'}: {row.reason}")
        if row.decisions and verb:
            say(f"{'':>7}  take it back with: nearkin decide undo {' '.join(map(str, row.decisions))}")
    if verb is None:
        say(f"{format_count(len(rows), 'proposal')} {state}")


def describe(row: Proposal) -> str:
    """Return what is proposed in a line."""
    shown = ", ".join(map(str, row.items[:10])) + (f" and {len(row.items) - 10} more" if len(row.items) > 10 else "")
    items = f"items {shown}" if row.items else ""
    clusters = " ".join(f"#{cluster}" for cluster in row.clusters)
    values = ", ".join(f"{key}={format_value(value)}" for key, value in row.metadata.items())
    return " ".join(
        part for part in (row.kind, items, clusters, f"to {row.name!r}" if row.name else "", values) if part
    )


COMMANDS = (Command(proposals, "Maintenance", "nearkin proposals accept 3"),)
