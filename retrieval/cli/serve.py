"""The command that serves a collection."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.options import DEFAULT, Folder
from retrieval.cli.output import say


def register(app: typer.Typer) -> None:
    """Add the command to the command line's."""
    app.command()(serve)


def serve(
    collection: Folder = DEFAULT,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine only with a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 is any that is free.")] = 8601,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer.")] = 1,
    watch: Annotated[list[Path] | None, typer.Option(help="A folder to keep indexed; may be given again.")] = None,
    allow: Annotated[
        list[Path] | None, typer.Option(help="A folder whose pictures may be added by path; may be given again.")
    ] = None,
    read_token: Annotated[
        str | None, typer.Option(envvar="NEARKIN_READ_TOKEN", help="Who has it may ask. Best by the environment.")
    ] = None,
    write_token: Annotated[
        str | None, typer.Option(envvar="NEARKIN_WRITE_TOKEN", help="Who has it may change too.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Another name it is asked for by (behind a proxy); may be given again.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="A page elsewhere that may ask (CORS); may be given again.")
    ] = None,
    log_format: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """Serve a collection over HTTP, with a page to look at it; until Ctrl+C."""
    from retrieval.server import ServerSettings
    from retrieval.server import serve as run

    sys.argv[:] = [_hide_tokens(word, read_token, write_token) for word in sys.argv]  # which a writer's lock names
    served = ServerSettings(
        host,
        port,
        read_token,
        write_token,
        hosts=tuple(name or ()),
        allow=tuple(allow or ()),
        watch=tuple(watch or ()),
        origins=tuple(origin or ()),
    )
    run(collection, served, workers=workers, log_format=log_format, announce=say)


def _hide_tokens(word: str, *tokens: str | None) -> str:
    for token in filter(None, tokens):
        word = word.replace(token, "***")
    return word
