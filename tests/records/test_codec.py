"""Records go to JSON and come back the same."""

from __future__ import annotations

import json

import pytest

from retrieval.records.clusters import Outlier
from retrieval.records.codec import from_json, list_fields, slug
from retrieval.records.duplicates import DuplicateGroup, Pair
from retrieval.records.items import Page
from retrieval.records.reports import Job
from retrieval.records.search import Hit, Hits

PAIR = Pair(1, 2, "edited", 0.9, {"differs": ["darker"]})
RECORDS = (
    Hit(1, "k", 0.5, None, {"a": [1]}, (1, 2)),
    Hits((Hit(1, "k", 0.5, "u", {}),), 7),
    Page((), None, 3),
    DuplicateGroup(1, "edited", (1, 2), 1, "most pixels", (PAIR,), 0.9, (1, 2), 0.1, (1, 2)),
    Outlier(1, "k", None, 0.1, None, "far"),
    Job("1", "add", {"paths": ["a"]}, total=3, report={"added": 1}),
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: type(one).__name__)
def test_they_come_back(record: object) -> None:
    assert from_json(type(record), json.loads(json.dumps(record.to_dict()))) == record  # type: ignore[attr-defined]


def test_what_is_inside_is_no_field() -> None:
    from retrieval.records.clusters import Cluster

    assert "_members" not in list_fields(Cluster)
    assert "tightness" in list_fields(Cluster)


def test_names_of_errors() -> None:
    assert slug(DuplicateGroup) == "duplicate-group"


def test_what_another_version_does_not_know_has_its_default() -> None:
    plain = json.loads(json.dumps(RECORDS[0].to_dict()))  # type: ignore[attr-defined]
    del plain["missing"]
    assert from_json(Hit, {**plain, "new": 1}) == RECORDS[0]
