"""The command line: one call into the library for each command, its errors as sentences and exit codes.

0 done, 1 the work failed or is incomplete, 2 wrong usage.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from retrieval.cli import clusterings as cli_clusterings
from retrieval.cli import clusters as cli_families
from retrieval.cli import duplicates as cli_duplicates
from retrieval.cli import evaluate as cli_evaluate
from retrieval.cli import serve as cli_serve
from retrieval.cli import transfer as cli_transfer
from retrieval.cli.options import (
    DEFAULT,
    AsJson,
    Device,
    Folder,
    Precision,
    Settings,
    Where,
    identified,
    listed,
    made,
    opened,
    parsed,
    second_space,
)
from retrieval.cli.output import Notes, emit, reported, say, show_embedders, show_groups, show_hits, show_table, watched

if TYPE_CHECKING:
    from indexers.types import Json

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    if wanted:
        from retrieval import __version__

        say(f"nearkin {__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Similar pictures, families of pictures, copies: an index that you can ask."""


@app.command()
def add(
    paths: Annotated[list[str] | None, typer.Argument(help="Files, folders, globs, addresses.")] = None,
    collection: Folder = DEFAULT,
    embedder: Annotated[str | None, typer.Option(help="What turns pictures into vectors; see `embedders`.")] = None,
    device: Device = "auto",
    precision: Precision = None,
    settings: Settings = None,
    listing: Annotated[
        Path | None, typer.Option("--list", help="A file with paths, one a line; - is standard input.")
    ] = None,
    metadata: Annotated[str | None, typer.Option(help='Metadata for each picture, e.g. \'{"album": "2024"}\'.')] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add pictures; makes the collection if there is none.

    With --embedder NAME on a collection that was made with another one: fill a second space beside the first, from the
    pictures that are there. `nearkin use NAME` then switches to it.
    """
    wanted: list[Any] = [*(paths or []), *(listed(listing) if listing else [])]
    if not wanted and not retry_failed and embedder is None:
        raise typer.BadParameter("give files, folders or globs to add (or --list, or --retry-failed)")
    how: Json = parsed(settings, "--settings") or {}
    how |= {} if precision is None else {"precision": precision}
    second = second_space(collection, embedder)
    chosen = made(embedder, how) if embedder and how else embedder
    first = None if second else chosen
    with opened(collection, create=True, embedder=first, device=device) as target, watched() as watch:
        said = parsed(metadata, "--metadata")
        if retry_failed and not wanted:
            report = target.retry_failed(progress=watch)
        elif wanted or not second:
            report = target.add(wanted, metadata=said, retry_failed=retry_failed, progress=watch)
        if second and chosen:
            report = target.fill(chosen, progress=watch)
    reported(report, as_json)


@app.command()
def embedders(
    names: Annotated[list[str] | None, typer.Argument(help="Some, e.g. timm:resnet26d; all if none is given.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Also measure how quick each is here.")] = False,
    device: Device = "auto",
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Show which embedders can be used now, and what the others need."""
    from indexers.embedders.overview import overview

    found = overview(names or (), measure, device, **(parsed(settings, "--settings") or {}))
    emit({"embedders": [one.to_dict() for one in found]}) if as_json else show_embedders(found)


@app.command("export-onnx")
def export_onnx(
    embedder: Annotated[str, typer.Argument(help="clip, resnet50, torchvision:NAME, timm:NAME ...")],
    file: Annotated[Path, typer.Argument(help="The ONNX file to write.")],
    int8: Annotated[bool, typer.Option("--int8", help="8-bit weights where that pays: smaller, quicker.")] = False,
    settings: Settings = None,
) -> None:
    """Write a model as an ONNX file, which the embedder `onnx:FILE` reads."""
    from indexers.embedders.export import export_onnx as write

    say(f"wrote {write(made(embedder, parsed(settings, '--settings') or {}), file, int8)}")


@app.command()
def spaces(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the spaces (one for each embedder), and how full they are."""
    with opened(collection) as source:
        found = source.spaces()
    if as_json:
        emit({"spaces": [one.to_dict() for one in found]})
    for one in () if as_json else found:
        say(f"{'*' if one.current else ' '} {one.name}  {one.vectors} vectors of {one.dimension}, {one.metric}")


@app.command()
def use(
    space: Annotated[str, typer.Argument(help="A space's name; `nearkin spaces` lists them.")],
    collection: Folder = DEFAULT,
    partial: Annotated[bool, typer.Option("--partial", help="Even if it lacks items.")] = False,
) -> None:
    """Search another space from now on."""
    with opened(collection) as target:
        target.use(space, partial=partial)
    say(f"{collection} now searches {space}")


@app.command()
def drop(
    space: Annotated[str, typer.Argument(help="A space's name; `nearkin spaces` lists them.")],
    collection: Folder = DEFAULT,
) -> None:
    """Remove a space with its vectors (the pictures stay)."""
    with opened(collection) as target:
        target.drop_space(space)
    say(f"{space} is gone from {collection}")


@app.command()
def sync(
    paths: Annotated[list[Path], typer.Argument(help="Folders.")],
    collection: Folder = DEFAULT,
    metadata: Annotated[str | None, typer.Option(help="Metadata for each picture.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add what is new in folders, and mark what has vanished from them."""
    with opened(collection, create=True) as target, watched() as watch:
        said = parsed(metadata, "--metadata")
        report = target.sync(list(paths), metadata=said, retry_failed=retry_failed, progress=watch)
    reported(report, as_json)


@app.command()
def search(
    picture: Annotated[str | None, typer.Argument(help="A picture: a path or an address.")] = None,
    collection: Folder = DEFAULT,
    k: Annotated[int | None, typer.Option("-k", help="How many hits (20).")] = None,
    item: Annotated[str | None, typer.Option(help="An item: its id, key or path.")] = None,
    text: Annotated[str | None, typer.Option(help="What is seen, where the embedder reads words.")] = None,
    query: Annotated[str | None, typer.Option(help="Words that an item's text and metadata say.")] = None,
    radius: Annotated[float | None, typer.Option(help="Everything with at least this score.")] = None,
    where: Where = None,
    diversify: Annotated[float | None, typer.Option(help="0 to 1: variety instead of nearness.")] = None,
    within: Annotated[list[int] | None, typer.Option(help="Only in this cluster; may be given again.")] = None,
    exclude: Annotated[list[int] | None, typer.Option(help="Not in this cluster; may be given again.")] = None,
    per_cluster: Annotated[int | None, typer.Option(help="At most so many hits of one cluster.")] = None,
    group: Annotated[bool, typer.Option("--group", help="By clusters, each with its best hits.")] = False,
    level: Annotated[str | None, typer.Option(help="For the two: coarse, medium or fine.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="cosine, ip, l2, l1, minkowski:3 ...; the space's own if none is given.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="Another space than the current.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find what looks like a picture, an item or words."""
    options: Any = {"radius": radius, "where": parsed(where, "--where"), "diversify": diversify, "space": space}
    options |= {"within": within or None, "exclude": exclude or None, "per_cluster": per_cluster, "metric": metric}
    with opened(collection) as source:
        name = identified(item)
        hits = source.search(picture, k=k, item=name, text=text, query=query, group=group, level=level, **options)
    if as_json:
        groups = {"groups": [one.to_dict() for one in hits.groups]} if group else {}
        emit({"hits": [hit.to_dict() for hit in hits], **groups, "as_of": hits.as_of})
    elif group:
        show_groups(hits)
    else:
        show_hits(hits)


@app.command()
def remove(
    items: Annotated[list[str] | None, typer.Argument(help="Items: ids, keys or paths.")] = None,
    collection: Folder = DEFAULT,
    where: Where = None,
    missing: Annotated[bool, typer.Option("--missing", help="All items whose files have vanished.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove items from the collection (never the files themselves)."""
    if not items and where is None and not missing:
        raise typer.BadParameter("give items, --where or --missing")
    wanted = {"missing": True} if missing else parsed(where, "--where")
    names = [identified(one) for one in items] if items else None
    with opened(collection) as target:
        removed = target.remove(names, where=wanted)
    emit({"removed": removed}) if as_json else say(f"removed {removed} items")


@app.command()
def info(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Show what the collection holds."""
    with opened(collection) as source:
        record = source.info().to_dict()
    if as_json:
        emit(record)
    else:
        show_table([(name, str(value)) for name, value in record.items() if value not in (None, [])])


@app.command()
def failures(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List what could not be read, and why."""
    with opened(collection) as source:
        found = source.failures()
    if as_json:
        emit({"failures": [one.to_dict() for one in found]})
    else:
        for one in found:
            say(f"{one.uri}: {one.reason} (tried {one.attempts} times, last {one.at})")


@app.command()
def verify(
    collection: Folder = DEFAULT,
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild what is derived and wrong.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare catalogue, derived files and disk."""
    with opened(collection) as source:
        report = source.verify(repair=repair)
    if as_json:
        emit(report.to_dict())
    else:
        for title, lines in (("checked", report.checked), ("problem", report.problems), ("repaired", report.repaired)):
            for line in lines:
                say(f"{title}: {line}")
        say("all is well" if report.ok else "there are problems; `nearkin verify --repair` mends what is derived")
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def rescue(collection: Folder = DEFAULT) -> None:
    """Save what can still be read of a damaged collection."""
    from indexers.catalogue.rescue import rescue as save

    kept = save(collection)
    say(f"kept {kept['item']} items with {kept['vector']} vectors; adding the same pictures again brings back the rest")
    say(f"the damaged database is beside it: {collection / 'catalogue.sqlite.damaged'}")


@app.command()
def upgrade(collection: Folder = DEFAULT) -> None:
    """Bring a collection that an older nearkin made to this version's schema."""
    from indexers.catalogue.upgrade import upgrade as bring

    before, after = bring(collection)
    say(f"{collection} is at schema {after}" + ("" if before == after else f" (was at {before})"))


@app.command()
def doctor(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Show what is installed, what is missing, and the command that brings it."""
    from retrieval.cli.doctor import examine

    lines = examine(collection)
    if as_json:
        emit({"checks": [line.to_dict() for line in lines]})
    else:
        for line in lines:
            mark = "ok     " if line.ok else "MISSING" if line.needed else "-      "
            say(f"{mark}  {line.what}: {line.found}" + (f"\n           {line.remedy}" if line.remedy else ""))
    raise typer.Exit(0 if all(line.ok or not line.needed for line in lines) else 1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where pictures, collection and sheet go.")] = Path("nearkin-demo"),
) -> None:
    """Index some thousand drawings and photographs, search, and draw what was found."""
    from retrieval.cli.demo import run

    with watched() as watch:
        run(folder, say, watch)


cli_families.register(app)
cli_clusterings.register(app)
cli_duplicates.register(app)
cli_evaluate.register(app)
cli_transfer.register(app)
cli_serve.register(app)

# ---- running


def main() -> NoReturn:
    """The entry point."""
    from indexers.errors import NearkinError, UsageError

    logging.getLogger("nearkin").addHandler(Notes())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold letters that the terminal hasn't
    try:
        code = app(standalone_mode=False)
        print(end="", flush=True)  # while it can still be told that this fails
    except typer.Abort:
        code = fail("interrupted", 1)
    except KeyboardInterrupt:
        code = fail("interrupted; what was finished is kept, run the same again to go on", 1)
    except UsageError as error:
        code = fail(str(error), 2)
    except NearkinError as error:
        code = fail(str(error), 1)
    except SystemExit as ended:  # the parser's own way with the same
        code = 0 if isinstance(ended.__context__, BrokenPipeError) else int(ended.code or 0)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        hush()
        code = 0
    except OSError as error:  # of the output: what happens to files is translated where it happens
        hush()
        code = fail(f"the output can't be written: {error.strerror or error}", 1)
    except Exception as error:
        code = usage(error)
    sys.exit(code)


def hush() -> None:
    """Nothing more is written to the output, not even when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def usage(error: Exception) -> int:
    """Errors of the argument parser; anything else is a fault of ours: a sentence, and a file."""
    show = getattr(error, "show", None)
    if show is None:
        with tempfile.NamedTemporaryFile("w", prefix="nearkin-", suffix=".log", delete=False) as file:
            traceback.print_exception(error, file=file)
        return fail(f"a fault of nearkin's own ({type(error).__name__}: {error}); please report it with {file.name}", 1)
    show()
    return int(getattr(error, "exit_code", 2))


def fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code
