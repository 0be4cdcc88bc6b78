"""What the command line prints."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from indexers.embedders.overview import EmbedderEntry
    from retrieval.records.reports import AddReport, SyncReport
    from retrieval.records.search import Hits


def say(line: str) -> None:
    print(line.encode("utf-8", "backslashreplace").decode())


def print_json(record: Any) -> None:
    print(json.dumps(record, ensure_ascii=True, indent=2))


def exit_with_report(report: AddReport | SyncReport, as_json: bool) -> NoReturn:
    """What a run has come to; exit code 1 if something could not be read."""
    if as_json:
        print_json(report.to_dict())
    else:
        rate = report.added / report.seconds if report.seconds else 0
        parts = [f"{report.added} added", f"{report.known} known", f"{report.failed} failed"]
        parts += [
            f"{getattr(report, name)} {name}"
            for name in ("missing", "returned", "replaced")
            if getattr(report, name, 0)
        ]
        say(
            ", ".join(parts)
            + f" in {report.seconds:.1f} s"
            + (f" ({rate:.0f} pictures/s)" if report.added > 20 else "")
        )
        for failure in report.failures[:10]:
            say(f"  failed: {failure.uri}: {failure.reason}")
        if report.failed > 10:
            say(f"  ... and {report.failed - 10} more; `nearkin failures` lists them")
        if report.failed_before:
            say(f"  {report.failed_before} had failed before and were not tried again; --retry-failed does")
    raise typer.Exit(1 if report.failed else 0)


def write_text(file: Path, page: str) -> None:
    from indexers.files import replace_file

    with replace_file(file) as temporary:
        temporary.write_text(page, encoding="utf-8")


def show_hits(hits: Hits) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("score", "item", "picture", "metadata", box=None, pad_edge=False, header_style="bold")
    for hit in hits:
        said = ", ".join(f"{key}={value}" for key, value in hit.metadata.items())
        table.add_row(f"{hit.score:.3f}", str(hit.item), Text(hit.uri or hit.key, overflow="fold"), Text(said))
    Console().print(table if len(hits) else "nothing found")


def show_groups(hits: Hits) -> None:
    for group in hits.groups:
        one = group.cluster
        say(f"{one.name or 'unnamed'}, {one.size} pictures  #{one.id}" if one else "in no cluster")
        for hit in group.hits:
            say(f"  {hit.score:.3f}  {hit.uri or hit.key}")
    if not hits.groups:
        say("nothing found")


def show_embedders(entries: Sequence[EmbedderEntry]) -> None:
    """A line for each, and what is in the way of those that can't be used yet."""
    width = max(len(one.name) for one in entries)
    for one in entries:
        facts = [
            f"{one.dimension} dimensions" if one.dimension else "",
            describe_weights(one.bytes),
            one.licence if one.bytes != 0 else "",
        ]
        facts += ["reads words" if one.reads_words else "", f"{one.rate:.0f} pictures/s" if one.rate else ""]
        facts += [f"({one.computes})" if one.computes else ""]
        say(f"{'ok' if one.usable else '--'}  {one.name:<{width}}  " + ", ".join(fact for fact in facts if fact))
        if one.missing:
            say(f"    {'':<{width}}  {one.missing}")


def describe_weights(count: int | None) -> str:
    return "" if count is None else f"weights of {count / 2**20:.0f} MiB" if count else "no weights"


def show_table(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        say(f"{name:<{width}}  {value}")


@contextmanager
def show_progress() -> Iterator[Any]:
    """A progress bar with rate and estimate, on a terminal only."""
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

        def watch(state: Any) -> None:
            bar.update(task, total=state.total, completed=state.done, rate=state.rate, failed=state.failed)

        yield watch


@contextmanager
def show_steps() -> Iterator[Any]:
    """A progress bar that says what is being done, on a terminal only."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def step(done: int, total: int, what: str) -> None:
            bar.update(task, total=total, completed=done, description=what)

        yield step


class Notes(logging.Handler):
    """What the library notes (a derived file was rebuilt) goes to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"note: {record.getMessage()}", file=sys.stderr)
