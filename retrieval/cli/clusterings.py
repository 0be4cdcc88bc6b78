"""The commands about single clusters, and about clusterings that are saved by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import find_cluster
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_plugins, open_collection, parse_json
from retrieval.cli.output import print_json, say, show_page, show_steps
from retrieval.cli.parts import describe_place

if TYPE_CHECKING:
    from retrieval.collection import Collection
    from retrieval.records.clusters import Cluster, NamedClustering


def cluster(
    cluster: Annotated[
        str | None,
        typer.Argument(help="The cluster to show, by its id (`nearkin clusters` shows it after #) or its name."),
    ] = None,
    collection: Folder = DEFAULT,
    page: Annotated[int, typer.Option("--page", help="Page of items to show (100 items per page).")] = 1,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="Clustering algorithm: kmeans, density, deep ...",
            autocompletion=complete_plugins("nearkin.clusterers"),
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("--k", "-k", help="Number of clusters.")] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="Distance above which clusters are not merged.")
    ] = None,
    settings: Annotated[
        str | None, typer.Option("--settings", help="Parameters of the method as JSON, e.g. '{\"n_init\": 10}'.")
    ] = None,
    sample: Annotated[int | None, typer.Option("--sample", help="Fit to at most this many items.")] = None,
    once_per_copy: Annotated[
        bool, typer.Option("--once-per-copy", help="Fit to one item of each group of duplicates.")
    ] = False,
    without_outliers: Annotated[
        float,
        typer.Option("--without-outliers", help="Share of items to leave out of the fit, those least like all others."),
    ] = 0.0,
    name: Annotated[str | None, typer.Option("--name", help="Name of the clustering (default: the method's).")] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Cluster again with the same method; clusters that remain keep their ids.")
    ] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Delete the clustering.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one cluster; or cluster with a --method of your choice and save the result by name.

    With --name alone, show how old that clustering is and how far the collection has drifted since.
    """
    if (cluster is None) == (method is None and name is None):
        raise typer.BadParameter("give a cluster by its id or name, or --method and --name for a clustering")
    if (refresh or drop) and (method is not None or refresh == drop or name is None):
        raise typer.BadParameter("use --refresh or --drop together with --name, and without --method")
    with open_collection(collection) as target:
        if cluster is not None:
            return _show_cluster(target, cluster, page, as_json)
        if drop:
            target.drop_clustering(name or "")
            return say(f"deleted the clustering {name}")
        options: dict[str, Any] = {"k": k, "threshold": threshold, "settings": parse_json(settings, "--settings")}
        options |= {"sample": sample, "once_per_copy": once_per_copy, "without_outliers": without_outliers}
        with show_steps() as progress:
            if method is not None:
                clustering = target.make_clustering(name or method, method, progress=progress, **options)
            elif refresh:
                clustering = target.refresh_clustering(name or "", progress=progress)
            else:
                clustering = target.clustering(name or "")
    print_json(clustering.to_dict()) if as_json else _show_clustering(clustering)


def clusterings(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the named clusterings, how old each is, and how far the collection has drifted since."""
    with open_collection(collection) as source:
        records = source.clusterings()
    if as_json:
        print_json({"clusterings": [clustering.to_dict() for clustering in records]})
    for clustering in () if as_json else records:
        _show_clustering(clustering)


def _show_cluster(source: Collection, name: str, page: int, as_json: bool) -> None:
    """Print a cluster and one page of its items, or of its parts, those nearest to its centre first."""
    record = find_cluster(source, name)
    if record.of is not None:
        return _show_parts(source, record, page, as_json)
    items = record.items(page)
    if as_json:
        print_json({"cluster": record.to_dict(), "items": items.to_dict()})
        return show_page(len(items), page, record.size, as_json)
    say(_describe_cluster(record))
    for item in items.items:
        say(f"{item.id:>7}  {item.uri or item.key}")
    show_page(len(items), page, record.size)


def _show_parts(source: Collection, record: Cluster, page: int, as_json: bool) -> None:
    parts = record.parts(page)
    if as_json:
        print_json({"cluster": record.to_dict(), "parts": parts.to_dict()})
        return show_page(len(parts), page, record.size, as_json)
    say(_describe_cluster(record))
    names = {item.id: item.uri or item.key for item in source.get(sorted({part.item for part in parts}))}
    for part in parts:
        say(f"{part.id:>7}  {names[part.item]}  {describe_place(part)}")
    show_page(len(parts), page, record.size)


def _describe_cluster(record: Cluster) -> str:
    parent = f", in #{record.parent}" if record.parent else ""
    children = ", ".join(f"#{child}" for child in record.children)
    subclusters = f", subclusters: {children}" if children else ""
    counts = f"{record.size} {record.of or 'pictures'}, {record.level}"
    return f"{record.name or 'unnamed'} #{record.id}: {counts}{parent}{subclusters}"


def _show_clustering(clustering: NamedClustering) -> None:
    loose = f", {clustering.loose} unclustered" if clustering.loose else ""
    counts = f"{clustering.clusters} clusters of {clustering.items} items{loose}"
    say(f"{clustering.name}: {counts}, method {clustering.method}, made {clustering.made_at}")
    drift = clustering.drift
    misfits = "" if drift.strange is None else f" ({drift.strange:.0%} of these fit their cluster badly; usual: 5%)"
    say(f"  since then: {drift.new:.0%} new{misfits}, {drift.gone:.0%} removed, shift of sizes {drift.shift:.2f}")


COMMANDS = (
    Command(cluster, "Clusters", "nearkin cluster --method kmeans -k 20 --name themes"),
    Command(clusterings, "Clusters", "nearkin clusterings"),
)
