"""The commands about single clusters, and about clusterings by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.options import DEFAULT, AsJson, Folder, Settings, open_collection, parse_json
from retrieval.cli.output import print_json, say, show_steps

if TYPE_CHECKING:
    from retrieval.collection import Collection
    from retrieval.records.clusters import NamedClustering


def register(app: typer.Typer) -> None:
    """Add the commands to the command line's."""
    for command in (cluster, clusterings):
        app.command()(command)


def cluster(
    cluster: Annotated[int | None, typer.Argument(help="A cluster's id, to see it; `nearkin clusters` has it.")] = None,
    collection: Folder = DEFAULT,
    page: Annotated[int, typer.Option("--page", help="Of its items.")] = 1,
    method: Annotated[str | None, typer.Option("--method", help="Cluster by it: kmeans, density, deep ...")] = None,
    k: Annotated[int | None, typer.Option("--k", "-k", help="How many clusters.")] = None,
    threshold: Annotated[float | None, typer.Option("--threshold", help="The distance at which it stops.")] = None,
    settings: Settings = None,
    sample: Annotated[int | None, typer.Option("--sample", help="Learn from so many items at most.")] = None,
    once_per_copy: Annotated[bool, typer.Option("--once-per-copy", help="Copies count once.")] = False,
    without_outliers: Annotated[
        float, typer.Option("--without-outliers", help="Leave out this share, what lies farthest from all.")
    ] = 0.0,
    name: Annotated[str | None, typer.Option("--name", help="A name to keep it under; the method's.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Make it anew; ids stay where clusters do.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Forget it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one cluster; or cluster by a method of your choice, and keep the result by name.

    With --name alone: how old that clustering is, and how far the collection has drifted since.
    """
    if (cluster is None) == (method is None and name is None):
        raise typer.BadParameter("give the id of a cluster, or --method and --name for a clustering")
    if (refresh or drop) and (method is not None or refresh == drop or name is None):
        raise typer.BadParameter("--refresh and --drop go with --name alone, one at a time")
    with open_collection(collection) as target:
        if cluster is not None:
            return _show_cluster(target, cluster, page, as_json)
        if drop:
            target.drop_clustering(name or "")
            return say(f"the clustering {name} is gone")
        how: dict[str, Any] = {"k": k, "threshold": threshold, "settings": parse_json(settings, "--settings")}
        how |= {"sample": sample, "once_per_copy": once_per_copy, "without_outliers": without_outliers}
        with show_steps() as watch:
            if method is not None:
                found = target.make_clustering(name or method, method, progress=watch, **how)
            else:
                call = target.refresh_clustering if refresh else target.clustering
                found = call(name or "", **({"progress": watch} if refresh else {}))
    print_json(found.to_dict()) if as_json else _show_clustering(found)


def clusterings(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the clusterings by name, how old each is, and how far the collection has drifted since."""
    with open_collection(collection) as source:
        found = source.clusterings()
    if as_json:
        print_json({"clusterings": [one.to_dict() for one in found]})
    for one in () if as_json else found:
        _show_clustering(one)


def _show_cluster(source: Collection, cluster: int, page: int, as_json: bool) -> None:
    """One cluster and what is in it, those nearest to its middle first."""
    found = source.cluster(cluster)
    items = found.items(page)
    if as_json:
        print_json({"cluster": found.to_dict(), "items": items.to_dict()})
        return
    lies = f", in #{found.parent}" if found.parent else ""
    parts = f", parts: {', '.join(f'#{one}' for one in found.children)}" if found.children else ""
    say(f"{found.name or 'unnamed'} #{found.id}: {found.size} pictures, {found.level}{lies}{parts}")
    for item in items.items:
        say(f"{item.id:>7}  {item.uri or item.key}")
    if items.cursor:
        say(f"... more: --page {items.cursor}")


def _show_clustering(one: NamedClustering) -> None:
    loose = f", {one.loose} loose" if one.loose else ""
    say(f"{one.name}: {one.clusters} clusters of {one.items} items{loose}, by {one.method}, made {one.made_at}")
    drift = one.drift
    strange = "" if drift.strange is None else f", of which {drift.strange:.0%} fit badly (usual: 5%)"
    say(f"  since then {drift.new:.0%} new{strange}, {drift.gone:.0%} gone; sizes have shifted by {drift.shift:.2f}")
