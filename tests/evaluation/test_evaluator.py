"""Evaluating a collection: from the request to the record, while others read and write."""

from __future__ import annotations

import pytest

from indexers.errors import BadQuery, SpaceNotFound, UsageError
from retrieval import Collection
from retrieval.evaluation.evaluator import Evaluator
from retrieval.evaluation.request import EvaluationRequest
from tests.clusters.test_browse import families, family

__all__ = ["families"]

REQUEST = EvaluationRequest(None, (), None, None, 0, 100, 0)


def make_evaluator(collection: Collection) -> Evaluator:
    return Evaluator(collection._catalogue, collection._spaces, collection._browser)


def test_it_judges_what_the_collection_keeps_and_counts_its_steps(families: Collection) -> None:
    steps: list[tuple[int, int, str]] = []
    result = make_evaluator(families).evaluate(REQUEST._replace(sample=1000), lambda *step: steps.append(step))
    assert [judged.name for judged in result.clusterings] == ["coarse", "medium", "fine", "partitions"]
    assert [judged.clusters for judged in result.clusterings][1] == 6
    assert result.as_of == families.change()
    assert steps[0] == (0, 2, "vectors: reading")
    assert [done for done, _, _ in steps] == sorted(done for done, _, _ in steps)
    assert steps[-1][:2] == (2, 2)


def test_it_brings_clusters_up_to_date_first(families: Collection) -> None:
    families.add_vectors(family(40, 30), catch_up=False)
    result = make_evaluator(families).evaluate(REQUEST._replace(sample=1000), None)
    assert result.items == result.judged == 258
    assert next(judged for judged in result.clusterings if judged.name == "medium").clusters == 7


def test_it_refuses_before_it_works(collection: Collection, families: Collection) -> None:
    with pytest.raises(UsageError, match="the collection is empty"):
        make_evaluator(collection).evaluate(REQUEST, None)
    with pytest.raises(SpaceNotFound):
        make_evaluator(families).evaluate(REQUEST._replace(spaces="nobody"), None)
    with pytest.raises(BadQuery, match="draws"):
        make_evaluator(families).evaluate(REQUEST._replace(draws=-1), None)
