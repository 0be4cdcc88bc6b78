"""What a program may ask of a collection, and propose. Answers say at which change they hold, with scores and proofs.

The methods of `Tools` are the tools: their names, parameters and docstrings are what a program is told of them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from indexers.errors import NearkinError, UsageError
from indexers.types import Json
from retrieval.agents.wording import (
    CAUTION,
    describe_cluster,
    describe_event,
    describe_hit,
    describe_item,
    shorten,
)
from retrieval.collection import Collection
from retrieval.records.search import Hit

Level = Literal["coarse", "medium", "fine"]
ProposalKind = Literal[
    "keep", "not duplicates", "keep both", "merge", "move", "together", "apart", "hide", "rename", "metadata", "remove"
]
MAX_HITS, MAX_THUMBNAILS, EDGE, LARGE_EDGE = 50, 6, 128, 512
"""Hits and thumbnails of an answer, at most; pixels of a thumbnail, and of the picture of one item."""
MAX_PICTURE = 16 * 2**20
"""Bytes of a picture that is sent."""


class Answer(NamedTuple):
    """Facts, and thumbnails as WebP."""

    facts: Json
    thumbnails: tuple[bytes, ...] = ()


class Tools:
    """The tools over a collection. allow: folders whose pictures may be searched with, beside those of items."""

    def __init__(self, collection: Collection, allow: Sequence[Path] = ()) -> None:
        self._collection = collection
        self._allow = [folder.expanduser().resolve() for folder in allow]

    def about(self) -> Answer:
        """Tell what the collection holds: pictures, clusters, newest change, which searches work, open proposals."""
        info = self._collection.info()
        facts: Json = {"items": info.items, "as_of": info.change, "searches_by_words_in_texts": True}
        facts |= {"searches_by_what_is_seen": info.words, "space": info.space}
        facts["clusters"] = {level: len(self._collection.clusters(level)) for level in ("coarse", "medium", "fine")}
        facts["open_proposals"] = len(self._collection.proposals())
        return Answer(facts)

    def search(
        self,
        words: str | None = None,
        seen: str | None = None,
        item: int | None = None,
        picture: str | None = None,
        picture_base64: str | None = None,
        count: int = 10,
        where: dict[str, Any] | None = None,
        cluster: int | None = None,
        exact: bool = False,
    ) -> Answer:
        """Find pictures. Give one of: `words` (in texts, metadata, file names and read text), `seen` (what the picture
        shows), `item` (like this one), `picture` (a path: an item's, or in an allowed folder), `picture_base64`.

        `where` filters by metadata and fields, e.g. {"year": {"$gte": 2020}}; `cluster` searches within a cluster;
        `exact` proves that no other picture is nearer.
        """
        given = [value for value in (words, seen, item, picture, picture_base64) if value is not None]
        if len(given) != 1:
            raise UsageError(f"search takes one of words, seen, item, picture, picture_base64; got {len(given)}")
        asked: Json = {"query": words, "text": seen, "item": item}
        if picture is not None:
            asked = self._find_picture(picture)
        elif picture_base64 is not None:
            asked = {"picture": decode_picture(picture_base64)}
        hits = self._collection.search(
            **asked, k=_limit(count), where=where, within=cluster, exact=exact and words is None
        )
        facts: Json = {"as_of": hits.as_of, "proof": hits.proof, "caution": CAUTION}
        if hits.unknown_words:
            facts["unknown_words"] = list(hits.unknown_words)
        return Answer(facts | {"hits": [describe_hit(hit) for hit in hits]}, self._draw(hits))

    def show_item(self, item: int) -> Answer:
        """Show one picture: all facts and metadata, and the picture itself, 512 pixels large."""
        row = self._collection.get(item)
        facts: Json = {"as_of": self._collection.change(), "caution": CAUTION, **describe_item(row)}
        return Answer(facts, self._draw(self._find_hits([row.id]), LARGE_EDGE))

    def list_clusters(self, level: Level = "medium", count: int = 20) -> Answer:
        """List the largest clusters of a level, with names, sizes and pictures that represent them."""
        clusters = self._collection.clusters(level)
        shown = clusters[: _limit(count)]
        facts: Json = {"as_of": clusters.as_of, "clusters_in_all": len(clusters), "items_in_none": clusters.loose}
        facts |= {"caution": CAUTION, "clusters": [describe_cluster(cluster) for cluster in shown]}
        return Answer(facts, self._draw(self._find_hits([cluster.medoid for cluster in shown[:MAX_THUMBNAILS]])))

    def show_cluster(self, cluster: int, page: int = 1) -> Answer:
        """Show a cluster: what is known of it, and a page of 50 of its pictures, the most typical first."""
        record = self._collection.cluster(cluster)
        rows = record.items(page, MAX_HITS)
        facts: Json = {"as_of": rows.as_of, "caution": CAUTION, **describe_cluster(record)}
        facts |= {"items": [describe_item(item) for item in rows], "next_page": rows.cursor}
        return Answer(facts, self._draw(self._find_hits([item.id for item in rows[:MAX_THUMBNAILS]])))

    def list_news(self, since: int, count: int = 20) -> Answer:
        """Tell what is new since a change number (the `as_of` of an earlier answer): clusters that gained pictures,
        and what happened to clusters."""
        clusters = self._collection.clusters(since=since)
        grown = sorted((cluster for cluster in clusters if cluster.new), key=lambda cluster: -cluster.new)
        events = self._collection.cluster_events(since)
        facts: Json = {"as_of": clusters.as_of, "since": since, "caution": CAUTION, "events_in_all": len(events)}
        facts |= {"grown_clusters": [describe_cluster(cluster) for cluster in grown[: _limit(count)]]}
        return Answer(facts | {"events": [describe_event(event) for event in events[-_limit(count) :]]})

    def explain_copies(self, a: int, b: int) -> Answer:
        """Tell whether two pictures are copies of each other and what proves it, or that nothing does."""
        first, second = self._collection.get([a, b])
        match = next((match for match in self._collection.duplicates_of(first.id) if match.item == second.id), None)
        facts: Json = {
            "as_of": self._collection.change(),
            "a": first.id,
            "b": second.id,
            "are_copies": match is not None,
        }
        if match is None:
            facts["why"] = "comparing their points and their pixels proved nothing"
        else:
            facts |= {"kind": match.kind, "score": round(match.score, 4), "evidence": shorten(match.evidence)}
        return Answer(facts, self._draw(self._find_hits([first.id, second.id])))

    def suggest_keeping(self, count: int = 10) -> Answer:
        """Suggest what to keep of duplicates that earlier comparisons have found: groups, each with the picture to
        keep, the reason, and the score of the weakest proof."""
        groups = self._collection.duplicates(compare=False)
        shown = groups[: _limit(count)]
        facts: Json = {"as_of": self._collection.change(), "groups_in_all": len(groups)}
        facts["groups"] = [
            {
                "keep": group.keep,
                "reason": group.reason,
                "copies": [item for item in group.items if item != group.keep],
                "kind": group.kind,
                "weakest_proof": round(group.weakest, 4),
            }
            for group in shown
        ]
        return Answer(facts, self._draw(self._find_hits([group.keep for group in shown[:MAX_THUMBNAILS]])))

    def find_path(self, a: int, b: int) -> Answer:
        """Find a way from one picture to another over pictures that are nearest neighbours of each other."""
        path = self._collection.path_between(a, b)
        facts: Json = {"as_of": path.as_of, "weakest_link": round(path.weakest, 4), "caution": CAUTION}
        return Answer(facts | {"steps": [describe_hit(hit) for hit in path.hits]}, self._draw(path.hits))

    def summarize(self, count: int = 6, where: dict[str, Any] | None = None, cluster: int | None = None) -> Answer:
        """Choose pictures that stand for all, or for those of a filter or a cluster; each with the share that it stands
        for."""
        summary = self._collection.summary(_limit(count), where=where, within=cluster)
        facts: Json = {"as_of": summary.as_of, "stand_for": summary.total, "caution": CAUTION}
        return Answer(facts | {"pictures": [describe_hit(hit) for hit in summary.hits]}, self._draw(summary.hits))

    def show_map(self) -> Answer:
        """Show the map of all pictures, each near to what it is like, with the names of clusters where they lie."""
        from retrieval.pages.map import render_map_webp

        drawn = self._collection.map(build=False)
        if not drawn.built:
            raise UsageError("the map was not laid out yet; a person can do that: nearkin map")
        facts = {"as_of": drawn.as_of, "caution": CAUTION, "items": len(drawn.items)}
        names = [shorten(row.to_dict()) for row in drawn.territories if row.level == "medium"]
        return Answer(facts | {"territories": names[:MAX_HITS]}, (render_map_webp(drawn),))

    def list_proposals(self, state: Literal["open", "accepted", "rejected"] = "open") -> Answer:
        """List what was proposed, and what a person has decided of it."""
        rows = self._collection.proposals(state)
        facts: Json = {"as_of": self._collection.change(), "caution": CAUTION, "proposals_in_all": len(rows)}
        return Answer(facts | {"proposals": [shorten(row.to_dict()) for row in rows[:MAX_HITS]]})

    def propose(
        self,
        kind: ProposalKind,
        reason: str,
        items: list[int] | None = None,
        clusters: list[int] | None = None,
        name: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Answer:
        """Propose a change, which a person has to accept; nothing else is written. keep: of duplicates the first of
        `items`; not duplicates, keep both, apart: two items; together: items; merge: two clusters; move: items to a
        cluster; hide: a cluster; rename: a cluster to `name`; metadata: merged into that of items; remove: items."""
        proposal = self._collection.propose(
            kind, items=items, clusters=clusters, name=name, metadata=metadata, reason=reason, source="mcp"
        )
        facts: Json = {"proposal": proposal.id, "state": proposal.state, "as_of": self._collection.change()}
        facts["next"] = f"a person decides: on the page, or with: nearkin proposals accept {proposal.id}"
        return Answer(facts)

    def _find_picture(self, path: str) -> Json:
        """Return what to search with for a path: an item, or a picture in an allowed folder. Raises UsageError for any
        other, whether or not it exists."""
        target = Path(path).expanduser()
        try:
            target = target.resolve()
            if any(target.is_relative_to(folder) for folder in self._allow):
                return {"picture": target}
            return {"item": self._collection.get(path).id}
        except (NearkinError, OSError, ValueError, RuntimeError):
            allowed = ", ".join(map(str, self._allow)) or "none; nearkin mcp --allow FOLDER adds one"
            raise UsageError(
                f"{shorten(path)!r} is no item's path and in no allowed folder ({allowed}); send picture_base64 instead"
            ) from None

    def _find_hits(self, items: Iterable[int]) -> list[Hit]:
        """Return items as hits, in order, through which their pictures are loaded."""
        wanted = list(items)
        pictures = self._collection._parts.pictures
        rows = {item.id: item for item in self._collection.get(wanted)}
        return [
            Hit(row.id, row.key, 1.0, row.uri, row.metadata, missing=row.missing, _pictures=pictures)
            for row in (rows[item_id] for item_id in wanted)
        ]

    def _draw(self, hits: Iterable[Hit], edge: int = EDGE) -> tuple[bytes, ...]:
        thumbnails = []
        for hit in list(hits)[:MAX_THUMBNAILS]:
            try:
                thumbnails.append(hit.thumbnail(edge))
            except NearkinError:  # a ready-made vector, or a file that is gone
                continue
        return tuple(thumbnails)


def decode_picture(text: str) -> bytes:
    """Return the bytes of a picture in base64, with or without the beginning of a data URL. Raises UsageError."""
    body = text.partition(",")[2] if text.startswith("data:") else text
    if len(body) > MAX_PICTURE * 4 // 3:
        raise UsageError(f"picture_base64 is a picture of at most {MAX_PICTURE // 2**20} MiB")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("picture_base64 is a picture in base64, and this is none") from None


def _limit(count: int) -> int:
    if not 1 <= count <= MAX_HITS:
        raise UsageError(f"count is from 1 to {MAX_HITS}; got {count}")
    return count
