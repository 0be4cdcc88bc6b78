"""Evaluation: which clusterings and embedders fit the collection best."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from indexers.errors import BadQuery, SpaceNotFound
from retrieval.evaluation.request import SAMPLE, EvaluationRequest, check_request, parse_methods
from retrieval.records.reports import Job
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.schemas import JsonInt, RequestBody, build_model
from retrieval.server.state import State, StateDep

router = APIRouter(prefix="/v1", tags=["evaluation"])


class MethodToTry(RequestBody):
    """A clustering algorithm and its parameters."""

    name: str
    """The clustering algorithm, such as kmeans."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the algorithm."""


class EvaluationOrder(RequestBody):
    """What to compare."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"labels": "album", "methods": [{"name": "kmeans", "parameters": {"n_init": 9}}], "draws": 0}]
        }
    )

    labels: str | None = None
    """A metadata key whose values say what belongs together."""
    methods: list[str | MethodToTry] = Field(default=["kmeans"], max_length=100)
    """Clustering algorithms to try, by name or with parameters, beside the clusterings that the collection keeps."""
    k: JsonInt | None = None
    """The number of clusters, for methods that need it (default: as many as labels, else as medium has)."""
    spaces: list[str] | None = Field(default=None, max_length=1000)
    """The spaces to compare (default: the current one)."""
    draws: JsonInt = 3
    """How often each clustering is made again without a fifth of the items, to measure its stability; 0: not at all."""
    sample: JsonInt = SAMPLE
    """The most items that are clustered."""
    random_state: JsonInt = 0
    """The random seed."""


@router.post("/evaluate", status_code=202, response_model=build_model(Job), responses=document_errors(400, 404, 503))
def evaluate_clusterings(state: StateDep, body: EvaluationOrder = EvaluationOrder()) -> Response:  # noqa: B008
    """Compare clusterings and embedders, as a job: its report is an Evaluation."""
    methods = parse_methods(
        [method if isinstance(method, str) else (method.name, method.parameters) for method in body.methods]
    )
    check_request(
        EvaluationRequest(body.labels, methods, body.k, body.spaces, body.draws, body.sample, body.random_state)
    )
    if body.spaces is not None:
        _check_spaces(body.spaces, state)
    plain = [{"name": method.name, "parameters": method.parameters} for method in methods]
    return answer_json(state.jobs.add("evaluate", {**body.model_dump(), "methods": plain}), 202)


def _check_spaces(names: list[str], state: State) -> None:
    """Raise BadQuery or SpaceNotFound now, rather than when the job begins."""
    if not names:
        raise BadQuery("spaces is an empty list; leave it out for the current space")
    known = [space.name for space in state.collection.spaces()]
    for name in names:
        if name not in known:
            raise SpaceNotFound(f"there is no space {name!r}; there are: {', '.join(known) or 'none'}")
