"""The results of an evaluation."""

from __future__ import annotations

import json

from retrieval.records.evaluation import Evaluation, JudgedClustering, JudgedSpace

FAILED = JudgedClustering("lite0", "<evoc>", "method", error="it needs a package")
GOOD = JudgedClustering("lite0", "medium", "level", clusters=3, ami=0.5, silhouette=0.25, seconds=1.0)


def build_evaluation(labels: str | None) -> Evaluation:
    space = JudgedSpace("lite0", "lite0", 1280, "cosine", p_at_1=0.75)
    return Evaluation((space,), (GOOD, FAILED), labels, 3, 20, 20, 20, 0, 0, ("a note",), 7)


def test_what_failed_is_listed_by_itself_and_said_with_its_reason() -> None:
    evaluation = build_evaluation("class")
    assert evaluation.failed == (FAILED,)
    assert repr(evaluation).splitlines() == [
        "<2 clusterings of 20 items beside 3 labels of 'class', as of change 7",
        "  lite0 medium: 3 clusters, ami 0.500",
        "  lite0 <evoc>: failed: it needs a package>",
    ]


def test_without_labels_the_silhouette_stands_for_the_quality() -> None:
    assert "medium: 3 clusters, silhouette 0.250" in repr(build_evaluation(None))
    assert "beside" not in repr(build_evaluation(None))


def test_time_and_memory_do_not_make_two_results_differ() -> None:
    assert JudgedClustering("s", "n", "k", seconds=1.0, memory=5) == JudgedClustering("s", "n", "k", seconds=2.0)
    assert JudgedSpace("s", None, 3, "l2", seconds=1.0) == JudgedSpace("s", None, 3, "l2")


def test_it_is_json_and_a_table_with_names_as_text() -> None:
    evaluation = build_evaluation("class")
    assert json.loads(json.dumps(evaluation.to_dict()))["spaces"][0]["p_at_1"] == 0.75
    page = evaluation._repr_html_()
    assert "<tr><th>classes</th><td>3</td></tr>" in page
    assert "<evoc>" not in page
