"""The command that does the work which many processes share."""

from __future__ import annotations

from typing import Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import DEFAULT, AsJson, Device, Folder, RetryFailed, open_collection
from retrieval.cli.output import print_json, say, show_progress

SHOWN = 10
"""Failures that are printed."""


def work(
    collection: Folder = DEFAULT,
    kinds: Annotated[
        str | None, typer.Option("--kinds", help="Only work of these kinds, such as embed or embed,read.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on waiting for work until Ctrl+C.")] = False,
    retry_failed: RetryFailed = False,
    lease: Annotated[
        float, typer.Option("--lease", help="Seconds after which a worker that says nothing counts as dead.")
    ] = 30.0,
    batch: Annotated[int, typer.Option("--batch", help="Pieces of work that are claimed at a time.")] = 64,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Do the work that `nearkin add --no-work` has queued, beside any number of other workers, until nothing is left.

    Start it on every machine that opens the collection. `nearkin info` tells how far all of them are.
    """
    names = None if kinds is None else [name.strip() for name in kinds.split(",") if name.strip()]
    with open_collection(collection, device=device) as target, show_progress() as progress:
        report = target.work(
            kinds=names, watch=watch, retry_failed=retry_failed, lease=lease, batch=batch, progress=progress
        )
    if as_json:
        print_json(report.to_dict())
    else:
        rate = f" ({report.done / report.seconds:.0f}/s)" if report.done and report.seconds else ""
        say(f"{report.done:,} done, {report.failed:,} failed in {report.seconds:.1f} s{rate}")
        for failure in report.failures[:SHOWN]:
            say(f"  failed: {failure.uri}: {failure.reason}")
        if report.failed > SHOWN:
            say(f"  ... and {report.failed - SHOWN} more; --json lists them")
    raise typer.Exit(1 if report.failed else 0)


COMMANDS = (Command(work, "Pictures", "nearkin work --kinds embed -c postgresql://me@host/photos"),)
