"""The commands over the graph of neighbours: paths, what lies around pictures, summaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import find_items, find_scope
from retrieval.cli.options import DEFAULT, AsJson, Folder, Where, open_collection, parse_json
from retrieval.cli.output import print_json, say, show_hits
from retrieval.cli.viewer import Html, Open, place_page, write_page

if TYPE_CHECKING:
    from pathlib import Path

    from retrieval.collection import Collection
    from retrieval.records.search import Hit


def path(
    start: Annotated[str, typer.Argument(metavar="FROM", help="The item to start at, by id, key or path.")],
    end: Annotated[str, typer.Argument(metavar="TO", help="The item to end at.")],
    collection: Folder = DEFAULT,
    is_shortest: Annotated[
        bool, typer.Option("--shortest", help="The shortest way, not that whose weakest link is strongest.")
    ] = False,
    html: Html = None,
    is_opened: Open = False,
    as_json: AsJson = False,
) -> None:
    """Find a way from one picture to another, over pictures that are nearest neighbours of each other."""
    with open_collection(collection) as source:
        a, b = find_items(source, [start, end])
        way = source.path_between(a, b, kind="shortest" if is_shortest else "widest")
        if as_json:
            print_json(way.to_dict())
            return
        title = f"From {way.hits[0].uri or way.hits[0].key} to {way.hits[-1].uri or way.hits[-1].key}"
        if not write_hits(source, way.hits, title, "path.html", html, is_opened):
            show_hits(way.hits)
            say(f"the weakest link has a similarity of {way.weakest:.3f}")


def around(
    items: Annotated[list[str], typer.Argument(metavar="ITEM...", help="Items, by id, key or path.")],
    collection: Folder = DEFAULT,
    hops: Annotated[int, typer.Option("--hops", help="Steps from neighbour to neighbour, at most.")] = 2,
    k: Annotated[int, typer.Option("-k", "--k", help="Number of pictures.")] = 20,
    html: Html = None,
    is_opened: Open = False,
    as_json: AsJson = False,
) -> None:
    """Find more like some pictures as the collection sees them: what a walk among neighbours meets most often."""
    with open_collection(collection) as source:
        hits = source.around(find_items(source, items), hops, k=k)
        if as_json:
            print_json({"hits": [hit.to_dict() for hit in hits], "as_of": hits.as_of})
        elif not write_hits(source, hits.hits, "Around " + ", ".join(items), "around.html", html, is_opened):
            show_hits(hits.hits)


def summary(
    collection: Folder = DEFAULT,
    k: Annotated[int, typer.Option("-k", "--k", help="Number of pictures.")] = 20,
    where: Where = None,
    within: Annotated[
        list[str] | None, typer.Option(help="Only items of this cluster, by id or name; can be repeated.")
    ] = None,
    continue_from: Annotated[
        list[str] | None, typer.Option("--continue-from", help="An item that is chosen already; can be repeated.")
    ] = None,
    html: Html = None,
    is_opened: Open = False,
    as_json: AsJson = False,
) -> None:
    """Choose pictures that stand for all: each picture has one like it among them."""
    with open_collection(collection) as source:
        chosen = source.summary(
            k,
            where=parse_json(where, "--where"),
            within=find_scope(source, within),
            continue_from=find_items(source, continue_from),
        )
        if as_json:
            print_json(chosen.to_dict())
            return
        title = f"{len(chosen.hits)} pictures that stand for {chosen.total}"
        if write_hits(source, chosen.hits, title, "summary.html", html, is_opened):
            return
        for hit in chosen.hits:
            say(f"{hit.score:>6.1%}  {hit.item:>7}  {hit.uri or hit.key}")
        say(title if chosen.hits else "no pictures")


def write_hits(
    source: Collection, hits: tuple[Hit, ...], title: str, name: str, html: Path | None, is_opened: bool
) -> bool:
    """Write hits as a page, if one is wanted; return whether it was."""
    if html is None and not is_opened:
        return False
    from retrieval.pages.hits import render_hits
    from retrieval.records.search import Hits

    page = render_hits(Hits(hits, 0), title)
    write_page(page, place_page(html, source.path, name), f"{len(hits)} pictures", is_opened)
    return True


COMMANDS = (
    Command(path, "Search", "nearkin path 17 203 --open"),
    Command(around, "Search", "nearkin around 17 18 --hops 2"),
    Command(summary, "Search", "nearkin summary -k 12 --open"),
)
