"""The page of an evaluation: its numbers are those of the record, nothing of another host, names are text."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

from retrieval.evaluation.columns import CLUSTERINGS, SPACES, format_figure, select_figures
from retrieval.pages.evaluation import display_name, list_remarks, render_evaluation, summarize
from retrieval.records.evaluation import JudgedClustering
from tests.evaluation.test_request import FAILED, GOOD, evaluation

FAST = JudgedClustering(
    "lite0", "kmeans", "method", "kmeans", {"n_clusters": 3}, 3, 0.0, 0.6, 0.7, 0.8, 0.9, 0.25, 1.5, 0.95, 0.9,
    seconds=1.25, cpu_seconds=1.1, memory=40 * 2**20, notes=("it is <fast>",),
)  # fmt: skip
SLOW = replace(FAST, name="slow <one>", ami=0.65, seconds=80.0, memory=90 * 2**20, notes=())


def read_rows(page: str) -> dict[str, list[str]]:
    """Return the rows of all tables, by their first cell."""
    matches = re.findall(r"<tr><th>([^<]*)</th>((?:<td[^>]*>[^<]*</td>)+)</tr>", page)
    return {
        unescape(name): [unescape(cell) for cell in re.findall(r"<td[^>]*>([^<]*)<", cells)] for name, cells in matches
    }


def test_its_numbers_are_those_of_the_record() -> None:
    record = evaluation(clusterings=(GOOD, FAST, SLOW))
    table, figures = read_rows(render_evaluation(record, "t")), select_figures(record.clusterings, CLUSTERINGS)
    assert len(figures) == 12
    for clustering in record.clusterings:
        assert table[display_name(clustering)] == [format_figure(clustering, figure) for figure in figures]
    assert table["lite0"] == ["1,280", *(format_figure(record.spaces[0], figure) for figure in SPACES), "18"]
    assert table["kmeans *"][2:6] == ["0.600", "0.700", "0.800", "0.900"]


def test_charts_draw_the_same_numbers() -> None:
    page = render_evaluation(evaluation(clusterings=(GOOD, FAST, SLOW)), "t")
    assert "<title>kmeans *: 0.700</title>" in page
    assert "<title>medium: 0.500</title>" in page
    assert "AMI and time" in page
    assert page.count("<svg") == 9
    assert page.count('class="point"') == 2


def test_it_asks_no_other_host_and_names_are_text() -> None:
    page = render_evaluation(evaluation(clusterings=(SLOW, FAST), notes=("a <note>",)), "<b>title</b>")
    assert not re.search(r"https?:|//|<script|url\(|@import| style=", page.replace("sha256-", "").split("<body>")[1])
    assert "<b>" not in page
    assert "slow &lt;one&gt; *" in page
    assert "a &lt;note&gt;" in page
    assert "kmeans *: it is &lt;fast&gt;" in page


def test_what_failed_has_its_reason_in_its_row() -> None:
    page = render_evaluation(evaluation(clusterings=(GOOD, FAILED)), "t")
    assert '<th>evoc *</th><td class="reason" colspan="4">failed: it needs a package</td>' in page
    assert "<title>" in page.split("<body>")[0]
    assert "<svg" not in page  # nothing to compare


def test_without_labels_there_is_nothing_of_them() -> None:
    bare = replace(FAST, ari=None, ami=None, nmi=None, purity=None)
    space = replace(evaluation().spaces[0], p_at_1=None, p_at_10=None, mean_average_precision=None)
    record = evaluation(labels=None, spaces=(space,), clusterings=(bare, replace(bare, name="b", seconds=3.0)))
    page = render_evaluation(record, "t")
    assert "Which embedder" not in page
    assert "Adjusted" not in page
    assert "silhouette and time" in page
    assert summarize(record).startswith("20 items. Stability is the mean of 2 repeats. Random seed 0.")
    assert not any("labels" in remark for remark in list_remarks(record))
