"""What can be asked of an evaluation, and its records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indexers.errors import BadQuery, UnknownPlugin
from retrieval.evaluation.request import EvaluationRequest, Method, check_request, parse_methods
from retrieval.records.evaluation import Evaluation, JudgedClustering, JudgedSpace

GOOD = JudgedClustering("lite0", "medium", "level", clusters=3, loose=0.1, ami=0.5, silhouette=0.2)
FAILED = JudgedClustering("lite0", "evoc", "method", method="evoc", error="it needs a package")


def evaluation(**more: Any) -> Evaluation:
    """Return an evaluation of one space, with one clustering that failed."""
    about = {"labels": "class", "classes": 3, "items": 20, "judged": 20, "labelled": 18, "draws": 2, "random_state": 0}
    spaces = (JudgedSpace("lite0", "lite0", 1280, "cosine", 0.5, 0.4, 0.3, 18, 1),)
    return Evaluation(**({"spaces": spaces, "clusterings": (GOOD, FAILED), "notes": (), "as_of": 7} | about | more))


def test_methods_are_named_with_their_parameters() -> None:
    assert parse_methods(["kmeans", ("kmeans", {"n_init": 2})]) == (
        Method("kmeans", {}),
        Method("kmeans", {"n_init": 2}),
    )
    assert Method("kmeans", {"n_init": 2, "init": "random"}).title == 'kmeans n_init=2 init="random"'
    assert parse_methods([]) == ()


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("kmeans", "methods is a list"),
        (7, "methods is a list"),
        ([7], "a method is a name, or a name and its parameters; got 7"),
        ([("kmeans",)], "a method is a name"),
        ([("kmeans", 3)], "a method is a name"),
        ([("kmeans", {"a": {1}})], "the parameters of kmeans must be JSON values"),
    ],
)
def test_what_is_no_method_is_refused(methods: Any, message: str) -> None:
    with pytest.raises(BadQuery, match=message):
        parse_methods(methods)


def test_an_unknown_method_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownPlugin, match=r"there is no clusterer 'foo'; there are: .*kmeans"):
        parse_methods(["foo"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": ""}, "labels is a metadata key"),
        ({"labels": 3}, "labels is a metadata key"),
        ({"k": 0}, "k is the number of clusters, a whole number of at least 1; got 0"),
        ({"draws": -1}, "draws is the number of .* a whole number of at least 0; got -1"),
        ({"draws": 1.5}, "draws is the number"),
        ({"sample": 1}, "sample is the largest number"),
        ({"random_state": -4}, "random_state is the random seed"),
    ],
)
def test_what_can_not_be_asked(wrong: dict[str, Any], message: str) -> None:
    good = EvaluationRequest(None, (), None, None, 0, 100, 0)
    check_request(good)
    with pytest.raises(BadQuery, match=message):
        check_request(good._replace(**wrong))


def test_the_record_is_honest_and_json() -> None:
    result = evaluation()
    assert result.failed == (FAILED,)
    assert json.loads(json.dumps(result.to_dict()))["clusterings"][0]["ami"] == 0.5
    assert repr(result) == (
        "<2 clusterings of 20 items beside 3 labels of 'class', as of change 7\n"
        "  lite0 medium: 3 clusters, ami 0.500\n"
        "  lite0 evoc: failed: it needs a package>"
    )
    assert "medium: 3 clusters, silhouette 0.200" in repr(evaluation(labels=None))
