"""The command that serves a collection."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import DEFAULT, Folder, complete_from
from retrieval.cli.output import say


def serve(
    collection: Folder = DEFAULT,
    host: Annotated[
        str, typer.Option(help="Address to listen on; an address other machines can reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free port.")] = 8601,
    workers: Annotated[int, typer.Option(min=1, help="Number of server processes.")] = 1,
    watch: Annotated[
        list[Path] | None, typer.Option(help="Folder to keep indexed as its files change; can be repeated.")
    ] = None,
    allow: Annotated[
        list[Path] | None,
        typer.Option(help="Folder from which clients may add pictures by path; can be repeated."),
    ] = None,
    read_token: Annotated[
        str | None,
        typer.Option(envvar="NEARKIN_READ_TOKEN", help="Token for read access; prefer the environment variable."),
    ] = None,
    write_token: Annotated[
        str | None,
        typer.Option(
            envvar="NEARKIN_WRITE_TOKEN", help="Token for read and write access; prefer the environment variable."
        ),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Additional allowed host name (behind a proxy); can be repeated.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Other website that may use the API (CORS origin); can be repeated.")
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Path at which a proxy shows the server, e.g. /pictures, whether or not it strips it.")
    ] = "",
    log_format: Annotated[
        str, typer.Option(help="Log format: text or json.", autocompletion=complete_from("text", "json"))
    ] = "text",
) -> None:
    """Serve the collection over HTTP, with a web page to browse it. Stop with Ctrl+C."""
    from retrieval.server import ServerSettings
    from retrieval.server import serve as run

    # a writer's lock names the command that holds it, for other users to read
    sys.argv[:] = [_hide_tokens(word, read_token, write_token) for word in sys.argv]
    settings = ServerSettings(
        host,
        port,
        read_token,
        write_token,
        hosts=tuple(name or ()),
        allow=tuple(allow or ()),
        watch=tuple(watch or ()),
        origins=tuple(origin or ()),
        root_path=root_path.rstrip("/"),
    )
    run(collection, settings, workers=workers, log_format=log_format, announce=say)


def _hide_tokens(word: str, *tokens: str | None) -> str:
    for token in filter(None, tokens):
        word = word.replace(token, "***")
    return word


COMMANDS = (Command(serve, "Serve", "nearkin serve --watch ~/Pictures"),)
