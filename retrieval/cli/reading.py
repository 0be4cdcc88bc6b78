"""The commands that read the text in pictures, and measure how good they are."""

from __future__ import annotations

from typing import Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import DEFAULT, AsJson, Folder, open_collection
from retrieval.cli.output import print_json, say, show_steps
from retrieval.pages.page import format_count

SHOWN = 10
"""Failures that are printed."""


def read(
    collection: Folder = DEFAULT,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also try pictures again that could not be read.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the text in pictures (pages, screenshots, signs), so that `nearkin search WORDS` finds it."""
    with open_collection(collection) as target, show_steps() as show:
        progress = None if show is None else lambda done, total: show(done, total, "reading text")
        report = target.read(retry_failed=retry_failed, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        text = f"{report.with_text} of them with text, " if report.read else ""
        say(f"read {format_count(report.read, 'picture')}, {text}{report.failed} failed, in {report.seconds:.1f} s")
        for failure in report.failures[:SHOWN]:
            say(f"  failed: {failure.uri}: {failure.reason}")
        if report.failed > SHOWN:
            say(f"  ... and {report.failed - SHOWN} more; --json lists them")
    raise typer.Exit(1 if report.failed else 0)


def measure(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """Measure sharpness, noise, exposure and contrast of pictures that an older nearkin has added, for filters."""
    with open_collection(collection) as target, show_steps() as show:
        progress = None if show is None else lambda done, total: show(done, total, "measuring")
        count = target.measure(progress=progress)
    if as_json:
        print_json({"measured": count})
    else:
        say(f"measured {format_count(count, 'picture')}")


COMMANDS = (Command(read, "Pictures", "nearkin read"), Command(measure, "Pictures", "nearkin measure"))
