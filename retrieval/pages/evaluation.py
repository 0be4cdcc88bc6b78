"""An evaluation to look at: one page with its tables and charts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from retrieval.evaluation.columns import CLUSTERINGS, SPACES, Figure, find_best, format_figure, select_figures
from retrieval.pages import charts
from retrieval.pages.page import page, text
from retrieval.records.evaluation import Evaluation, JudgedClustering

STYLE = """
.wide { overflow-x: auto; margin-top: 12px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: 5px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; font-size: .875rem; color: var(--quiet); }
tbody th { color: var(--ink); font-size: 1rem; font-weight: normal; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--card); }
td.reason { text-align: left; white-space: normal; min-width: 16rem; color: var(--quiet); }
td.first { font-weight: 600; color: var(--best); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: 8px 32px; }
.charts figure { max-width: 430px; } figcaption { margin: 0 0 6px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 14px; margin: 8px 0 0; }
dt { font-weight: 600; } dd { margin: 0; color: var(--quiet); }
ol, ul { margin: 6px 0 0; padding-left: 1.4em; color: var(--quiet); font-size: .9375rem; }
"""
DRAWN = ("ami", "ari", "purity", "silhouette", "davies_bouldin", "stability", "seconds", "memory")
"""The figures that have a chart."""
FIRST = ' class="first"'


def html(found: Evaluation, title: str) -> str:
    """The page: what was judged, the spaces, the clusterings of each, and how to read it."""
    spaces = "".join(_clusterings(found, one.space) for one in found.spaces)
    return page(title, f"{_about(found)}{_spaces(found)}{spaces}{_reading(found)}", charts.STYLE + STYLE)


def _about(found: Evaluation) -> str:
    return f'<p class="quiet">{text(summary(found))}</p>{_list(found.notes)}'


def _list(lines: Iterable[str], tag: str = "ul") -> str:
    inside = "".join(f"<li>{text(one)}</li>" for one in lines)
    return f"<{tag}>{inside}</{tag}>" if inside else ""


def summary(found: Evaluation) -> str:
    """What was judged, in a sentence or two."""
    beside = f", {found.labelled:,} of them with one of {found.classes:,} values of {found.labels!r}"
    draws = f"Stability is the mean of {found.draws} draw{'' if found.draws == 1 else 's'}. " if found.draws else ""
    return (
        f"{found.judged:,} items{beside if found.labels else ''}. {draws}random_state={found.random_state}, "
        f"as of change {found.as_of:,}, in {found.seconds:,.0f} s."
    )


def _spaces(found: Evaluation) -> str:
    """The spaces by what lies near each other in them; nothing without labels."""
    figures = select_figures(found.spaces, SPACES)
    if not figures:
        return ""
    heads = ["space", "dimension", *(one.heading for one in figures), "queries"]
    rows = [
        f"<th>{text(one.space)}</th><td>{one.dimension:,}</td>"
        f"{_cells(one, found.spaces, figures)}<td>{one.queries:,}</td>"
        for one in found.spaces
    ]
    drawn = "".join(_chart(figure, [(one.space, one) for one in found.spaces]) for figure in figures)
    return (
        "<section><h2>Which embedder puts the same labels near each other?</h2>"
        '<p class="quiet">Every query is an item of the collection, and does not answer itself.</p>'
        f'{_table(heads, rows)}<div class="charts">{drawn}</div></section>'
    )


def _clusterings(found: Evaluation, space: str) -> str:
    here = [one for one in found.clusterings if one.space == space]
    figures = select_figures(here, CLUSTERINGS)
    there = [one for one in here if not one.error]
    rows = [_row(one, there, figures) for one in here]
    notes = _list(f"{named(one)}: {note}" for one in here for note in one.notes)
    drawn = [one for field in DRAWN for one in figures if one.field == field]
    charted = "".join(_chart(one, [(named(record), record) for record in there]) for one in drawn)
    return (
        f"<section><h2>Clusterings of {text(space)}</h2>{_table(['', *(one.heading for one in figures)], rows)}"
        f'{notes}<div class="charts">{charted}{_costs(found, there)}</div></section>'
    )


def named(one: JudgedClustering) -> str:
    """A method may be called what a stored clustering is called."""
    return one.name if one.kind != "method" else f"{one.name} *"


def _row(one: JudgedClustering, beside: Sequence[JudgedClustering], figures: Sequence[Figure]) -> str:
    if one.error:
        return f'<th>{text(named(one))}</th><td class="reason" colspan="{len(figures)}">failed: {text(one.error)}</td>'
    return f"<th>{text(named(one))}</th>{_cells(one, beside, figures)}"


def _cells(one: Any, beside: Sequence[Any], figures: Sequence[Figure]) -> str:
    return "".join(
        f"<td{FIRST if _first(one, beside, figure) else ''}>{text(format_figure(one, figure))}</td>"
        for figure in figures
    )


def _first(one: Any, beside: Sequence[Any], figure: Figure) -> bool:
    value = find_best(beside, figure)
    return value is not None and getattr(one, figure.field) == value


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{text(one)}</th>" for one in heads)
    body = "".join(f"<tr>{one}</tr>" for one in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _chart(figure: Figure, records: Sequence[tuple[str, Any]]) -> str:
    """Bars of a figure; nothing where there is nothing to compare."""
    there = [(name, one) for name, one in records if getattr(one, figure.field) is not None]
    if len(there) < 2:
        return ""
    beside = [one for _, one in there]
    some = [
        charts.Bar(name, float(getattr(one, figure.field)), format_figure(one, figure), _first(one, beside, figure))
        for name, one in there
    ]
    better = {1: "more is better", -1: "less is better"}[figure.better]
    caption = f'<figcaption>{text(figure.title)} <span class="quiet">{better}</span></figcaption>'
    return f"<figure>{caption}{charts.bars(figure.explanation, some, figure.maximum)}</figure>"


def _costs(found: Evaluation, there: Sequence[JudgedClustering]) -> str:
    """What methods find beside what they take."""
    field, name = ("ami", "AMI") if found.labels else ("silhouette", "silhouette")
    some = [
        charts.Point(one.name, one.seconds, value)
        for one in there
        if one.seconds is not None and (value := getattr(one, field)) is not None
    ]
    if len(some) < 2:
        return ""
    drawn = charts.points(f"{name} of each method beside the seconds of a fit", some, "seconds of a fit", name)
    caption = f'<figcaption>{name} and time <span class="quiet">up and to the left is better</span></figcaption>'
    return f"<figure>{caption}{drawn}{_list((one.name for one in some), 'ol')}</figure>"


def _reading(found: Evaluation) -> str:
    figures = [*select_figures(found.spaces, SPACES), *select_figures(found.clusterings, CLUSTERINGS)]
    told = "".join(f"<dt>{text(one.heading)}</dt><dd>{text(_glossed(one))}</dd>" for one in figures)
    return f"<section><h2>How to read it</h2><dl>{told}</dl>{_list(remarks(found))}</section>"


def _glossed(figure: Figure) -> str:
    same = figure.title.lower() == figure.heading
    return figure.explanation if same else f"{figure.title}: {figure.explanation}"


def remarks(found: Evaluation) -> Iterator[str]:
    """What has to be known to read the figures rightly."""
    yield "coarse, medium, fine and partitions are what the collection keeps; * marks methods tried beside them"
    if found.labels:
        yield "beside labels, an item in no cluster counts as a cluster of its own; for purity, as wrong"
    if any(one.loose for one in found.clusterings):
        yield "silhouette and Davies-Bouldin are of items in clusters; look at them beside the loose share"
    if found.draws:
        yield "levels are made anew at the similarities that they have now, partitions all at once"
