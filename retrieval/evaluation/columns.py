"""The figures of an evaluation as people see them, on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """A figure of JudgedClustering or JudgedSpace.

    `field`: its name in the record. `heading`: its short name, `title`: its full one. `better`: 1 if larger is better,
    -1 if smaller is, 0 if neither. `show`: formats a value. `maximum`: the end of its axis in charts, if it has a fixed
    one. `explanation`: what it says, in a few words.
    """

    field: str
    heading: str
    better: int
    show: Callable[[Any], str]
    maximum: float | None
    title: str
    explanation: str


def format_share(value: float) -> str:
    return f"{value:.3f}"


def format_percent(value: float) -> str:
    return f"{value:.0%}" if value == 0 or value >= 0.01 else f"{value:.1%}"


def format_seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def format_mebibytes(value: int) -> str:
    return f"{value / 2**20:,.0f} MiB"


def format_count(value: int) -> str:
    return f"{value:,}"


CLUSTERINGS = (
    Figure("clusters", "clusters", 0, format_count, None, "Clusters", "the number of clusters"),
    Figure("loose", "loose", 0, format_percent, 1, "Loose", "the share of items in no cluster"),
    Figure("ari", "ARI", 1, format_share, 1, "Adjusted Rand index", "agreement on pairs of items; 0 by chance"),
    Figure(
        "ami",
        "AMI",
        1,
        format_share,
        1,
        "Adjusted mutual information",
        "how much clusters tell about labels; 0 by chance",
    ),
    Figure("nmi", "NMI", 1, format_share, 1, "Normalized mutual information", "rises with the number of clusters"),
    Figure(
        "purity",
        "purity",
        1,
        format_share,
        1,
        "Purity",
        "items with their cluster's most frequent label; rises with it too",
    ),
    Figure(
        "silhouette",
        "silh.",
        1,
        format_share,
        None,
        "Silhouette",
        "-1 to 1: how much nearer items are to their own cluster",
    ),
    Figure(
        "davies_bouldin",
        "DB",
        -1,
        format_share,
        None,
        "Davies-Bouldin",
        "width of clusters relative to the gaps between them",
    ),
    Figure(
        "stability",
        "stable",
        1,
        format_share,
        1,
        "Stability",
        "ARI with clusterings of four fifths of the items ± standard error",
    ),
    Figure(
        "seconds",
        "time",
        -1,
        format_seconds,
        None,
        "Time",
        "duration of one fit, including loading what the method needs",
    ),
    Figure("cpu_seconds", "CPU", -1, format_seconds, None, "Processor time", "the same fit, summed over all cores"),
    Figure("memory", "memory", -1, format_mebibytes, None, "Memory", "peak memory of that fit, without the vectors"),
)
SPACES = (
    Figure(
        "p_at_1", "P@1", 1, format_share, 1, "Precision at 1", "the share of queries whose nearest item has their label"
    ),
    Figure(
        "p_at_10",
        "P@10",
        1,
        format_share,
        1,
        "Precision at 10",
        "the share of the ten nearest items that have the query's label",
    ),
    Figure(
        "mean_average_precision",
        "mAP",
        1,
        format_share,
        1,
        "Mean average precision",
        "how high items with the query's label are ranked",
    ),
)


def select_figures(records: Iterable[Any], figures: Sequence[Figure]) -> list[Figure]:
    """Return the figures that at least one of the records has a value for."""
    rows = list(records)
    return [figure for figure in figures if any(getattr(row, figure.field) is not None for row in rows)]


def format_figure(record: Any, figure: Figure) -> str:
    """Return the record's value of a figure as text, with its standard error if it has one; a dash if it has none."""
    value = getattr(record, figure.field)
    error = getattr(record, f"{figure.field}_error", None)
    return "–" if value is None else figure.show(value) + ("" if error is None else f" ± {figure.show(error)}")


def find_best(records: Iterable[Any], figure: Figure) -> float | None:
    """Return the best value of a figure; None if no value is better than another, or there are fewer than two."""
    values = [value for record in records if (value := getattr(record, figure.field)) is not None]
    if not figure.better or len(values) < 2:
        return None
    return float(max(values, key=lambda value: figure.better * value))
