"""Evaluation over HTTP: a job whose report is an Evaluation; what makes no sense is refused before it is one."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from retrieval import Collection
from tests.support.serving import open_client, wait_for_job


def test_the_report_is_that_of_the_collection(filled: Collection) -> None:
    with open_client(filled) as client:
        begun = client.post("/v1/evaluate", json={"methods": [], "draws": 0, "spaces": ["tiny"]})
        assert begun.status_code == 202
        job = wait_for_job(client, begun.json()["id"])
    evaluation = filled.evaluate(methods=[], draws=0).to_dict()
    assert job["state"] == "done"
    assert [judged["name"] for judged in job["report"]["clusterings"]] == [
        judged["name"] for judged in evaluation["clusterings"]
    ]
    for name in ("labels", "items", "judged", "draws", "as_of"):
        assert job["report"][name] == evaluation[name]


def test_methods_are_named_alone_or_with_parameters(discs_client: TestClient) -> None:
    body = {"methods": ["kmeans", {"name": "kmeans", "parameters": {"n_init": 2}}], "labels": "colour"}
    job = discs_client.post("/v1/evaluate", json=body).json()
    assert job["asked"]["methods"] == [
        {"name": "kmeans", "parameters": {}},
        {"name": "kmeans", "parameters": {"n_init": 2}},
    ]
    discs_client.delete(f"/v1/jobs/{job['id']}")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"methods": ["none"]}, 400, "there is no clusterer 'none'"),
        ({"spaces": ["none"]}, 404, "there is no space 'none'; there are: tiny"),
        ({"spaces": []}, 400, "leave it out for the current space"),
        ({"k": 0}, 400, "k is the number of clusters, a whole number of at least 1; got 0"),
        ({"draws": -1}, 400, "at least 0; got -1"),
        ({"labels": ""}, 400, "labels is a metadata key"),
        ({"sample": 1}, 400, "at least 2; got 1"),
        ({"methods": [{"name": "kmeans", "settings": {}}]}, 422, "settings"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_a_job(
    discs_client: TestClient, body: Any, status: int, reason: str
) -> None:
    before = [job["id"] for job in discs_client.get("/v1/jobs").json()["jobs"]]
    refused = discs_client.post("/v1/evaluate", json=body)
    assert (refused.status_code, reason in refused.json()["detail"]) == (status, True), refused.text
    assert [job["id"] for job in discs_client.get("/v1/jobs").json()["jobs"]] == before


def test_what_only_the_collection_knows_fails_with_its_own_name(filled: Collection) -> None:
    with open_client(filled) as client:
        begun = client.post("/v1/evaluate", json={"methods": [], "labels": "nobody"})
        job = wait_for_job(client, begun.json()["id"])
    assert (job["state"], job["problem"]) == ("failed", "bad-query")
    assert "'nobody'" in job["error"]
