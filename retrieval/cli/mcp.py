"""The command that lets agents ask a collection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import DEFAULT, Folder, open_collection
from retrieval.cli.output import show_message

HOST, PORT = "127.0.0.1", 8602


def mcp(
    collection: Folder = DEFAULT,
    is_http: Annotated[
        bool, typer.Option("--http", help="Answer over HTTP, at /mcp, instead of standard input and output.")
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; one that other machines can reach needs a token, in NEARKIN_MCP_TOKEN."
        ),
    ] = HOST,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = PORT,
    allow: Annotated[
        list[Path] | None,
        typer.Option(help="Folder whose pictures may be searched with by path; can be repeated."),
    ] = None,
) -> None:
    """Let agents search the collection and propose changes, over the Model Context Protocol (MCP).

    They change nothing: a person accepts or rejects what they propose, with nearkin proposals or on the page.
    """
    if not is_http and (host, port) != (HOST, PORT):
        raise typer.BadParameter("--host and --port say where --http listens; add --http")
    from indexers.pictures.isolation import can_isolate
    from retrieval.agents import server

    token = os.environ.get("NEARKIN_MCP_TOKEN") or None
    with open_collection(collection, isolated=int(can_isolate())) as source:
        if is_http:
            server.serve_http(source, host, port, token, allow or (), show_message)
        else:
            server.serve_stdio(source, allow or ())


COMMANDS = (Command(mcp, "Serve", "nearkin mcp -c ~/photos"),)
