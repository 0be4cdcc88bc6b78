"""The command that searches."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import Ids, Keys, find_item, find_scope, name_collection
from retrieval.cli.options import (
    DEFAULT,
    AsJson,
    Folder,
    Where,
    complete_from,
    open_collection,
    parse_json,
)
from retrieval.cli.output import print_json, say, show_groups, show_hits, show_message
from retrieval.cli.queries import Asked, build_query
from retrieval.cli.viewer import Html, Open, place_page, write_page


def search(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PICTURE", help="A picture to search with: a path or a URL; several are mixed. Or words."
        ),
    ] = None,
    collection: Folder = DEFAULT,
    k: Annotated[
        int | None, typer.Option("-k", "--k", help="Number of hits (default 20; of clusters with --group: 10).")
    ] = None,
    item: Annotated[str | None, typer.Option(help="An item to search with: its id, key or path.")] = None,
    ids: Ids = None,
    keys: Keys = None,
    unlike: Annotated[
        list[str] | None, typer.Option("--unlike", help="A picture that hits shall not look like; can be repeated.")
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="A description of the picture (needs an embedder with text search).")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Words to find in the text and metadata of items.")] = None,
    radius: Annotated[
        float | None, typer.Option(help="Minimum score; returns every item that reaches it, or the best -k.")
    ] = None,
    where: Where = None,
    diversify: Annotated[float | None, typer.Option(help="Prefer variety over similarity, 0 to 1.")] = None,
    within: Annotated[
        list[str] | None, typer.Option(help="Only items of this cluster, by id or name; can be repeated.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="No items of this cluster, by id or name; can be repeated.")
    ] = None,
    per_cluster: Annotated[int | None, typer.Option(help="Maximum number of hits from one cluster.")] = None,
    group: Annotated[bool, typer.Option("--group", help="Group the hits by cluster.")] = False,
    level: Annotated[
        str | None,
        typer.Option(
            help="Cluster level for --group and --per-cluster: coarse, medium or fine.",
            autocompletion=complete_from("coarse", "medium", "fine"),
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Similarity measure: cosine, ip, l2, l1 or minkowski:P (default: that of the space).",
            autocompletion=complete_from("cosine", "ip", "l2", "l1", "minkowski:3"),
        ),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Find the nearest for certain, and say that no other item can be nearer.")
    ] = False,
    at_least: Annotated[
        str | None,
        typer.Option(
            help="How sure a hit has to be: certain, likely, possible, or a number: 1000 for 1 in 1,000 by chance.",
            autocompletion=complete_from("certain", "likely", "possible", "1000"),
        ),
    ] = None,
    rerank: Annotated[
        str | None,
        typer.Option(
            help="diffusion: rank by how much of what is near to the picture is near to a hit.",
            autocompletion=complete_from("diffusion"),
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Compare parts of pictures that `nearkin parts find` has found: subject, regions, tiles ...",
            autocompletion=complete_from("subject", "regions", "tiles", "pages", "frames"),
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="X,Y,WIDTH,HEIGHT", help="Search with this box of the picture, in pixels.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="Space to search (default: the current one).")] = None,
    html: Html = None,
    is_opened: Open = False,
    as_json: AsJson = False,
) -> None:
    """Find pictures that look like a picture, an item or a description."""
    if Asked(words or (), 0 if item or ids or keys else None, text, query).is_empty():
        raise typer.BadParameter("give a picture (a path or a URL), --item, --text or --query")
    options: dict[str, Any] = {"radius": radius, "where": parse_json(where, "--where"), "diversify": diversify}
    options |= {"k": k, "per_cluster": per_cluster, "group": group, "level": level, "metric": metric, "space": space}
    options |= {"exact": exact, "at_least": parse_number(at_least), "rerank": rerank}
    options |= {"by": by, "region": parse_box(region)}
    with open_collection(collection, index="exact") as source:  # one scan is quicker than loading another index
        asked = Asked(words or (), find_item(source, item, ids, keys), text, query, unlike or ())
        options |= {"within": find_scope(source, within), "exclude": find_scope(source, exclude)}
        hits = source.search(**build_query(source, asked), **options)
        if html is not None or is_opened:
            from retrieval.pages.hits import render_hits

            file = place_page(html, source.path, "hits.html")
            return write_page(
                render_hits(hits, f"Hits in {name_collection(source)}"), file, f"{len(hits)} hits", is_opened
            )
    if as_json:
        groups = {"groups": [record.to_dict() for record in hits.groups]} if group else {}
        facts = {"as_of": hits.as_of, "proof": hits.proof, "unknown_words": hits.unknown_words}
        print_json({"hits": [hit.to_dict() for hit in hits], **groups, **facts})
        return
    if hits.unknown_words:
        unknown = ", ".join(map(repr, hits.unknown_words))
        show_message(f"note: the embedder does not know {unknown}, which counted for nothing in what pictures show")
    (show_groups if group else show_hits)(hits)
    if exact and hits.proof:
        say(f"proved: {hits.proof}")


def parse_number(value: str | None) -> str | float | None:
    """Return a number where the text is one, else the text."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return value


def parse_box(value: str | None) -> list[float] | None:
    """Return the four numbers of a box. Raises BadParameter."""
    if value is None:
        return None
    try:
        box = [float(number) for number in value.split(",")]
    except ValueError:
        box = []
    if len(box) != 4:
        raise typer.BadParameter(f"--region takes X,Y,WIDTH,HEIGHT in pixels, such as 40,30,200,150; got {value!r}")
    return box


COMMANDS = (Command(search, "Search", "nearkin search holiday.jpg -k 5"),)
