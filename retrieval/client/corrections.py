"""Corrections of clusters on a server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from retrieval.checks import ItemName, is_whole, list_names
from retrieval.client.clusters import ClusterMethods
from retrieval.client.http import to_records
from retrieval.client.items import ItemMethods
from retrieval.records.clusters import Correction


class CorrectionMethods(ClusterMethods, ItemMethods):
    """The methods about corrections. Each returns the decision's id, for `undo`; see those of a Collection."""

    def merge_clusters(self, a: int | str, b: int | str) -> int:
        """Join two clusters of one level for good."""
        return self._correct("merge", clusters=[self._find_cluster_id(a), self._find_cluster_id(b)])

    def split_cluster(self, cluster: int | str, into: Sequence[Iterable[ItemName]]) -> int:
        """Take a cluster apart into one with each group of its items, or take one group out."""
        groups = [self._resolve_items(group) for group in into]
        return self._correct("split", clusters=[self._find_cluster_id(cluster)], into=groups)

    def move_to_cluster(self, items: ItemName | Iterable[ItemName], cluster: int | str) -> int:
        """Put items into a cluster."""
        return self._correct("move", items=self._resolve_items(items), clusters=[self._find_cluster_id(cluster)])

    def keep_together(self, items: Iterable[ItemName]) -> int:
        """Keep items in one cluster of each level."""
        return self._correct("together", items=self._resolve_items(items))

    def keep_apart(self, a: ItemName, b: ItemName) -> int:
        """Keep two items in different clusters on every level."""
        return self._correct("apart", items=self._resolve_items([a, b]))

    def hide(self, cluster: int | str) -> int:
        """Leave a cluster out of `clusters`."""
        return self._correct("hide", clusters=[self._find_cluster_id(cluster)])

    def corrections(self) -> tuple[Correction, ...]:
        """Return the corrections that were not undone, each with what of it does not hold."""
        return to_records(Correction, self._get("/v1/corrections")["corrections"])

    def _correct(self, kind: str, **body: Any) -> int:
        return int(self._post("/v1/corrections", {"kind": kind, **body})["decisions"][0])

    def _find_cluster_id(self, cluster: int | str) -> int:
        return int(cluster) if is_whole(cluster) else int(self.cluster(cluster).id or 0)

    def _resolve_items(self, items: ItemName | Iterable[ItemName]) -> list[int]:
        names = list_names(items)
        others = [name for name in names if not is_whole(name)]
        found = {name: item.id for name, item in zip(others, self.get(others), strict=True)} if others else {}
        return [found[name] if name in found else int(name) for name in names]
