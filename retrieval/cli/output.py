"""What the command line prints."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retrieval.pages.page import make_printable

if TYPE_CHECKING:
    from indexers.embedders.overview import EmbedderEntry
    from retrieval.records.items import Item, Page
    from retrieval.records.reports import AddReport, SyncReport
    from retrieval.records.search import Hit, Hits

TABLE: dict[str, Any] = {"box": None, "pad_edge": False, "header_style": "bold"}
"""How tables look: columns alone, without lines."""


def say(*lines: str) -> None:
    """Print lines. What a name may hold is spelled out: line feeds, escape sequences, letters that change the reading
    direction, bytes that are not UTF-8 (which Python keeps as surrogates)."""
    for line in lines:
        print(make_printable(line))


def show_message(message: str) -> None:
    """Print a message of one or more lines to standard error, spelled out as `say` does."""
    print("\n".join(map(make_printable, message.split("\n"))), file=sys.stderr)


def print_json(record: Any) -> None:
    """Print a record as JSON in ASCII."""
    print(json.dumps(record, ensure_ascii=True, indent=2))


def finish_with_report(report: AddReport | SyncReport, as_json: bool) -> None:
    """Print the report of a run, and exit with code 1 if something could not be read."""
    if as_json:
        print_json(report.to_dict())
    else:
        _show_report(report)
    if report.failed:
        raise typer.Exit(1)


def _show_report(report: AddReport | SyncReport) -> None:
    counts = [f"{report.added} added", f"{report.known} known", f"{report.failed} failed"]
    counts += [
        f"{getattr(report, name)} {name}" for name in ("missing", "returned", "replaced") if getattr(report, name, 0)
    ]
    rate = f" ({report.added / report.seconds:.0f} pictures/s)" if report.added > 20 and report.seconds else ""
    say(f"{', '.join(counts)} in {report.seconds:.1f} s{rate}")
    for failure in report.failures[:10]:
        say(f"  failed: {failure.uri}: {failure.reason}")
    if report.failed > 10:
        say(f"  ... and {report.failed - 10} more; `nearkin failures` lists them")
    if report.failed_before:
        say(f"  {report.failed_before} failed before and were skipped; use --retry-failed to try them again")


def write_text(file: Path, text: str) -> None:
    """Write a file as a whole or not at all. Raises WriteFailed."""
    from indexers.files import replace_file

    with replace_file(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def show_hits(hits: Sequence[Hit]) -> None:
    """Print hits as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from retrieval.records.search import format_odds

    is_judged = any(hit.chance is not None for hit in hits)
    table = Table("score", *(["sure", "by chance"] if is_judged else []), "item", "picture", "metadata", **TABLE)
    for hit in hits:
        name = make_printable(hit.uri or hit.key)
        odds = format_odds(hit.chance) if hit.chance is not None else ""
        sure = [hit.certainty or "", odds] if is_judged else []
        cells = Text(name, overflow="fold"), Text(_format_metadata(hit))
        table.add_row(format_score(hit.score), *sure, str(hit.item), *cells)
    Console().print(table if len(hits) else "nothing found")


def show_listing(page: Page) -> None:
    """Print a page of items as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("item", "picture", "size", "format", "taken", "metadata", **TABLE)
    for item in page:
        size = f"{item.width} x {item.height}" if item.width else ""
        cells = (make_printable(item.uri or item.key), size, item.format or "", item.taken_at or "")
        table.add_row(str(item.id), *(Text(cell, overflow="fold") for cell in cells), Text(_format_metadata(item)))
    if len(page):
        Console().print(table)


def show_page(shown: int, page: int, count: int, as_json: bool = False, size: int = 100) -> None:
    """Print which page of how many was shown if there are several, or that there is none of that number."""
    pages = max(1, -(-count // size))
    if not shown and page > 1:
        tell = show_message if as_json else say
        tell(f"no items on page {page}; the last page is {pages}")
    elif count > size and not as_json:
        more = f"; more: --page {page + 1}" if page < pages else ""
        say(f"page {page} of {pages}, {count:,} items{more}")


def format_score(score: float) -> str:
    """Return a score with three digits: those of words may be tiny where all items have a word."""
    return f"{score:.3f}" if score == 0 or abs(score) >= 0.001 else f"{score:.2g}"


def format_value(value: Any) -> str:
    """Return a value for a person to read: texts as they are, others as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _format_metadata(record: Item | Hit) -> str:
    return make_printable(", ".join(f"{key}={format_value(value)}" for key, value in record.metadata.items()))


def show_groups(hits: Hits) -> None:
    """Print the clusters of the hits, each with its best hits."""
    for group in hits.groups:
        cluster = group.cluster
        say(f"{cluster.name or 'unnamed'}, {cluster.size} pictures  #{cluster.id}" if cluster else "in no cluster")
        for hit in group.hits:
            sure = f"  {hit.certainty}" if hit.certainty else ""
            say(f"  {format_score(hit.score)}{sure}  {hit.uri or hit.key}")
    if not hits.groups:
        say("nothing found")


def show_embedders(entries: Sequence[EmbedderEntry]) -> None:
    """Print a line for each embedder, and what to do about those that cannot be used yet."""
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        facts = [
            f"{entry.dimension} dimensions" if entry.dimension else "",
            describe_weights(entry.bytes),
            entry.licence if entry.bytes != 0 else "",
            "text search" if entry.reads_words else "",
            f"{entry.rate:.0f} pictures/s" if entry.rate else "",
            f"({entry.computes})" if entry.computes else "",
        ]
        say(f"{'ok' if entry.usable else '--'}  {entry.name:<{width}}  " + ", ".join(fact for fact in facts if fact))
        if entry.missing:
            say(f"    {'':<{width}}  {entry.missing}")


def describe_weights(size: int | None) -> str:
    """Return the size of a model's weights in words; `size` in bytes, None if it is unknown."""
    return "" if size is None else f"{size / 2**20:.0f} MiB of weights" if size else "no weights"


def show_table(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:<{width}}  {value}")


@contextmanager
def show_progress() -> Iterator[Callable[[Any], None] | None]:
    """Show a progress bar with rate and estimate; yields what to call with each state, or None without a terminal."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.0f}/s"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} failed"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, rate=0.0, failed=0)

        def update(state: Any) -> None:
            bar.update(task, total=state.total, completed=state.done, rate=state.rate, failed=state.failed)

        yield update


@contextmanager
def show_steps() -> Iterator[Callable[[int, int, str], None] | None]:
    """Show a progress bar with the current step; yields what to call with each step, or None without a terminal."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def update(done: int, total: int, step: str) -> None:
            bar.update(task, total=total, completed=done, description=make_printable(step))

        yield update


class Notes(logging.Handler):
    """Prints what the library logs (such as a derived file that was rebuilt) to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one log record."""
        show_message(f"note: {record.getMessage()}")
