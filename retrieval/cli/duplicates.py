"""The commands about duplicates."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.command import Command
from retrieval.cli.merging import MergeRules, Merging, parse_rules, show_merges
from retrieval.cli.names import Ids, Keys, find_item, find_items, name_collection, parse_id
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_from, open_collection
from retrieval.cli.output import print_json, say, show_message, write_text
from retrieval.cli.queries import is_picture
from retrieval.cli.together import FORMATS, check_new, write_picture
from retrieval.cli.viewer import Open, place_page, write_page
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from indexers.types import Json
    from retrieval.collection import Collection
    from retrieval.records.duplicates import DuplicateGroup, Move
    from retrieval.records.stacks import Stack

COLUMNS = ("group", "kind", "weakest", "item", "uri", "width", "height", "format", "bytes", "keep", "reason")
"""Of an export of duplicates."""
MANY = 100
"""New pictures from which on it is said how long they will take."""
SECONDS = {"opencv": 0.011, "numpy": 0.03}
"""For each picture that is described or compared, by engine, as measured on one core; pictures differ by far more."""
LONGER, SHORT = 1.5, 5.0
"""Times as long as was said, and seconds that are left, from which on it is said again."""
NAMES = {"opencv": "OpenCV", "numpy": "numpy"}
Threshold = Annotated[float, typer.Option("--threshold", help="Minimum confidence, 0 to 1.")]


def duplicates(
    collection: Folder = DEFAULT,
    threshold: Threshold = 0.5,
    rule: Annotated[
        str,
        typer.Option(
            help='How groups form: each picture is a duplicate of the one to keep ("kept"), of every other one '
            '("every pair"), or of any other one ("connected").',
            autocompletion=complete_from("kept", "every pair", "connected"),
        ),
    ] = "kept",
    prefer: Annotated[
        str | None, typer.Option(help='What to keep first: a format, a folder or "oldest" (default: best quality).')
    ] = None,
    export: Annotated[Path | None, typer.Option("--export", help="Write the groups to a .csv or .json file.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page that shows the proof of each pair.")] = None,
    is_opened: Open = False,
    move_to: Annotated[
        Path | None, typer.Option("--move-to", help="List which files would move to this folder; see --apply.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="With --move-to: move the files.")] = False,
    merge: Merging = False,
    merge_rules: MergeRules = None,
    undo: Annotated[
        Path | None,
        typer.Option("--undo", help="Move files back, as listed in this manifest.jsonl, and undo what was merged."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find duplicates in the collection; show them, export them, or move them to another folder."""
    if apply and move_to is None:
        raise typer.BadParameter(
            "--apply moves files and goes with --move-to; `nearkin decide keep --merge` only merges"
        )
    with open_collection(collection) as source:
        if undo is not None:
            show_moves(source.undo_moves(undo), as_json, "moved back")
            return
        rules = parse_rules(merge, merge_rules)
        groups = source.duplicates(threshold, rule=rule, prefer=prefer, progress=make_start_teller())
        merges = source.plan_merges(groups, rules) if rules is not False else ()
        if move_to is not None:
            moves = source.move_duplicates(groups, move_to, dry_run=not apply, merge=rules)
            if not as_json:
                show_merges(merges)
            more = {} if rules is False else {"merges": [merge.to_dict() for merge in merges]}
            show_moves(moves, as_json, "moved" if apply else "to move", more)
        elif html is not None or is_opened:
            from retrieval.pages.duplicates import render_duplicates

            page = render_duplicates(source, groups, f"Duplicates in {name_collection(source)}")
            file = place_page(html, source.path, "duplicates.html")
            write_page(page, file, format_count(len(groups), "group"), is_opened)
        elif export is not None:
            export_groups(groups, source, export)
            say(f"wrote {format_count(len(groups), 'group')} to {export}")
        elif as_json:
            more = {} if rules is False else {"merges": [merge.to_dict() for merge in merges]}
            print_json({"groups": [group.to_dict() for group in groups], **more})
        else:
            show_groups(groups, source)
            show_merges(merges)


def make_start_teller() -> Callable[[int, int], None]:
    """Return what says with what engine pictures will be compared and how long it will take; and again how long, by
    what was done so far, when it turns out to take much longer."""
    started = expected = 0.0
    last_done = 0

    def tell_start(done: int, total: int) -> None:
        nonlocal started, expected, last_done
        now = time.monotonic()
        if not expected and not done and total >= MANY:
            started, expected = now, _estimate(total)
            show_message(_describe_start(total, expected))
        elif expected and last_done < done < total:
            left = (now - started) / done * (total - done)
            if left > SHORT and now - started + left > LONGER * expected:
                expected = now - started + left
                show_message(f"{done:,} of {total:,} done; about {_round_seconds(left)} more")
        last_done = done

    return tell_start


def _estimate(total: int) -> float:
    from indexers.matching.features import pick_engine

    return total * SECONDS[pick_engine("auto")]


def _describe_start(total: int, seconds: float) -> str:
    from indexers.matching.features import pick_engine

    engine = pick_engine("auto")
    advice = "" if engine == "opencv" else "; quicker with OpenCV: pip install 'nearkin[duplicates]'"
    return f"comparing {total:,} pictures, with points by {NAMES[engine]}: about {_round_seconds(seconds)}{advice}"


