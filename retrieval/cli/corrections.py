"""The commands that correct clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.duplicates import undo_decisions
from retrieval.cli.names import find_cluster, find_items, parse_id
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_from, open_collection
from retrieval.cli.output import print_json, say
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.collection import Collection
    from retrieval.records.clusters import Correction

USES = {
    "merge": "correct merge CLUSTER CLUSTER",
    "split": "correct split CLUSTER ITEM... (these items are taken out)",
    "move": "correct move CLUSTER ITEM...",
    "together": "correct together ITEM ITEM...",
    "apart": "correct apart ITEM ITEM",
    "hide": "correct hide CLUSTER",
    "undo": "correct undo NUMBER...",
}
"""How each correction is written."""
MOST = 10**9
COUNTS = {
    "merge": (2, 2),
    "split": (2, MOST),
    "move": (2, MOST),
    "together": (2, MOST),
    "apart": (2, 2),
    "hide": (1, 1),
}
"""How many names each takes, at least and at most; undo any number."""


def correct(
    correction: Annotated[
        str,
        typer.Argument(
            help='"merge" two clusters, "split" items off a cluster, "move" items to a cluster, keep items "together" '
            'or two "apart", "hide" a cluster, or "undo".',
            autocompletion=complete_from(*USES),
        ),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Clusters by name or id; items by id, key or path, after the cluster, of a cluster of parts ids of "
            "parts; for undo the numbers.",
        ),
    ] = None,
    collection: Folder = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Correct clusters for good: the correction outlives new pictures, recluster and a change of the model."""
    given = names or []
    least, most = COUNTS.get(correction, (1, MOST))
    if correction not in USES or not least <= len(given) <= most:
        raise typer.BadParameter("use: " + (USES.get(correction) or "; ".join(USES.values())))
    with open_collection(collection) as target:
        if correction == "undo":
            return undo_decisions(target, given, as_json)
        decision = _correct(target, correction, given)
        exception = next(row.exception for row in target.corrections() if row.decision == decision)
    if as_json:
        return print_json({"decisions": [decision]})
    say(f"this is correction {decision}; take it back with: nearkin correct undo {decision}")
    if exception:
        say(exception)


def _correct(target: Collection, correction: str, names: Sequence[str]) -> int:
    if correction == "together":
        return target.keep_together(_find_members(target, names))
    if correction == "apart":
        first, second = _find_members(target, names)
        return target.keep_apart(first, second)
    cluster = find_cluster(target, names[0]).id or 0
    if correction == "merge":
        return target.merge_clusters(cluster, find_cluster(target, names[1]).id or 0)
    if correction == "hide":
        return target.hide(cluster)
    members = _find_members(target, names[1:])
    return (
        target.split_cluster(cluster, [members]) if correction == "split" else target.move_to_cluster(members, cluster)
    )


def _find_members(target: Collection, names: Sequence[str]) -> list[int]:
    """Return the ids of items, or of parts where none of the numbers is an item."""
    from indexers.errors import ItemNotFound

    ids = [parse_id(name) for name in names]
    try:
        return find_items(target, names)
    except ItemNotFound:
        parts = [number for number in ids if number is not None]
        if len(target._parts.part_finder.find_holders(parts)) < len(set(names)):
            raise
        return parts


def _count(row: Correction) -> str:
    count = sum(map(len, row.groups))
    return format_count(count, "item") if row.of is None else f"{count:,} {row.of}"


def corrections(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the corrections of clusters, each with what of it does not hold."""
    with open_collection(collection) as source:
        rows = source.corrections()
    if as_json:
        return print_json({"corrections": [row.to_dict() for row in rows]})
    for row in rows:
        items = " ".join(f"#{cluster}" for cluster in row.clusters) or _count(row)
        say(
            f"{row.decision:>7}  {row.kind:<9} {row.level:<7} {items}" + (f"; {row.exception}" if row.exception else "")
        )
    say(format_count(len(rows), "correction"))


COMMANDS = (
    Command(correct, "Clusters", "nearkin correct merge boats ships"),
    Command(corrections, "Clusters", "nearkin corrections"),
)
