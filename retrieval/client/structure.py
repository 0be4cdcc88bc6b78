"""What the graph of neighbours tells, on a server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from indexers.types import Json
from retrieval.checks import ItemName
from retrieval.client.http import Where, encode_clusters
from retrieval.client.items import ItemMethods
from retrieval.client.search import SearchMethods
from retrieval.filters import to_json
from retrieval.records.clusters import SomeClusters
from retrieval.records.codec import from_json
from retrieval.records.search import Hits
from retrieval.records.structure import NeighbourPath, Summary


class StructureMethods(SearchMethods, ItemMethods):
    """The methods about ways between pictures, what lies around them, and summaries."""

    def path_between(self, a: ItemName, b: ItemName, *, kind: str = "widest") -> NeighbourPath:
        """Return a way from one picture to another. See Collection.path_between."""
        answer = self._get("/v1/path", a=self._find_id(a), b=self._find_id(b), kind=kind)
        return replace(from_json(NeighbourPath, answer), hits=self._build_hits(answer["hits"]))

    def around(self, items: ItemName | Iterable[ItemName], hops: int = 2, *, k: int = 20) -> Hits:
        """Return what lies around some pictures as the collection sees it. See Collection.around."""
        names = [items] if isinstance(items, int | str) else list(items)
        answer = self._post("/v1/around", {"items": names, "hops": hops, "k": k})
        return Hits(self._build_hits(answer["hits"]), answer["as_of"])

    def summary(
        self,
        k: int = 20,
        *,
        where: Where = None,
        within: SomeClusters = None,
        continue_from: Iterable[ItemName] | None = None,
    ) -> Summary:
        """Choose `k` pictures that stand for all. See Collection.summary."""
        body: Json = {"k": k, "where": to_json(where), "within": encode_clusters(within)}
        body["continue_from"] = None if continue_from is None else list(continue_from)
        answer = self._post("/v1/summary", {name: value for name, value in body.items() if value is not None})
        return replace(from_json(Summary, answer), hits=self._build_hits(answer["hits"]))
