"""The page of an evaluation: its tables and charts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from retrieval.evaluation.columns import CLUSTERINGS, SPACES, Figure, find_best, format_figure, select_figures
from retrieval.pages import charts
from retrieval.pages.page import escape, render_page
from retrieval.records.evaluation import Evaluation, JudgedClustering, JudgedSpace
from retrieval.transfer.cells import quote_cell

Judged = JudgedClustering | JudgedSpace

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
CHARTED = ("ami", "ari", "purity", "silhouette", "davies_bouldin", "stability", "seconds", "memory")
"""Fields of the figures that have a chart."""
BEST = ' class="first"'


def render_evaluation(evaluation: Evaluation, title: str) -> str:
    """Return the page: a summary, the spaces, the clusterings of each space, and how to read the figures."""
    clusterings = "".join(_render_clusterings(evaluation, space.space) for space in evaluation.spaces)
    body = f"{_render_summary(evaluation)}{_render_spaces(evaluation)}{clusterings}{_render_glossary(evaluation)}"
    return render_page(title, body, charts.STYLE + STYLE)


def _render_summary(evaluation: Evaluation) -> str:
    return f'<p class="quiet">{escape(summarize(evaluation))}</p>{_render_list(evaluation.notes)}'


def _render_list(lines: Iterable[str], tag: str = "ul") -> str:
    entries = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<{tag}>{entries}</{tag}>" if entries else ""


def summarize(evaluation: Evaluation) -> str:
    """Return what was evaluated and how, in a few sentences."""
    labels = (
        f", {evaluation.labelled:,} of them labelled by {evaluation.labels!r} ({evaluation.classes:,} different labels)"
    )
    repeats = "repeat" if evaluation.draws == 1 else "repeats"
    stability = f"Stability is the mean of {evaluation.draws} {repeats}. " if evaluation.draws else ""
    return (
        f"{evaluation.judged:,} items{labels if evaluation.labels else ''}. {stability}"
        f"Random seed {evaluation.random_state}. Last change: {evaluation.as_of}. Took {evaluation.seconds:,.0f} s."
    )


def _render_spaces(evaluation: Evaluation) -> str:
    """Return the section that compares spaces by how close equal labels lie; empty without labels."""
    figures = select_figures(evaluation.spaces, SPACES)
    if not figures:
        return ""
    heads = ["space", "dimension", *(figure.heading for figure in figures), "queries"]
    rows = [
        f"<th>{escape(quote_cell(space.space))}</th><td>{space.dimension:,}</td>"
        f"{_render_cells(space, evaluation.spaces, figures)}<td>{space.queries:,}</td>"
        for space in evaluation.spaces
    ]
    named = [(space.space, space) for space in evaluation.spaces]
    drawn = "".join(_draw_chart(figure, named) for figure in figures)
    return (
        "<section><h2>Which embedder places equal labels closest together?</h2>"
        '<p class="quiet">Each query is an item of the collection; the item itself is not counted as an answer.</p>'
        f'{_render_table(heads, rows)}<div class="charts">{drawn}</div></section>'
    )


def _render_clusterings(evaluation: Evaluation, space: str) -> str:
    clusterings = [clustering for clustering in evaluation.clusterings if clustering.space == space]
    figures = select_figures(clusterings, CLUSTERINGS)
    finished = [clustering for clustering in clusterings if not clustering.error]
    rows = [_render_row(clustering, finished, figures) for clustering in clusterings]
    notes = _render_list(f"{display_name(row)}: {note}" for row in clusterings for note in row.notes)
    named = [(display_name(clustering), clustering) for clustering in finished]
    drawn = "".join(_draw_chart(figure, named) for field in CHARTED for figure in figures if figure.field == field)
    table = _render_table(["", *(figure.heading for figure in figures)], rows)
    return (
        f"<section><h2>Clusterings of {escape(space)}</h2>{table}{notes}"
        f'<div class="charts">{drawn}{_draw_costs(evaluation, finished)}</div></section>'
    )


def display_name(clustering: JudgedClustering) -> str:
    """Return its name, with a star for a method, which may be called the same as a stored clustering."""
    return clustering.name if clustering.kind != "method" else f"{clustering.name} *"


def _render_row(clustering: JudgedClustering, finished: Sequence[JudgedClustering], figures: Sequence[Figure]) -> str:
    name = f"<th>{escape(quote_cell(display_name(clustering)))}</th>"
    if clustering.error:
        return f'{name}<td class="reason" colspan="{len(figures)}">failed: {escape(clustering.error)}</td>'
    return f"{name}{_render_cells(clustering, finished, figures)}"


def _render_cells(record: Judged, records: Sequence[Judged], figures: Sequence[Figure]) -> str:
    return "".join(
        f"<td{BEST if _is_best(record, records, figure) else ''}>{escape(format_figure(record, figure))}</td>"
        for figure in figures
    )


def _is_best(record: Judged, records: Sequence[Judged], figure: Figure) -> bool:
    value = find_best(records, figure)
    return value is not None and getattr(record, figure.field) == value


def _render_table(heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _draw_chart(figure: Figure, named: Sequence[tuple[str, Judged]]) -> str:
    """Return the bars of a figure; empty if fewer than two records have it."""
    measured = [(name, record) for name, record in named if getattr(record, figure.field) is not None]
    if len(measured) < 2:
        return ""
    records = [record for _, record in measured]
    bars = [
        charts.Bar(name, float(value), format_figure(record, figure), _is_best(record, records, figure))
        for name, record in measured
        if (value := getattr(record, figure.field)) is not None
    ]
    better = {1: "higher is better", -1: "lower is better"}[figure.better]
    caption = f'<figcaption>{escape(figure.title)} <span class="quiet">{better}</span></figcaption>'
    return f"<figure>{caption}{charts.draw_bars(figure.explanation, bars, figure.maximum)}</figure>"


def _draw_costs(evaluation: Evaluation, clusterings: Sequence[JudgedClustering]) -> str:
    """Return the quality of each method against its time; empty if fewer than two methods have both."""
    field, name = ("ami", "AMI") if evaluation.labels else ("silhouette", "silhouette")
    points = [
        charts.Point(clustering.name, clustering.seconds, value)
        for clustering in clusterings
        if clustering.seconds is not None and (value := getattr(clustering, field)) is not None
    ]
    if len(points) < 2:
        return ""
    chart = charts.draw_points(f"{name} of each method against the time of a fit", points, "seconds per fit", name)
    caption = f'<figcaption>{name} and time <span class="quiet">top left is best</span></figcaption>'
    return f"<figure>{caption}{chart}{_render_list((point.name for point in points), 'ol')}</figure>"


def _render_glossary(evaluation: Evaluation) -> str:
    figures = [*select_figures(evaluation.spaces, SPACES), *select_figures(evaluation.clusterings, CLUSTERINGS)]
    terms = "".join(
        f"<dt>{escape(figure.heading)}</dt><dd>{escape(_explain_figure(figure))}</dd>" for figure in figures
    )
    remarks = _render_list(list_remarks(evaluation))
    return f"<section><h2>How to read the figures</h2><dl>{terms}</dl>{remarks}</section>"


def _explain_figure(figure: Figure) -> str:
    return figure.explanation if figure.title.lower() == figure.heading else f"{figure.title}: {figure.explanation}"


def list_remarks(evaluation: Evaluation) -> Iterator[str]:
    """Yield what a reader must know to interpret the figures."""
    yield "coarse, medium, fine and partitions belong to the collection; * marks methods tried for comparison"
    if evaluation.labels:
        yield "compared with labels, an item in no cluster counts as a cluster of its own; for purity, as wrong"
    if any(clustering.loose for clustering in evaluation.clusterings):
        yield "silhouette and Davies-Bouldin cover only items in clusters; compare them together with the loose share"
    if evaluation.draws:
        yield "for stability, levels are cut again at their present similarities, and partitions are fitted in one run"
