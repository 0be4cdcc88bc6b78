"""The command that compares clusterings and embedders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.command import Command
from retrieval.cli.names import name_collection
from retrieval.cli.options import DEFAULT, AsJson, Folder, complete_plugins, open_collection, parse_json
from retrieval.cli.output import print_json, say, show_steps, write_text

if TYPE_CHECKING:
    from rich.table import Table

    from retrieval.evaluation.columns import Figure
    from retrieval.records.evaluation import Evaluation, JudgedClustering, JudgedSpace


def evaluate(
    collection: Folder = DEFAULT,
    labels: Annotated[
        str | None,
        typer.Option("--labels", help="Metadata key that says which items belong together, to compare with."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            help="Clustering algorithm to try, e.g. kmeans or 'kmeans={\"n_init\": 10}'; can be repeated "
            "(default: kmeans).",
            autocompletion=complete_plugins("nearkin.clusterers"),
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("--k", "-k", help="Number of clusters (default: the number of labels, else that of medium)."),
    ] = None,
    space: Annotated[
        list[str] | None, typer.Option("--space", help="Space to evaluate; can be repeated (default: the current one).")
    ] = None,
    all_spaces: Annotated[bool, typer.Option("--all-spaces", help="Evaluate every space.")] = False,
    draws: Annotated[
        int, typer.Option("--draws", help="Repeats without a random fifth of the items, to measure stability; 0: none.")
    ] = 3,
    sample: Annotated[
        int | None, typer.Option("--sample", help="Maximum number of items to cluster (default: 20,000).")
    ] = None,
    random_state: Annotated[int, typer.Option("--random-state", help="Random seed.")] = 0,
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page with charts to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare clusterings, clustering methods and embedders by quality measures.

    With --labels, they are also compared with labels of your own. Exits with code 1 if a method fails.
    """
    options: dict[str, Any] = {} if method is None else {"methods": [parse_method(text) for text in method]}
    options |= {} if sample is None else {"sample": sample}
    with open_collection(collection) as source, show_steps() as progress:
        spaces = [record.name for record in source.spaces()] if all_spaces else space or None
        options |= {"labels": labels, "k": k, "spaces": spaces, "draws": draws, "random_state": random_state}
        evaluation = source.evaluate(progress=progress, **options)
    if html is not None:
        from retrieval.pages.evaluation import render_evaluation

        write_text(html, render_evaluation(evaluation, f"Clusterings of {name_collection(source)}"))
    print_json(evaluation.to_dict()) if as_json else show_evaluation(evaluation)
    if html is not None and not as_json:
        say(f"wrote {html}")
    raise typer.Exit(1 if evaluation.failed else 0)


def parse_method(text: str) -> str | tuple[str, Mapping[str, Any]]:
    """Return a method's name, with its parameters if there are any: `kmeans` or `kmeans={"n_init": 10}`."""
    name, equals, parameters = text.partition("=")
    return (name, parse_json(parameters, f"--method {name}=")) if equals else name


def show_evaluation(evaluation: Evaluation) -> None:
    """Print the tables of an evaluation, and how to read them."""
    from retrieval.evaluation.columns import CLUSTERINGS, SPACES, select_figures
    from retrieval.pages.evaluation import display_name, list_remarks, summarize

    say(summarize(evaluation))
    for note in evaluation.notes:
        say(f"  {note}")
    if figures := select_figures(evaluation.spaces, SPACES):
        print_table(build_table("space", [(space.space, space) for space in evaluation.spaces], figures))
    for space in evaluation.spaces:
        clusterings = [clustering for clustering in evaluation.clusterings if clustering.space == space.space]
        rows = [(display_name(clustering), clustering) for clustering in clusterings if not clustering.error]
        print_table(build_table(space.space, rows, select_figures(clusterings, CLUSTERINGS)))
        for clustering in clusterings:
            for note in [f"failed: {clustering.error}"] if clustering.error else clustering.notes:
                say(f"  {display_name(clustering)}: {note}")
    say("")
    for remark in list_remarks(evaluation):
        say(remark)


def build_table(
    title: str, records: Sequence[tuple[str, JudgedClustering | JudgedSpace]], figures: Sequence[Figure]
) -> Table:
    """Return a table with a row for each record, the best value of each column in bold."""
    from rich.table import Table
    from rich.text import Text

    from retrieval.evaluation.columns import find_best, format_figure
    from retrieval.pages.page import make_printable

    table = Table(title, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for figure in figures:
        table.add_column(figure.heading, justify="right", no_wrap=True)
    best = {figure.field: find_best([record for _, record in records], figure) for figure in figures}
    for name, record in records:
        cells = []
        for figure in figures:
            is_best = best[figure.field] is not None and getattr(record, figure.field) == best[figure.field]
            cells.append(Text(format_figure(record, figure), "bold" if is_best else ""))
        table.add_row(Text(make_printable(name), overflow="fold"), *cells)
    return table


def print_table(table: Table) -> None:
    """Print an empty line and the table."""
    from rich.console import Console

    say("")
    Console().print(table)


COMMANDS = (Command(evaluate, "Clusters", "nearkin evaluate --labels album --method kmeans --html report.html"),)
