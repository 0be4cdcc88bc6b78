"""Figures as people are shown them."""

from __future__ import annotations

import dataclasses

from retrieval.evaluation.columns import (
    CLUSTERINGS,
    SPACES,
    find_best,
    format_figure,
    format_mebibytes,
    format_percent,
    format_seconds,
    select_figures,
)
from retrieval.records.evaluation import JudgedClustering, JudgedSpace
from tests.evaluation.test_request import FAILED, GOOD

FIGURES = {figure.field: figure for figure in (*CLUSTERINGS, *SPACES)}


def test_every_figure_is_one_of_a_record() -> None:
    fields = {field.name for kind in (JudgedClustering, JudgedSpace) for field in dataclasses.fields(kind)}
    assert set(FIGURES) <= fields


def test_values_are_short() -> None:
    assert [format_percent(value) for value in (0, 0.004, 0.01, 0.256, 1)] == ["0%", "0.4%", "1%", "26%", "100%"]
    assert [format_seconds(value) for value in (0.04, 3.21, 250.4)] == ["0.0 s", "3.2 s", "250 s"]
    assert format_mebibytes(5 * 2**30) == "5,120 MiB"


def test_only_figures_that_there_are_have_a_column() -> None:
    assert [figure.field for figure in select_figures([GOOD, FAILED], CLUSTERINGS)] == [
        "clusters",
        "loose",
        "ami",
        "silhouette",
    ]
    assert format_figure(GOOD, FIGURES["ami"]) == "0.500"
    assert format_figure(FAILED, FIGURES["ami"]) == "–"
    drawn = dataclasses.replace(GOOD, stability=0.8, stability_error=0.0123)
    assert format_figure(drawn, FIGURES["stability"]) == "0.800 ± 0.012"


def test_the_best_is_the_largest_or_the_smallest() -> None:
    small, large = (dataclasses.replace(GOOD, ami=ami, davies_bouldin=db) for ami, db in ((0.2, 3.0), (0.7, 1.0)))
    assert find_best([small, large], FIGURES["ami"]) == 0.7
    assert find_best([small, large], FIGURES["davies_bouldin"]) == 1.0
    assert find_best([small, large], FIGURES["clusters"]) is None
    assert find_best([small, FAILED], FIGURES["ami"]) is None
