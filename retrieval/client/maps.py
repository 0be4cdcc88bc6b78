"""The map of a collection on a server."""

from __future__ import annotations

import numpy as np

from retrieval.client.http import Where, encode_filter, to_records
from retrieval.client.items import ItemMethods
from retrieval.client.jobs import WatchJob, ignore_job
from retrieval.records.maps import CollectionMap, Territory


class MapMethods(ItemMethods):
    """The methods about the map."""

    def map(
        self, *, where: Where = None, rebuild: bool = False, build: bool = True, progress: WatchJob = ignore_job
    ) -> CollectionMap:
        """Return the map, and wait until it is laid out. See Collection.map."""
        facts = self._get("/v1/map")
        if build and (rebuild or not facts["built"]):
            self._run("/v1/map", {"rebuild": rebuild}, progress)
            facts = self._get("/v1/map")
        rows = np.frombuffer(self._get_bytes("/v1/map/points", where=encode_filter(where)), "<i4").reshape(6, -1)
        x, y = (rows[place].view("<f4").astype(np.float32) for place in (1, 2))
        territories = to_records(Territory, facts["territories"])
        ids, clusters = rows[0].astype(np.int64), rows[3:].T.astype(np.int64)
        return CollectionMap(ids, x, y, clusters, territories, facts["as_of"], facts["built"])
