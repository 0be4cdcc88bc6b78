"""Items on a server: read, added, changed, removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast, overload

import numpy as np

from indexers.types import Failure, Json, Vectors
from retrieval.checks import ItemName, is_item_name, list_names
from retrieval.client.http import Where, encode_filter, encode_json, read_picture, to_list, to_records
from retrieval.client.jobs import WatchJob, ignore_job
from retrieval.client.work import Paths, WorkMethods, list_paths
from retrieval.filters import to_json
from retrieval.records.codec import from_json
from retrieval.records.items import Item, Page
from retrieval.records.reports import AddReport, Job, ReadReport, SyncReport

Picture = Any
"""A path, a file's bytes, a PIL image, a uint8 array."""
Metadata = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
WALK_PAGE = 500
"""Items that are read at a time."""


class ItemMethods(WorkMethods):
    """The methods about items."""

    @overload
    def get(self, items: ItemName) -> Item: ...  # type: ignore[overload-overlap]
    @overload
    def get(self, items: Iterable[ItemName]) -> list[Item]: ...
    def get(self, items: ItemName | Iterable[ItemName]) -> Item | list[Item]:
        """Return one item by id, key or path, or several in that order. Raises ItemNotFound."""
        records = [self._get_item(name) for name in list_names(items)]
        return records[0] if is_item_name(items) else records

    def _get_item(self, name: Any) -> Item:
        if isinstance(name, str):
            return cast(Item, from_json(Item, self._get("/v1/item", key=name)))
        return cast(Item, from_json(Item, self._get(f"/v1/items/{int(name)}")))

    def _find_id(self, item: ItemName) -> int:
        return self._get_item(item).id if isinstance(item, str) else int(item)

    def items(
        self, *, where: Where = None, cursor: int | None = None, limit: int = 100, page: int | None = None
    ) -> Page:
        """Return a page of items in order of id; give its `cursor` to the next call, or the number of a `page`."""
        params = {"where": encode_filter(where), "cursor": cursor, "limit": limit, "page": page}
        return self._get_page("/v1/items", **params)

    def walk(self, *, where: Where = None) -> Iterator[Item]:
        """Yield every item that meets a filter, in order of id, reading a page at a time."""
        cursor: int | None = 0
        while cursor is not None:
            page = self.items(where=where, cursor=cursor, limit=WALK_PAGE)
            yield from page.items
            cursor = page.cursor

    def count(self, *, where: Where = None) -> int:
        """Count the items that meet a filter."""
        return cast(int, self._get("/v1/count", where=encode_filter(where))["count"])

    def vectors(self, items: Iterable[ItemName], *, space: str | None = None) -> dict[int, Vectors]:
        """Return the vectors of items, float32 (dimension,), by item id. See Collection.vectors."""
        answer = self._post("/v1/items/vectors", {"items": list_names(items), "space": space})
        return {row["item"]: np.array(row["vector"], np.float32) for row in answer["vectors"]}

    def failures(self) -> list[Failure]:
        """Return what could not be read, newest first."""
        failures: list[Failure] = []
        number: int | None = 1
        while number is not None:
            page = self._get("/v1/failures", page=number, size=1000)
            failures, number = [*failures, *to_records(Failure, page["failures"])], page["cursor"]
        return failures

    # ---- writing

    def add(
        self,
        pictures: Picture | Sequence[Picture],
        *,
        metadata: Metadata = None,
        keys: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
    ) -> AddReport:
        """Add pictures by sending them: paths of local files, bytes, PIL images, arrays. See Collection.add."""
        several = list(pictures) if isinstance(pictures, list | tuple) else [pictures]
        files = [("pictures", (str(number), read_picture(picture))) for number, picture in enumerate(several)]
        fields: Json = {"keys": keys, "texts": texts, "metadata": None if metadata is None else encode_json(metadata)}
        data = {name: value for name, value in fields.items() if value is not None}
        return cast(AddReport, from_json(AddReport, self._request("POST", "/v1/items", files=files, data=data)))

    def add_vectors(
        self,
        vectors: Any,
        *,
        keys: Sequence[str | None] | None = None,
        metadata: Metadata = None,
        texts: Sequence[str | None] | None = None,
        replace: bool = False,
    ) -> AddReport:
        """Add ready-made vectors (n, dimension), in one transaction. See Collection.add_vectors. They are sent in one
        request, which takes 4 MB of JSON: some 200,000 coordinates."""
        rows = np.atleast_2d(vectors) if isinstance(vectors, np.ndarray) else vectors
        body: Json = {"vectors": [to_list(row) for row in rows], "keys": keys, "texts": texts}
        return self._add_as_json("/v1/vectors", {**body, "metadata": metadata, "replace": replace})

    def add_texts(
        self,
        texts: Sequence[str],
        *,
        keys: Sequence[str] | None = None,
        metadata: Metadata = None,
        replace: bool = False,
    ) -> AddReport:
        """Add texts as items of their own. See Collection.add_texts. Raises NoTextTower."""
        body = {"texts": list(texts), "keys": keys, "metadata": metadata, "replace": replace}
        return self._add_as_json("/v1/texts", body)

    def _add_as_json(self, path: str, body: Json) -> AddReport:
        given = {name: value for name, value in body.items() if value is not None}
        return cast(AddReport, from_json(AddReport, self._post(path, given)))

    def add_paths(self, paths: Paths, *, metadata: Where = None, sync: bool = False) -> Job:
        """Add pictures that lie on the server, below a folder that it allows, as a job: see `wait`. `sync`: also mark
        as missing what has vanished from there."""
        return self._begin("/v1/jobs/add", {"paths": list_paths(paths), "metadata": metadata, "sync": sync})

    def sync(
        self,
        folders: Paths,
        *,
        metadata: Where = None,
        retry_failed: bool = False,
        check: bool = False,
        progress: WatchJob = ignore_job,
    ) -> SyncReport:
        """Add what is new below folders of the server's that it allows, and mark the locations that have vanished from
        them; wait for it. See Collection.sync."""
        body = {"paths": list_paths(folders), "metadata": metadata, "retry_failed": retry_failed, "check": check}
        return cast(SyncReport, from_json(SyncReport, self._run("/v1/jobs/sync", body, progress)))

    def retry_failed(self, *, progress: WatchJob = ignore_job) -> AddReport:
        """Try every failure again, and wait for it; forget those whose file no longer exists. The report's `items` stay
        empty."""
        report = self._run("/v1/failures/retry", progress=progress)
        return cast(AddReport, from_json(AddReport, {**report, "items": ()}))

    def read(self, *, retry_failed: bool = False, progress: WatchJob = ignore_job) -> ReadReport:
        """Read the text in pictures that were not read yet, and wait for it. See Collection.read."""
        report = self._run("/v1/jobs/read", {"retry_failed": retry_failed}, progress)
        return cast(ReadReport, from_json(ReadReport, report))

    def fill(self, embedder: str, *, progress: WatchJob = ignore_job) -> AddReport:
        """Fill a second space: embed every item with another embedder, and wait for it; `use` switches to it. The name
        has no argument: those are filled on the server. See Collection.fill. The report's `items` stay empty."""
        report = self._run("/v1/spaces", {"embedder": embedder}, progress)
        return cast(AddReport, from_json(AddReport, {**report, "items": ()}))

    def update(self, item: ItemName, metadata: Where = None, *, text: str | None = None, replace: bool = False) -> Item:
        """Merge metadata into an item's (`replace`: replace the item's), and set its text. Raises ItemNotFound."""
        body = {"metadata": metadata, "text": text, "replace": replace}
        return cast(Item, from_json(Item, self._request("PATCH", f"/v1/items/{self._find_id(item)}", json=body)))

    def update_all(
        self,
        metadata: Mapping[str, Any] | None = None,
        *,
        where: Mapping[str, Any],
        extend: Mapping[str, Any] | None = None,
        reduce: Mapping[str, Any] | None = None,
    ) -> int:
        """Merge metadata into every item that meets a filter. Return their number. See Collection.update_all."""
        changes = {"metadata": metadata or {}, "extend": extend or {}, "reduce": reduce or {}}
        return cast(int, self._request("PATCH", "/v1/items", json={**changes, "where": to_json(where)})["updated"])

    def remove(
        self, items: ItemName | Iterable[ItemName] | None = None, *, where: Where = None, purge: bool = False
    ) -> int:
        """Remove items by id or key, or all that meet a filter (`purge`: for good). Return their number.

        Raises ItemNotFound.
        """
        body = {"items": None if items is None else list_names(items), "where": to_json(where), "purge": purge}
        return cast(int, self._post("/v1/items/remove", body)["removed"])
