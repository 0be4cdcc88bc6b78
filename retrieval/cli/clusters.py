"""The commands about the clusters that a collection keeps up to date."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import find_cluster, name_collection
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_from, open_collection
from retrieval.cli.output import print_json, say, show_page
from retrieval.cli.parts import describe_place
from retrieval.cli.viewer import Html, Open, place_page, write_page
from retrieval.pages.page import format_count

if TYPE_CHECKING:
    from retrieval.collection import Collection
    from retrieval.records.clusters import ClusterEvent, Clusters
    from retrieval.records.parts import Part

Level = Annotated[
    str | None,
    typer.Option(
        "--level",
        help="coarse, medium or fine, or the name of a clustering.",
        autocompletion=complete_from("coarse", "medium", "fine"),
    ),
]
Of = Annotated[
    str | None,
    typer.Option(
        "--of",
        help="Clusters of parts of this kind in place of pictures, such as regions (`nearkin parts find regions`).",
        autocompletion=complete_from("subject", "regions", "tiles", "pages", "frames"),
    ),
]
EVENT_WORDS = {"born": "created", "merged": "merged with", "died": "removed"}
"""Words for what happened to a cluster, where the record's own word would not be understood."""


def clusters(
    collection: Folder = DEFAULT,
    level: Level = None,
    count: Annotated[int | None, typer.Option("--count", help="Cut the tree into this many clusters.")] = None,
    threshold: Annotated[float | None, typer.Option("--threshold", help="Cut the tree at this similarity.")] = None,
    since: Annotated[
        int | None,
        typer.Option("--since", help="Change number: also count items and list events that came after it."),
    ] = None,
    html: Html = None,
    is_opened: Open = False,
    hidden: Annotated[bool, typer.Option("--hidden", help="Print a list with hidden clusters, too.")] = False,
    depth: Annotated[int, typer.Option("--depth", help="Levels of the tree to print.", min=1, max=3)] = 2,
    of: Of = None,
    as_json: AsJson = False,
) -> None:
    """Show the clusters as a tree, as a list (--level, --count, --threshold) or as a page (--html).

    With --since NUMBER, also show what happened to clusters after that change.
    """
    with open_collection(collection) as source:
        if html is not None or is_opened:
            _write_page(source, place_page(html, source.path, "clusters.html"), level, since, is_opened, of)
        elif level is not None or hidden or count is not None or threshold is not None:
            is_cut = count is not None or threshold is not None
            rows = (
                source.cut(count, threshold, of=of)
                if is_cut
                else source.clusters("medium" if level is None else level, since=since, hidden=hidden, of=of)
            )
            print_json(rows.to_dict()) if as_json else show_clusters(rows)
        elif as_json:
            _print_levels(source, since, of)
        else:
            _show_tree(source, since, depth, of)


def _write_page(
    source: Collection, file: Path, level: str | None, since: int | None, is_opened: bool, of: str | None
) -> None:
    from indexers.types import LEVELS
    from retrieval.pages.album import build_album, make_part_thumbnailer, make_thumbnailer
    from retrieval.pages.clusters import render_clusters

    album = build_album(source, name_collection(source), since, names=LEVELS if level is None else (level,), of=of)
    page = render_clusters(album, make_thumbnailer(source) if of is None else make_part_thumbnailer(source))
    write_page(page, file, format_count(len(album.tiles), "cluster"), is_opened)


def _print_levels(source: Collection, since: int | None, of: str | None) -> None:
    from indexers.types import LEVELS

    levels = {level: source.clusters(level, since=since, of=of) for level in LEVELS}
    events = source.cluster_events(since, of=of) if since is not None else ()
    print_json(
        {
            "levels": {level: rows.to_dict() for level, rows in levels.items()},
            "events": [event.to_dict() for event in events],
            "as_of": levels[LEVELS[0]].as_of,
        }
    )


def _show_tree(source: Collection, since: int | None, depth: int, of: str | None) -> None:
    from retrieval.cli.cluster_tree import render_tree
    from retrieval.pages.album import build_album

    album = build_album(source, name_collection(source), since, of=of)
    say(*render_tree(album, shutil.get_terminal_size((100, 24)).columns, depth).split("\n"))
    for event in source.cluster_events(since, of=of) if since is not None else ():
        say(_describe_event(event))


