"""The command that searches."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from retrieval.cli.options import DEFAULT, AsJson, Folder, Where, open_collection, parse_item_name, parse_json
from retrieval.cli.output import print_json, show_groups, show_hits


def register(app: typer.Typer) -> None:
    """Add the command to the command line's."""
    app.command()(search)


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
    options: Any = {"radius": radius, "where": parse_json(where, "--where"), "diversify": diversify, "space": space}
    options |= {"within": within or None, "exclude": exclude or None, "per_cluster": per_cluster, "metric": metric}
    with open_collection(collection) as source:
        name = parse_item_name(item)
        hits = source.search(picture, k=k, item=name, text=text, query=query, group=group, level=level, **options)
    if as_json:
        groups = {"groups": [one.to_dict() for one in hits.groups]} if group else {}
        print_json({"hits": [hit.to_dict() for hit in hits], **groups, "as_of": hits.as_of})
    elif group:
        show_groups(hits)
    else:
        show_hits(hits)
