"""Corrections of clusters: what people say belongs together, or does not."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from indexers.errors import BadQuery
from retrieval import Collection, Correction
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.routes.duplicates import DecisionIds
from retrieval.server.schemas import JsonId, RequestBody, build_list
from retrieval.server.state import CollectionDep

router = APIRouter(prefix="/v1", tags=["clusters"])


class CorrectionRequest(RequestBody):
    """A correction of clusters."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "merge", "clusters": [12, 41]}]})

    kind: Literal["merge", "split", "move", "together", "apart", "hide"]
    """merge: two clusters. split: a cluster, into groups. move: items to a cluster. together: items in one cluster.
    apart: two items in different clusters. hide: a cluster."""
    clusters: list[JsonId] = Field(default=[], max_length=2)
    """The clusters, by id: two to merge, one to split, to move to or to hide."""
    items: list[JsonId] = Field(default=[], max_length=10_000)
    """The items, by id, to move, to keep together or (two) apart."""
    into: list[list[JsonId]] = Field(default=[], max_length=1_000)
    """The groups of items, by id, that a cluster is split into; one group is taken out of it."""


@router.get("/corrections", response_model=build_list("corrections", Correction, "The corrections, the oldest first."))
def list_corrections(collection: CollectionDep) -> Response:
    """Return the corrections of clusters that were not undone, each with what of it does not hold."""
    return answer_json({"corrections": [correction.to_dict() for correction in collection.corrections()]})


@router.post(
    "/corrections",
    status_code=201,
    response_model=DecisionIds,
    responses=document_errors(400, 404, 503),
    summary="Correct clusters",
)
def correct_clusters(body: CorrectionRequest, collection: CollectionDep) -> Response:
    """Correct clusters for good; `DELETE /v1/decisions/{decision}` takes it back."""
    return answer_json({"decisions": [_correct(body, collection)]}, 201)


def _correct(body: CorrectionRequest, collection: Collection) -> int:
    clusters, items = body.clusters, body.items
    needed = {"merge": 2, "split": 1, "move": 1, "hide": 1}.get(body.kind, 0)
    if len(clusters) != needed:
        raise BadQuery(f"{body.kind!r} takes {needed} clusters; got {len(clusters)}")
    used = {"split": "into", "move": "items", "together": "items", "apart": "items"}.get(body.kind)
    for name in ("items", "into"):
        if getattr(body, name) and name != used:
            raise BadQuery(f"{body.kind!r} takes no {name}; leave them out")
    match body.kind:
        case "merge":
            return collection.merge_clusters(clusters[0], clusters[1])
        case "split":
            return collection.split_cluster(clusters[0], body.into)
        case "move":
            return collection.move_to_cluster(items, clusters[0])
        case "hide":
            return collection.hide(clusters[0])
        case "together":
            return collection.keep_together(items)
    if len(items) != 2:
        raise BadQuery(f"'apart' is about two items; got {len(items)}")
    return collection.keep_apart(items[0], items[1])
