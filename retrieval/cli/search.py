"""The command that searches."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import (
    DEFAULT,
    AsJson,
    Folder,
    Where,
    complete_from,
    open_collection,
    parse_item_name,
    parse_json,
)
from retrieval.cli.output import print_json, show_groups, show_hits


def search(
    picture: Annotated[str | None, typer.Argument(help="A picture to search with: a path or a URL.")] = None,
    collection: Folder = DEFAULT,
    k: Annotated[
        int | None, typer.Option("-k", "--k", help="Number of hits (default 20; of clusters with --group: 10).")
    ] = None,
    item: Annotated[str | None, typer.Option(help="An item to search with: its id, key or path.")] = None,
    text: Annotated[
        str | None, typer.Option(help="A description of the picture (needs an embedder with text search).")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Words to find in the text and metadata of items.")] = None,
    radius: Annotated[
        float | None, typer.Option(help="Minimum score; returns every item that reaches it, or the best -k.")
    ] = None,
    where: Where = None,
    diversify: Annotated[float | None, typer.Option(help="Prefer variety over similarity, 0 to 1.")] = None,
    within: Annotated[list[int] | None, typer.Option(help="Only items of this cluster; can be repeated.")] = None,
    exclude: Annotated[list[int] | None, typer.Option(help="No items of this cluster; can be repeated.")] = None,
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
    space: Annotated[str | None, typer.Option(help="Space to search (default: the current one).")] = None,
    as_json: AsJson = False,
) -> None:
    """Find pictures that look like a picture, an item or a description."""
    if picture is None and item is None and text is None and query is None:
        raise typer.BadParameter("give a picture (a path or a URL), --item, --text or --query")
    options: dict[str, Any] = {"radius": radius, "where": parse_json(where, "--where"), "diversify": diversify}
    options |= {"within": within or None, "exclude": exclude or None, "per_cluster": per_cluster}
    options |= {"group": group, "level": level, "metric": metric, "space": space}
    with open_collection(collection) as source:
        name = None if item is None else parse_item_name(item)
        hits = source.search(picture, k=k, item=name, text=text, query=query, **options)
    if as_json:
        groups = {"groups": [record.to_dict() for record in hits.groups]} if group else {}
        print_json({"hits": [hit.to_dict() for hit in hits], **groups, "as_of": hits.as_of})
    elif group:
        show_groups(hits)
    else:
        show_hits(hits)


COMMANDS = (Command(search, "Search", "nearkin search holiday.jpg -k 5"),)
