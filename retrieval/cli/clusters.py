"""The commands about families of pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.options import DEFAULT, AsJson, Folder, open_collection
from retrieval.cli.output import print_json, say, write_text

if TYPE_CHECKING:
    from retrieval.records.clusters import Clusters

Level = Annotated[str | None, typer.Option("--level", help="coarse, medium, fine, or a clustering's name.")]
Since = Annotated[int | None, typer.Option("--since", help="A change number: what came and happened after it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line's."""
    for command in (clusters, rename, loose, outliers, recluster):
        app.command()(command)


def clusters(
    collection: Folder = DEFAULT,
    level: Level = None,
    count: Annotated[int | None, typer.Option("--count", help="Cut the tree into about so many.")] = None,
    threshold: Annotated[float | None, typer.Option("--threshold", help="Cut it at this similarity.")] = None,
    since: Since = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with thumbnails to this file.")] = None,
    depth: Annotated[int, typer.Option("--depth", help="Levels of the tree that are printed.", min=1, max=3)] = 2,
    as_json: AsJson = False,
) -> None:
    """Show which families of pictures there are: a tree, one level, any cut, or a page.

    With --since, also what has happened to them.
    """
    from indexers.types import LEVELS
    from retrieval.cli import cluster_tree
    from retrieval.pages import album as showing
    from retrieval.pages import clusters as album

    with open_collection(collection) as source:
        if html is None and (level or count is not None or threshold is not None):
            cut = count is not None or threshold is not None
            found = source.cut(count, threshold) if cut else source.clusters(level or "medium", since=since)
            print_json(found.to_dict()) if as_json else show_clusters(found)
            return
        made = showing.build_album(source, source.path.name, since, names=(level,) if level else LEVELS)
        happened = source.cluster_events(since) if since is not None else ()
        if html is not None:
            page = album.render_clusters(made, showing.make_thumbnailer(source))
            write_text(html, page)
            say(f"wrote {len(made.tiles)} clusters to {html}")
            return
        if as_json:
            levels = {one: source.clusters(one, since=since).to_dict() for one in LEVELS}
            print_json({"levels": levels, "events": [one.to_dict() for one in happened], "as_of": made.as_of})
            return
        say(cluster_tree.render_tree(made, shutil.get_terminal_size((100, 24)).columns, depth))
        for one in happened:
            name = f"{one.name!r} " if one.name else ""
            numbers = f" (+{one.gained} -{one.lost}, now {one.size})" if one.cluster else ""
            others = f" {', '.join(f'#{other}' for other in one.others)}" if one.others else ""
            say(f"change {one.change}: {name}#{one.cluster} {one.level} {one.what}{others}{numbers}")


def show_clusters(found: Clusters) -> None:
    """A line for each."""
    for one in found:
        new = f"  +{one.new} new" if one.new else ""
        say(
            f"{one.size:>7}  {one.name or 'unnamed'}{new}  tightness {one.tightness:.2f}"
            + (f"  #{one.id}" * bool(one.id))
        )
    say(f"{len(found)} clusters, {found.loose} loose items, as of change {found.as_of}")


def rename(
    cluster: Annotated[int, typer.Argument(help="A cluster's id.")],
    name: Annotated[str | None, typer.Argument(help="Its name; none takes a given one back.")] = None,
    collection: Folder = DEFAULT,
) -> None:
    """Give a cluster a name that stays with it."""
    with open_collection(collection) as target:
        found = target.rename(cluster, name)
    say(f"#{found.id} is called {found.name!r}" if found.name else f"#{found.id} has no name")


def loose(
    collection: Folder = DEFAULT,
    level: Level = None,
    page: Annotated[int, typer.Option("--page", help="A hundred are on one.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Show the pictures that are in no cluster, each with the cluster nearest to it."""
    with open_collection(collection) as source:
        found = source.loose(level or "medium", page=page)
    if as_json:
        print_json({"loose": [one.to_dict() for one in found]})
    for one in () if as_json else found:
        near = f"  nearest #{one.nearest} ({one.similarity:.2f})" if one.nearest else ""
        say(f"{one.item:>7}  {one.uri or one.key}{near}")


def outliers(
    collection: Folder = DEFAULT,
    n: Annotated[int, typer.Option("-n", help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the pictures that fit nowhere, and why."""
    with open_collection(collection) as source:
        found = source.outliers(n)
    if as_json:
        print_json({"outliers": [one.to_dict() for one in found]})
    for one in () if as_json else found:
        say(f"{one.score:.3f}  {one.uri or one.key}\n       {one.reason}")


def recluster(collection: Folder = DEFAULT) -> None:
    """Make the clusters anew and choose their levels again; those that are still there keep their ids and names."""
    with open_collection(collection) as target:
        found = target.recluster()
    say(f"{len(found)} clusters of medium, {found.loose} loose items")