def _round_seconds(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min" if seconds >= 90 else f"{max(1, round(seconds))} s"


def show_moves(moves: tuple[Move, ...], as_json: bool, action: str, more: Json | None = None) -> None:
    """Print which files were moved, or would be. `action`: the verb, such as "moved"; more: further JSON."""
    if as_json:
        print_json({"moves": [move.to_dict() for move in moves], **(more or {})})
        return
    for move in moves:
        say(f"skipped: {move.source} ({move.left})" if move.left else f"{action}: {move.source} -> {move.target}")
    count = sum(not move.left for move in moves)
    say(f"{count} {action}" + ("; nothing was changed, use --apply to move them" if action == "to move" else ""))


def show_groups(groups: tuple[DuplicateGroup, ...], source: Collection) -> None:
    """Print each group: the item to keep and why, and how each other item differs from it."""
    for number, group in enumerate(groups, 1):
        say(f"group {number}: {group.kind}, {len(group.items)} items, confidence at least {group.weakest:.2f}")
        for item in source.get(group.items):
            note = f"  keep ({group.reason})" if item.id == group.keep else _describe_differences(group, item.id)
            facts = f"{item.width} x {item.height} {item.format}, {item.bytes or 0:,} bytes"
            for uri in item.uris or (item.key,):
                say(f"  {item.id:>7}  {uri}  {facts}{note}")
        if len(group.path) > 2:
            say(f"           linked through items {' - '.join(map(str, group.path))}")
        if group.missing:
            say(f"           left out, since their files have vanished: items {', '.join(map(str, group.missing))}")
    say(f"{len(groups)} groups" if groups else "no duplicates found")


def _describe_differences(group: DuplicateGroup, item_id: int) -> str:
    from retrieval.records.duplicates import list_differences

    proofs = [pair for pair in group.pairs if {pair.a, pair.b} == {item_id, group.keep}]
    words = list_differences(proofs[0], group.keep) if proofs else []
    return f"  ({', '.join(words)})" if words else ""


def export_groups(groups: tuple[DuplicateGroup, ...], source: Collection, file: Path) -> None:
    """Write the groups to a .json or .csv file. Raises UsageError for another format."""
    from indexers.errors import UsageError
    from retrieval.transfer.cells import write_rows

    if file.suffix.lower() == ".json":
        write_text(file, json.dumps([group.to_dict() for group in groups], indent=1))
    elif file.suffix.lower() == ".csv":
        text = io.StringIO()
        write_rows(text, COLUMNS, list_rows(groups, source), "\n")
        write_text(file, text.getvalue())
    else:
        raise UsageError(f"cannot export to {file.name!r}; use .csv or .json")


def list_rows(groups: tuple[DuplicateGroup, ...], source: Collection) -> Iterator[list[Any]]:
    """Yield a row for each place of each item of each group."""
    for group in groups:
        for item in source.get(group.items):
            for uri in item.uris or ("",):
                is_best = item.id == group.keep
                facts = [item.width, item.height, item.format, item.bytes, is_best, group.reason if is_best else ""]
                yield [group.id, group.kind, group.weakest, item.id, uri, *facts]


def check(
    picture: Annotated[str | None, typer.Argument(help="A picture: a path or a URL. Or an item.")] = None,
    collection: Folder = DEFAULT,
    item: Annotated[str | None, typer.Option(help="Instead of a picture: an item, by its id, key or path.")] = None,
    ids: Ids = None,
    keys: Keys = None,
    threshold: Threshold = 0.5,
    as_json: AsJson = False,
) -> None:
    """Check whether the collection already holds a picture, unchanged or edited. Adds nothing.

    With an item, list the other items that are copies of it.
    """
    if (picture is None) == (item is None and not ids and not keys):
        raise typer.BadParameter("give a picture (a path or a URL), or an item by --item, --id or --key")
    with open_collection(collection) as source:
        if picture is not None and not is_picture(picture):
            picture, item = None, picture
        item_id = find_item(source, item, ids, keys)
        chosen = picture if item_id is None else item_id
        assert chosen is not None
        matches = source.duplicates_of(chosen, threshold=threshold)
    if as_json:
        print_json({"matches": [match.to_dict() for match in matches]})
        return
    for match in matches:
        differences = ", ".join(match.evidence["differs"]) or match.kind
        note = (
            f"{match.kind}: {differences}"
            if match.kind in ("inside another picture", "photo of a print")
            else differences
        )
        say(f"{match.score:.2f}  {match.uri or match.key}  ({note})")
    if not matches:
        say("not in the collection" if item_id is None else "no other item is a copy of it")


def decide(
    decision: Annotated[
        str,
        typer.Argument(
            help='"keep" (keep this one of its group of duplicates), "not" (the two are not duplicates), "both" (keep '
            'both), "cover" (make it the cover of its stack) or "undo".',
            autocompletion=complete_from("keep", "not", "both", "cover", "undo"),
        ),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ITEM",
            help="One item to keep, or two items, by id, key or path; for undo, the numbers of decisions.",
        ),
    ] = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
    merge: Merging = False,
    merge_rules: MergeRules = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With keep --merge: only list what is merged.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decide about duplicates and stacks: which one to keep, that two are none, that you keep both, which one is the
    cover of a stack; or undo decisions.

    No file is touched.
    """
    rules = parse_rules(merge, merge_rules)
    if decision != "keep" and (rules is not False or dry_run):
        raise typer.BadParameter("--merge, --merge-rule and --dry-run go with keep")
    count, needed = sum(map(len, (names or (), ids or (), keys or ()))), COUNTS.get(decision)
    is_undo = decision == "undo" and count and not ids and not keys
    if count != needed and not is_undo:
        raise typer.BadParameter(
            "use: decide not A B, decide both A B, decide keep A, decide cover A (items by id, key or path), or "
            "decide undo NUMBER..."
        )
    with open_collection(collection) as target:
        if decision == "undo":
            return undo_decisions(target, names or (), as_json)
        items = find_items(target, names, ids, keys)
        if decision == "keep":
            group = replace(_find_group(target, items[0]), keep=items[0])
            merges = target.plan_merges([group], rules) if dry_run or rules is not False else ()
            if dry_run:
                return print_json({"merges": [m.to_dict() for m in merges]}) if as_json else show_merges(merges)
            decisions = list(target.decide(group, items[0], merge=rules))
        elif decision == "cover":
            decisions = [target.choose_cover(stack, items[0]) for stack in _find_stacks(target, items[0])]
        else:
            decisions = [(target.not_duplicates if decision == "not" else target.keep_both)(*items)]
    if as_json:
        return print_json({"decisions": decisions})
    if decision == "keep":
        show_merges(merges)
        say(f"item {items[0]} is kept, and these are settled: {_join([i for i in group.items if i != items[0]])}")
    say(f"saved as decision {_join(decisions)}")


COUNTS = {"keep": 1, "cover": 1, "not": 2, "both": 2}
"""How many items each decision is about."""


def undo_decisions(target: Collection, numbers: Sequence[str], as_json: bool) -> None:
    """Undo decisions by their numbers, and print which were undone. Raises BadParameter, UsageError."""
    decisions = [_parse_decision(text) for text in numbers]
    for decision in decisions:
        target.undo(decision)
        if not as_json:
            say(f"decision {decision} was undone")
    if as_json:
        print_json({"undone": decisions})


def _parse_decision(text: str) -> int:
    number = parse_id(text)
    if number is None:
        raise typer.BadParameter(f"undo takes the number of a decision, such as 3; got {text!r}")
    return number


def _join(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _find_group(source: Collection, item_id: int) -> DuplicateGroup:
    """Return the group of duplicates with that item. Raises UsageError."""
    from indexers.errors import UsageError

    for group in source.duplicates():
        if item_id in group.items:
            return group
    raise UsageError(f"the item {item_id} is in no group of duplicates (`nearkin duplicates` lists them)")


def _find_stacks(source: Collection, item_id: int) -> list[Stack]:
    """Return the stacks with that item, of whatever kinds. Raises UsageError."""
    from indexers.errors import UsageError

    stacks = [stack for stack in source.stacks() if item_id in stack.items]
    if not stacks:
        raise UsageError(f"the item {item_id} is in no stack (`nearkin stacks` lists them)")
    return stacks


def overlay(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="A|B|FILE", help="Two items, by id, key or path, and a .png to write.")
    ] = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
) -> None:
    """Draw two pictures side by side, and the second laid over the first with their differences in colour."""
    *items, file = names or [""]
    if len(items) + len(ids or ()) + len(keys or ()) != 2 or Path(file).suffix.lower() not in FORMATS:
        raise typer.BadParameter("use: overlay A B FILE (items by id, key or path, and a .png, .webp or .jpg to write)")
    target = check_new(Path(file).expanduser(), "overlay A B FILE")
    with open_collection(collection) as source:
        image = source.overlay(*find_items(source, items, ids, keys))
    write_picture(image, target)
    say(f"wrote {file}")


def calibrate(
    collection: Folder = DEFAULT,
    pictures: Annotated[int, typer.Option("--pictures", help="Number of pictures to measure with.")] = 100,
) -> None:
    """Calibrate the candidate threshold for this embedder: how similar vectors must be for a comparison.

    Some embedders are calibrated already (lite0, classic); of others `duplicates` measures with twenty pictures itself,
    once the collection holds a hundred.
    """
    with open_collection(collection) as target:
        threshold = target.calibrate(pictures)
    say(f"pictures with a vector similarity of at least {threshold:.3f} are now compared in detail")


COMMANDS = (
    Command(duplicates, "Duplicates", "nearkin duplicates --html duplicates.html"),
    Command(check, "Duplicates", "nearkin check holiday.jpg"),
    Command(decide, "Duplicates", "nearkin decide keep holiday.jpg"),
    Command(overlay, "Duplicates", "nearkin overlay a.jpg b.jpg overlay.png"),
    Command(calibrate, "Duplicates", "nearkin calibrate"),
)
