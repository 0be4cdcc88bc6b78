"""The map over HTTP."""

from __future__ import annotations

import json

import numpy as np
from starlette.testclient import TestClient

from retrieval import Collection
from tests.support.serving import wait_for_job


def test_a_map_is_laid_out_by_a_job_and_read_as_arrays(discs_client: TestClient, discs: Collection) -> None:
    job = discs_client.post("/v1/map", json={})
    assert job.status_code == 202
    assert wait_for_job(discs_client, job.json()["id"])["state"] == "done"
    facts = discs_client.get("/v1/map").json()
    drawn = discs.map()
    assert (facts["count"], facts["built"]) == (5, drawn.built)
    content = discs_client.get("/v1/map/points").content
    rows = np.frombuffer(content, "<i4").reshape(6, 5)
    assert rows[0].tolist() == drawn.items.tolist()
    assert rows[1].view("<f4").tolist() == drawn.x.tolist()
    assert rows[3:].T.tolist() == drawn.clusters.tolist()
    where = json.dumps({"colour": "red"})
    assert len(discs_client.get("/v1/map/points", params={"where": where}).content) == 24
    assert discs_client.get("/v1/map/picture", params={"edge": 200}).content[:4] == b"\x89PNG"
    assert discs_client.get("/v1/map/picture", params={"edge": 10}).status_code == 422
