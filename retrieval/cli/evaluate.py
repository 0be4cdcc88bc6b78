"""The command that compares clusterings and embedders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.options import DEFAULT, AsJson, Folder, open_collection, parse_json
from retrieval.cli.output import print_json, say, show_steps, write_text

if TYPE_CHECKING:
    from rich.table import Table

    from retrieval.evaluation.columns import Figure
    from retrieval.records.evaluation import Evaluation


def register(app: typer.Typer) -> None:
    """Add the command to the command line's."""
    app.command()(evaluate)


def evaluate(
    collection: Folder = DEFAULT,
    labels: Annotated[
        str | None, typer.Option("--labels", help="A metadata key that says what belongs together.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="A clusterer, or 'kmeans={\"n_init\": 10}'; may be given again (kmeans)."),
    ] = None,
    k: Annotated[int | None, typer.Option("--k", "-k", help="Clusters for methods (as many as labels).")] = None,
    space: Annotated[list[str] | None, typer.Option("--space", help="A space; may be given again (current).")] = None,
    all_spaces: Annotated[bool, typer.Option("--all-spaces", help="Every space.")] = False,
    draws: Annotated[int, typer.Option("--draws", help="Fits without a fifth of the items, for stability.")] = 3,
    sample: Annotated[int | None, typer.Option("--sample", help="Items that are clustered at most (20,000).")] = None,
    random_state: Annotated[int, typer.Option("--random-state", help="What chance starts from.")] = 0,
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page with charts to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare clusterings, and embedders by what lies near each other; beside labels if there are some.

    Stability takes as many more fits as there are --draws; 0 leaves it out. A method that fails: exit code 1.
    """
    options: dict[str, Any] = {} if method is None else {"methods": [parse_method(one) for one in method]}
    options |= {} if sample is None else {"sample": sample}
    with open_collection(collection) as source, show_steps() as step:
        spaces = [one.name for one in source.spaces()] if all_spaces else space or None
        options |= {"labels": labels, "k": k, "spaces": spaces, "draws": draws, "random_state": random_state}
        found = source.evaluate(progress=step, **options)
    if html is not None:
        from retrieval.pages import evaluation as scorecard

        write_text(html, scorecard.render_evaluation(found, f"Clusterings of {source.path.name}"))
    print_json(found.to_dict()) if as_json else show_evaluation(found)
    if html is not None and not as_json:
        say(f"wrote {html}")
    raise typer.Exit(1 if found.failed else 0)


def parse_method(told: str) -> Any:
    """`kmeans` or `kmeans={"n_init": 10}`."""
    name, equals, parameters = told.partition("=")
    return (name, parse_json(parameters, f"--method {name}=")) if equals else name


def show_evaluation(found: Evaluation) -> None:
    """Tables, and what has to be known to read them."""
    from retrieval.evaluation.columns import CLUSTERINGS, SPACES, select_figures
    from retrieval.pages import evaluation as scorecard

    say(scorecard.summarize(found))
    for note in found.notes:
        say(f"  {note}")
    if figures := select_figures(found.spaces, SPACES):
        print_table(build_table("space", [(one.space, one) for one in found.spaces], figures))
    for space in found.spaces:
        here = [one for one in found.clusterings if one.space == space.space]
        named = [(scorecard.display_name(one), one) for one in here if not one.error]
        print_table(build_table(space.space, named, select_figures(here, CLUSTERINGS)))
        for one in here:
            for reason in [f"failed: {one.error}"] if one.error else one.notes:
                say(f"  {scorecard.display_name(one)}: {reason}")
    say("")
    for remark in scorecard.list_remarks(found):
        say(remark)


def build_table(title: str, records: Sequence[tuple[str, Any]], figures: Sequence[Figure]) -> Table:
    """A row for each, the best of a column in bold."""
    from rich.table import Table
    from rich.text import Text

    from retrieval.evaluation.columns import find_best, format_figure

    made = Table(title, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for figure in figures:
        made.add_column(figure.heading, justify="right", no_wrap=True)
    firsts = {one.field: find_best([record for _, record in records], one) for one in figures}
    for name, record in records:
        first = [firsts[one.field] is not None and getattr(record, one.field) == firsts[one.field] for one in figures]
        cells = [
            Text(format_figure(record, one), "bold" if top else "") for one, top in zip(figures, first, strict=True)
        ]
        made.add_row(Text(name, overflow="fold"), *cells)
    return made


def print_table(made: Table) -> None:
    from rich.console import Console

    say("")
    Console().print(made)