def _describe_event(event: ClusterEvent) -> str:
    """Return one line: `change 94: 'boats' #12 medium grew (+3 -0, now 40)`."""
    if event.cluster is None:
        return f"change {event.change}: {event.what}"
    name = f"{event.name!r} " if event.name else ""
    related = "".join(f" #{cluster_id}" for cluster_id in event.others)
    counts = f"(+{event.gained} -{event.lost}, now {event.size})"
    word = EVENT_WORDS.get(event.what, event.what)
    return f"change {event.change}: {name}#{event.cluster} {event.level} {word}{related} {counts}"


def show_clusters(rows: Clusters) -> None:
    """Print a line for each cluster."""
    for cluster in rows:
        new = f"  +{cluster.new} new" if cluster.new else ""
        name = f"{cluster.name or 'unnamed'}{new}  mean similarity {cluster.tightness:.2f}"
        say(f"{cluster.size:>7}  {name}" + (f"  #{cluster.id}" if cluster.id else ""))
    say(f"{len(rows)} clusters, {rows.loose} unclustered {rows.of or 'items'} (change {rows.as_of})")
    if rows.note:
        say(rows.note)


def partitions(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the partitions: a second clustering, by k-means, that puts every item into exactly one group."""
    with open_collection(collection) as source:
        rows = source.partitions()
        best = {item.id: item for item in source.get([row.medoid for row in rows])}
    if as_json:
        return print_json({"partitions": [row.to_dict() for row in rows]})
    for row in rows:
        medoid = best[row.medoid]
        say(f"{row.size:>7}  mean similarity {row.tightness:.2f}, such as {medoid.uri or medoid.key}")
    say(format_count(len(rows), "partition"))


def rename(
    cluster: Annotated[
        str, typer.Argument(help="The cluster, by its present name or its id, which `nearkin clusters` shows after #.")
    ],
    name: Annotated[str | None, typer.Argument(help="New name; omit to restore the automatic one.")] = None,
    collection: Folder = DEFAULT,
) -> None:
    """Name a cluster. The name stays with it as pictures come and go."""
    with open_collection(collection) as target:
        record = target.rename(find_cluster(target, cluster).id or 0, name)
    say(f"#{record.id} is now named {record.name!r}" if record.name else f"#{record.id} has no name")


def loose(
    collection: Folder = DEFAULT,
    level: Level = None,
    page: Annotated[int, typer.Option("--page", help="Page number (100 items per page).")] = 1,
    of: Of = None,
    as_json: AsJson = False,
) -> None:
    """List the unclustered items, each with the cluster nearest to it."""
    with open_collection(collection) as source:
        chosen = "medium" if level is None else level
        items = source.loose(chosen, page=page, of=of)
        count = source.clusters(chosen, of=of).loose
    if as_json:
        print_json({"loose": [item.to_dict() for item in items], "count": count})
    for item in () if as_json else items:
        near = f"  nearest #{item.nearest} ({item.similarity:.2f})" if item.nearest else ""
        say(f"{item.item:>7}  {item.uri or item.key}{_describe_part(item.part)}{near}")
    show_page(len(items), page, count, as_json)
    if not count and page == 1 and not as_json:
        say(f"no unclustered {of or 'items'}")


def _describe_part(part: Part | None) -> str:
    """Return the id and place of a part, as they stand after the item; "" for an item."""
    return "" if part is None else f"  {part.kind} {part.id} {describe_place(part)}"


def outliers(
    collection: Folder = DEFAULT,
    n: Annotated[int, typer.Option("-n", "-k", "--k", help="Number of items.")] = 20,
    of: Of = None,
    as_json: AsJson = False,
) -> None:
    """List the items that are least similar to all others, and why."""
    with open_collection(collection) as source:
        items = source.outliers(n, of=of)
    if as_json:
        print_json({"outliers": [item.to_dict() for item in items]})
    for item in () if as_json else items:
        say(f"{item.score:.3f}  {item.uri or item.key}{_describe_part(item.part)}", f"       {item.reason}")


def recluster(collection: Folder = DEFAULT) -> None:
    """Rebuild the clusters and choose the levels again. Clusters that remain keep their ids and names."""
    with open_collection(collection) as target:
        rows = target.recluster()
    counts = format_count(len(rows), "cluster"), format_count(rows.loose, "unclustered item")
    say(f"{counts[0]} at the level medium, {counts[1]}")


COMMANDS = (
    Command(clusters, "Clusters", "nearkin clusters --level medium"),
    Command(partitions, "Clusters", "nearkin partitions"),
    Command(rename, "Clusters", "nearkin rename boats ships"),
    Command(loose, "Clusters", "nearkin loose"),
    Command(outliers, "Clusters", "nearkin outliers -n 10"),
    Command(recluster, "Clusters", "nearkin recluster"),
)
