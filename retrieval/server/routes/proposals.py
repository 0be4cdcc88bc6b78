"""What programs propose, and what a person decides of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import ConfigDict, Field

from retrieval.records.proposals import Proposal
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.schemas import MAX_JSON_INT, ItemName, JsonId, RequestBody, build_list, build_model
from retrieval.server.state import CollectionDep

router = APIRouter(prefix="/v1/proposals", tags=["proposals"])

ProposalId = Annotated[int, Path(ge=0, lt=MAX_JSON_INT, description="The number of a proposal.")]


class ProposalRequest(RequestBody):
    """A change that is proposed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "metadata", "items": [3, 7], "metadata": {"tags": ["boats"]}}]}
    )

    kind: str
    """keep (the first of the items), not duplicates, keep both, merge, move, together, apart, hide, rename, metadata or
    remove."""
    items: list[ItemName] = Field(default=[], max_length=10_000)
    """Items, by id or key."""
    clusters: list[JsonId] = Field(default=[], max_length=2)
    """Clusters, by id."""
    name: str | None = None
    """The name that a cluster shall get."""
    metadata: dict[str, Any] | None = None
    """What shall be merged into the items' metadata."""
    reason: str = ""
    """Why."""
    source: str = ""
    """Who proposes it."""


@router.get(
    "",
    response_model=build_list("proposals", Proposal, "The proposals, the newest first."),
    responses=document_errors(400, 503),
)
def list_proposals(
    collection: CollectionDep,
    state: Annotated[str | None, Query(description="open, accepted, rejected or all.")] = "open",
) -> Response:
    """Return what was proposed."""
    rows = collection.proposals(None if state == "all" else state)
    return answer_json({"proposals": [row.to_dict() for row in rows]})


@router.post(
    "",
    status_code=201,
    response_model=build_model(Proposal),
    responses=document_errors(400, 404, 503),
    summary="Propose a change",
)
def propose_change(body: ProposalRequest, collection: CollectionDep) -> Response:
    """Propose a change, for a person to accept or reject; nothing else is written."""
    fields = body.model_dump()
    return answer_json(collection.propose(fields.pop("kind"), **fields), 201)


@router.post("/{proposal}/accept", response_model=build_model(Proposal), responses=document_errors(400, 503))
def accept_proposal(proposal: ProposalId, collection: CollectionDep) -> Response:
    """Carry out what was proposed."""
    return answer_json(collection.accept_proposal(proposal))


@router.post("/{proposal}/reject", response_model=build_model(Proposal), responses=document_errors(400, 503))
def reject_proposal(proposal: ProposalId, collection: CollectionDep) -> Response:
    """Reject what was proposed."""
    return answer_json(collection.reject_proposal(proposal))
