"""The figures of an evaluation, as people are shown them: on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """A figure of JudgedClustering or JudgedSpace. `better`: 1 where larger is better, -1 where smaller is, 0 neither.
    `most`: the value that it can't exceed, if it is drawn up to there. `title`: its full name; `told`: what it says."""

    field: str
    heading: str
    better: int
    show: Callable[[Any], str]
    most: float | None
    title: str
    told: str


def share(value: float) -> str:
    return f"{value:.3f}"


def percent(value: float) -> str:
    return f"{value:.0%}" if value == 0 or value >= 0.01 else f"{value:.1%}"


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def mebibytes(value: int) -> str:
    return f"{value / 2**20:,.0f} MiB"


def whole(value: int) -> str:
    return f"{value:,}"


CLUSTERINGS = (
    Figure("clusters", "clusters", 0, whole, None, "Clusters", "how many there are"),
    Figure("loose", "loose", 0, percent, 1, "Loose", "the share of items in no cluster"),
    Figure("ari", "ARI", 1, share, 1, "Adjusted Rand index", "agreement on pairs of items; 0 by chance"),
    Figure("ami", "AMI", 1, share, 1, "Adjusted mutual information", "what clusters say of labels; 0 by chance"),
    Figure("nmi", "NMI", 1, share, 1, "Normalized mutual information", "rises with the number of clusters"),
    Figure("purity", "purity", 1, share, 1, "Purity", "items with their cluster's most frequent label; rises too"),
    Figure("silhouette", "silh.", 1, share, None, "Silhouette", "-1 to 1: how much nearer the own cluster is"),
    Figure("davies_bouldin", "DB", -1, share, None, "Davies-Bouldin", "width of clusters by the gaps between them"),
    Figure("stability", "stable", 1, share, 1, "Stability", "ARI with a clustering without a fifth of the items"),
    Figure("seconds", "time", -1, seconds, None, "Time", "of one fit, with loading what the method needs"),
    Figure("cpu_seconds", "CPU", -1, seconds, None, "Processor time", "of that fit, of all cores together"),
    Figure("memory", "memory", -1, mebibytes, None, "Memory", "what that fit held at most, beside the vectors"),
)
SPACES = (
    Figure("p_at_1", "P@1", 1, share, 1, "Precision at 1", "queries whose nearest item has their label"),
    Figure("p_at_10", "P@10", 1, share, 1, "Precision at 10", "of the ten nearest items, those with the query's label"),
    Figure(
        "mean_average_precision", "mAP", 1, share, 1, "Mean average precision", "how far up the same label is ranked"
    ),
)


def known(records: Iterable[Any], figures: Sequence[Figure]) -> list[Figure]:
    """The figures that any of the records has."""
    some = list(records)
    return [one for one in figures if any(getattr(record, one.field) is not None for record in some)]


def shown(record: Any, figure: Figure) -> str:
    value = getattr(record, figure.field)
    return "–" if value is None else figure.show(value)


def best(records: Iterable[Any], figure: Figure) -> float | None:
    """The best value, as it is shown to be; None where there is no better and worse, or nothing to compare."""
    values = [value for one in records if (value := getattr(one, figure.field)) is not None]
    if not figure.better or len(values) < 2:
        return None
    return float(max(values, key=lambda value: figure.better * value))
