"""The commands about copies."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.options import DEFAULT, AsJson, Folder, open_collection
from retrieval.cli.output import print_json, say, write_text

if TYPE_CHECKING:
    from retrieval.collection import Collection
    from retrieval.records.duplicates import DuplicateGroup, Move


def register(app: typer.Typer) -> None:
    """Add the commands to the command line's."""
    for command in (duplicates, check, decide, calibrate):
        app.command()(command)


def duplicates(
    collection: Folder = DEFAULT,
    threshold: Annotated[float, typer.Option("--threshold", help="How sure it must be, 0 to 1.")] = 0.5,
    rule: Annotated[str, typer.Option(help='kept, "every pair" or connected.')] = "kept",
    prefer: Annotated[str | None, typer.Option(help='Keep first: a format, a folder or "oldest".')] = None,
    export: Annotated[Path | None, typer.Option("--export", help="Write the groups to a .csv or .json file.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with the proof of each copy.")] = None,
    move_to: Annotated[Path | None, typer.Option("--move-to", help="Say which copies would go there.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="With --move-to: move them.")] = False,
    undo: Annotated[Path | None, typer.Option("--undo", help="Bring back what a manifest names.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show which pictures are copies of each other, and move copies out of the way."""
    with open_collection(collection) as source:
        if undo is not None:
            show_moves(source.undo_moves(undo), as_json, "brought back")
            return
        found = source.duplicates(threshold, rule=rule, prefer=prefer)
        if move_to is not None:
            show_moves(
                source.move_duplicates(found, move_to, dry_run=not apply), as_json, "moved" if apply else "to move"
            )
        elif html is not None:
            from retrieval.pages import duplicates as review

            write_text(html, review.render_duplicates(source, found, f"Copies in {source.path.name}"))
            say(f"wrote {len(found)} groups to {html}")
        elif export is not None:
            export_groups(found, source, export)
            say(f"wrote {len(found)} groups to {export}")
        elif as_json:
            print_json({"groups": [group.to_dict() for group in found]})
        else:
            show_groups(found, source)


def show_moves(moves: tuple[Move, ...], as_json: bool, what: str) -> None:
    if as_json:
        print_json({"moves": [move.to_dict() for move in moves]})
        return
    for move in moves:
        say(f"{what}: {move.source} -> {move.target}" if not move.left else f"left alone: {move.source} ({move.left})")
    count = sum(not move.left for move in moves)
    say(f"{count} {what}" + ("; nothing was touched, --apply does it" if what == "to move" else ""))


def show_groups(found: tuple[DuplicateGroup, ...], source: Collection) -> None:
    from retrieval.records.duplicates import list_differences

    for group in found:
        items = {item.id: item for item in source.get(group.items)}
        say(f"{group.kind}, {len(group.items)} items, at least {group.weakest:.2f} sure  group {group.id}")
        for one in group.items:
            item = items[one]
            kept = f"  keep ({group.reason})" if one == group.keep else ""
            size = f"{item.width} x {item.height} {item.format}, {item.bytes or 0:,} bytes"
            beside = [pair for pair in group.pairs if {pair.a, pair.b} == {one, group.keep}]
            done = ", ".join(list_differences(beside[0], group.keep)) if beside else ""
            for uri in item.uris or (item.key,):
                say(f"  {one:>7}  {uri}  {size}{kept}" + (f"  ({done})" if done else ""))
        if len(group.path) > 2:
            say(f"          held together by the chain {' - '.join(map(str, group.path))}")
    say(f"{len(found)} groups" + ("" if found else ": no copies were found"))


def export_groups(found: tuple[DuplicateGroup, ...], source: Collection, file: Path) -> None:
    from indexers.errors import UsageError

    if file.suffix.lower() == ".json":
        write_text(file, json.dumps([group.to_dict() for group in found], indent=1))
    elif file.suffix.lower() == ".csv":
        text = io.StringIO()
        write_rows(csv.writer(text, lineterminator="\n"), found, source)
        write_text(file, text.getvalue())
    else:
        raise UsageError(f"{file.name!r} names no format to export to; use .csv or .json")


def write_rows(writer: Any, found: tuple[DuplicateGroup, ...], source: Collection) -> None:
    writer.writerow(["group", "kind", "weakest", "item", "uri", "width", "height", "format", "bytes", "keep", "reason"])
    for group in found:
        for item in source.get(group.items):
            for uri in item.uris or ("",):
                kept = item.id == group.keep
                about = [item.width, item.height, item.format, item.bytes, kept, group.reason if kept else ""]
                writer.writerow([group.id, group.kind, group.weakest, item.id, uri, *about])


def check(
    picture: Annotated[str, typer.Argument(help="A picture: a path or an address.")],
    collection: Folder = DEFAULT,
    threshold: Annotated[float, typer.Option("--threshold", help="How sure it must be, 0 to 1.")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Tell whether a picture is there already, as it is or edited. It is not added."""
    with open_collection(collection) as source:
        found = source.duplicates_of(picture, threshold=threshold)
    if as_json:
        print_json({"matches": [match.to_dict() for match in found]})
        return
    for match in found:
        differs = ", ".join(match.evidence["differs"]) or match.kind
        say(f"{match.score:.2f}  {match.uri or match.key}  ({differs})")
    if not found:
        say("it is not there")


def decide(
    what: Annotated[str, typer.Argument(help='"not" (no copies), "both" (keep both) or "undo".')],
    items: Annotated[list[str], typer.Argument(help="Two items: ids, keys or paths; or a decision's number.")],
    collection: Folder = DEFAULT,
) -> None:
    """Say that two pictures are no copies, or that both are wanted; or take that back."""
    from retrieval.cli.options import parse_item_name

    names = [parse_item_name(one) for one in items]
    with open_collection(collection) as target:
        if what == "undo" and len(names) == 1:
            target.undo(names[0])
            say(f"decision {names[0]} is taken back")
        elif what in ("not", "both") and len(names) == 2:
            made = (target.not_duplicates if what == "not" else target.keep_both)(*names)
            say(f"noted, as decision {made}")
        else:
            raise typer.BadParameter("say: not A B, both A B, or undo NUMBER")


def calibrate(
    collection: Folder = DEFAULT,
    pictures: Annotated[int, typer.Option("--pictures", help="How many are tried.")] = 100,
) -> None:
    """Measure for another embedder from which similarity on two pictures are worth a proof."""
    with open_collection(collection) as target:
        near = target.calibrate(pictures)
    say(f"pictures whose vectors are at least {near:.3f} similar are compared")
