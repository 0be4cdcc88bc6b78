"""The commands that add pictures to a collection, list, update and remove them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import Ids, Keys, find_items
from retrieval.cli.options import (
    DEFAULT,
    AsJson,
    Device,
    EmbedderSettings,
    Folder,
    Precision,
    RetryFailed,
    Where,
    build_embedder,
    complete_plugins,
    needs_second_space,
    open_collection,
    parse_json,
    read_lines,
    read_paths,
)
from retrieval.cli.output import (
    finish_with_report,
    format_value,
    print_json,
    say,
    show_listing,
    show_page,
    show_progress,
    show_table,
)
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from indexers.types import Json
    from retrieval.collection import Collection
    from retrieval.records.items import Item
    from retrieval.records.work import QueueReport

Metadata = Annotated[str | None, typer.Option(help='Metadata for every picture, e.g. \'{"album": "2024"}\'.')]


def add(
    paths: Annotated[list[str] | None, typer.Argument(help="Files, folders, globs or URLs.")] = None,
    collection: Folder = DEFAULT,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="Model that turns pictures into vectors; `nearkin embedders` lists them.",
            autocompletion=complete_plugins("nearkin.embedders"),
        ),
    ] = None,
    device: Device = "auto",
    precision: Precision = None,
    settings: EmbedderSettings = None,
    listing: Annotated[
        Path | None, typer.Option("--list", help="A file with one path per line; - for standard input.")
    ] = None,
    metadata: Metadata = None,
    retry_failed: RetryFailed = False,
    no_work: Annotated[
        bool, typer.Option("--no-work", help="Only queue the pictures; `nearkin work`, anywhere, adds them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add pictures; creates the collection if it does not exist.

    With --embedder NAME on a collection that uses another embedder, this embeds the pictures of the collection a second
    time, into a space of their own. Then `nearkin use NAME` switches to it.
    """
    sources = [*(paths or []), *(read_paths(listing) if listing else [])]
    if not sources and not retry_failed and embedder is None:
        raise typer.BadParameter("give files, folders or globs to add (or --list, or --retry-failed)")
    parameters: Json = parse_json(settings, "--settings") or {}
    parameters |= {} if precision is None else {"precision": precision}
    model = build_embedder(embedder, parameters) if embedder is not None and parameters else embedder
    is_second = needs_second_space(collection, model)
    first = None if is_second else model
    values = parse_json(metadata, "--metadata")
    if no_work and (is_second or not sources):
        raise typer.BadParameter("--no-work queues files, folders and URLs for the embedder of the collection")
    with open_collection(collection, create=True, embedder=first, device=device) as target:
        if no_work:
            queued = target.queue(sources, metadata=values, retry_failed=retry_failed)
            return _show_queued(queued, as_json)
        with show_progress() as progress:
            if retry_failed and not sources:
                report = target.retry_failed(progress=progress)
            elif sources or not is_second:
                report = target.add(sources, metadata=values, retry_failed=retry_failed, progress=progress)
            if is_second and model is not None:
                report = target.fill(model, progress=progress)
        finish_with_report(report, as_json)


def _show_queued(report: QueueReport, as_json: bool) -> None:
    """Print what was queued; exit with 1 if something could not be entered."""
    if as_json:
        print_json(report.to_dict())
    else:
        say(f"{report.queued:,} queued, {report.known:,} known, {report.failed:,} failed in {report.seconds:.1f} s")
        for failure in report.failures[:10]:
            say(f"  failed: {failure.uri}: {failure.reason}")
    if report.failed:
        raise typer.Exit(1)


def add_texts(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts, each an item of its own.")] = None,
    collection: Folder = DEFAULT,
    listing: Annotated[
        Path | None, typer.Option("--list", help="A file with one text per line; - for standard input.")
    ] = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
) -> None:
    """Add texts as items, found among pictures by what they say; needs an embedder with text search, such as clip."""
    lines = [" ".join(line.split()) for line in (*(texts or ()), *(read_lines(listing) if listing else ()))]
    lines = [line for line in dict.fromkeys(lines) if line]
    if not lines:
        raise typer.BadParameter("give texts to add, or --list")
    with open_collection(collection) as target:
        report = target.add_texts(lines, keys=lines, metadata=parse_json(metadata, "--metadata"))
    finish_with_report(report, as_json)


def sync(
    paths: Annotated[list[Path], typer.Argument(help="Folders.")],
    collection: Folder = DEFAULT,
    metadata: Metadata = None,
    retry_failed: RetryFailed = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read known files again, whatever their size and time.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add the new pictures of folders, and mark pictures whose files have vanished."""
    values = parse_json(metadata, "--metadata")
    with open_collection(collection, create=True) as target:
        with show_progress() as progress:
            report = target.sync(paths, metadata=values, retry_failed=retry_failed, check=check, progress=progress)
        finish_with_report(report, as_json)


def items(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ITEM", help="Items to show in full, by id, key or path.")
    ] = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
    where: Where = None,
    name: Annotated[str | None, typer.Option("--name", help="Only items whose path or key contains this text.")] = None,
    page: Annotated[int, typer.Option("--page", help="Page number (100 items per page).")] = 1,
    as_json: AsJson = False,
) -> None:
    """List the items of the collection, or show some of them with everything that is known about them."""
    is_full = bool(names or ids or keys)
    if is_full and (where is not None or name is not None or page != 1):
        raise typer.BadParameter("name items, or list those of --where, --name and --page; not both")
    condition = _combine(parse_json(where, "--where"), name)
    with open_collection(collection) as source:
        if is_full:
            return _show_items(source.get(find_items(source, names, ids, keys)), as_json)
        rows = source.items(where=condition, page=page)
        count = source.count(where=condition)
    if as_json:
        print_json({**rows.to_dict(), "count": count})
    else:
        show_listing(rows)
    show_page(len(rows), page, count, as_json)
    if not as_json and count <= 100 and page == 1:
        say(format_count(count, "item"))


def _combine(where: Any, name: str | None) -> Any:
    """Return a filter for what `where` admits and whose path or key contains `name`."""
    if name is None:
        return where
    is_named = {"$or": [{"uri": {"$icontains": name}}, {"key": {"$icontains": name}}]}
    return is_named if where is None else {"$and": [where, is_named]}


def _show_items(rows: Sequence[Item], as_json: bool) -> None:
    if as_json:
        return print_json({"items": [row.to_dict() for row in rows]})
    for number, row in enumerate(rows):
        facts = {name: value for name, value in row.to_dict().items() if value not in (None, [], {}, "")}
        facts |= {f"metadata.{key}": value for key, value in facts.pop("metadata", {}).items()}
        others = [uri for uri in facts.pop("uris", []) if uri != row.uri]
        facts |= {"also at": ", ".join(others)} if others else {}
        say(*([""] if number else []))
        show_table([(name, format_value(value)) for name, value in facts.items()])


def update(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ITEM|KEY=VALUE",
            help="Items, by id, key or path, and metadata for them. A value is JSON, else a text.",
        ),
    ] = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
    where: Where = None,
    metadata: Annotated[
        str | None, typer.Option("--metadata", help='Metadata as JSON, e.g. \'{"tags": ["sea", "sun"]}\'.')
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Text about the picture, found by --query.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Tag to add; can be repeated.")] = None,
    untag: Annotated[list[str] | None, typer.Option("--untag", help="Tag to take off; can be repeated.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the metadata in the place of all that an item has.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Change the metadata or the text of items.

    Keys that are not named stay as they are. To remove a key, give all the others with --replace.
    """
    values = parse_json(metadata, "--metadata")
    names = [word for word in words or () if parse_assignment(word) is None]
    pairs = [word for word in words or () if parse_assignment(word) is not None]
    if not pairs and not names and not ids and not keys and where is None:
        raise typer.BadParameter("give items, or --where")
    if where is not None and (names or ids or keys):
        raise typer.BadParameter("give items, or --where; not both")
    if not pairs and values is None and text is None and not tag and not untag:
        raise typer.BadParameter("give KEY=VALUE, --metadata, --text, --tag or --untag to change")
    if (tag or untag) and (replace or text is not None):
        raise typer.BadParameter("--tag and --untag go without --replace and --text")
    condition = parse_json(where, "--where")
    with open_collection(collection) as target:
        values = _merge_assignments(target, values, pairs)
        if not names and not ids and not keys and where is None:
            raise typer.BadParameter("give the items to change, or --where")
        if where is not None:
            chosen = [item.id for item in target.walk(where=condition)] if replace or text is not None else None
        else:
            chosen = list(dict.fromkeys(find_items(target, names, ids, keys)))
        if replace or text is not None:
            for item_id in chosen or ():
                target.update(item_id, values, text=text, replace=replace)
            count = len(chosen or ())
        else:
            lists = {"extend": {"tags": tag} if tag else None, "reduce": {"tags": untag} if untag else None}
            scope = condition if chosen is None else {"id": {"$in": chosen}}
            count = target.update_all(values, where=scope, **lists)
    print_json({"updated": count}) if as_json else say(f"updated {format_count(count, 'item')}")


def parse_assignment(word: str) -> tuple[str, Any] | None:
    """Return key and value of `KEY=VALUE`: the value as JSON (`2024`, `true`, `["a", "b"]`), or else as the text that
    it is. None for another word, such as a path."""
    key, equals, text = word.partition("=")
    if not equals or not re.fullmatch(r"[^\W\d][\w. -]*", key):
        return None
    try:
        return key, json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return key, text


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value of JSON")


def _merge_assignments(source: Collection, values: Any, pairs: Sequence[str]) -> Any:
    """Return metadata with the values of these `KEY=VALUE`. Raises UsageError for one that is an item's name as well,
    BadParameter for a key that is given twice."""
    from indexers.errors import ItemNotFound, UsageError

    if values is not None and not isinstance(values, dict):
        raise typer.BadParameter(f"--metadata takes an object, such as '{{\"year\": 2024}}'; got {values!r}")
    merged = dict(values or {})
    for pair in pairs:
        try:
            item = source.get(pair)
        except ItemNotFound:
            pass
        else:
            raise UsageError(
                f"{pair!r} is the name of an item (id {item.id}), and reads as KEY=VALUE; say --id {item.id} for the "
                "item, or --metadata for the value"
            )
        key, value = parse_assignment(pair) or ("", None)
        if key in merged:
            raise typer.BadParameter(f"the key {key!r} is given twice")
        merged[key] = value
    return merged


def remove(
    names: Annotated[list[str] | None, typer.Argument(metavar="ITEM", help="Items, by id, key or path.")] = None,
    collection: Folder = DEFAULT,
    ids: Ids = None,
    keys: Keys = None,
    where: Where = None,
    missing: Annotated[bool, typer.Option("--missing", help="All items whose files have vanished.")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Delete them for good, at once.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove items from the collection; for 30 days `nearkin restore` brings them back. The picture files are not
    touched.

    Items together with --where or --missing: those of them that match.
    """
    is_named = bool(names or ids or keys)
    if not is_named and where is None and not missing:
        raise typer.BadParameter("give items, --where or --missing")
    condition = parse_json(where, "--where")
    if missing:
        condition = {"missing": True} if where is None else {"$and": [condition, {"missing": True}]}
    with open_collection(collection) as target:
        chosen = find_items(target, names, ids, keys) if is_named else None
        count = target.remove(chosen, where=condition, purge=purge)
    print_json({"removed": count}) if as_json else say(f"removed {format_count(count, 'item')}")


def failures(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the files that could not be read, and why."""
    with open_collection(collection) as source:
        records = source.failures()
    if as_json:
        print_json({"failures": [failure.to_dict() for failure in records]})
    else:
        for failure in records:
            times = format_count(failure.attempts, "time")
            say(f"{failure.uri}: {failure.reason} (tried {times}, last at {failure.at})")
        if not records:
            say("no failures")


COMMANDS = (
    Command(add, "Pictures", "nearkin add ~/Pictures"),
    Command(add_texts, "Pictures", "nearkin add-texts 'a red boat' 'a harbour at night'", "add-texts"),
    Command(sync, "Pictures", "nearkin sync ~/Pictures"),
    Command(items, "Pictures", "nearkin items --name holiday"),
    Command(update, "Pictures", "nearkin update holiday.jpg year=2024 place=Oslo"),
    Command(remove, "Pictures", "nearkin remove --missing"),
    Command(failures, "Pictures", "nearkin failures"),
)
