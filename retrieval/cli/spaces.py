"""The commands about embedders and their spaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.options import DEFAULT, AsJson, Device, Folder, Settings, build_embedder, open_collection, parse_json
from retrieval.cli.output import print_json, say, show_embedders


def register(app: typer.Typer) -> None:
    """Add the commands to the command line's."""
    for command in (embedders, spaces, use, drop):
        app.command()(command)
    app.command("export-onnx")(export_onnx)


def embedders(
    names: Annotated[list[str] | None, typer.Argument(help="Some, e.g. timm:resnet26d; all if none is given.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Also measure how quick each is here.")] = False,
    device: Device = "auto",
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Show which embedders can be used now, and what the others need."""
    from indexers.embedders.overview import list_embedders

    found = list_embedders(names or (), measure, device, **(parse_json(settings, "--settings") or {}))
    print_json({"embedders": [one.to_dict() for one in found]}) if as_json else show_embedders(found)


def export_onnx(
    embedder: Annotated[str, typer.Argument(help="clip, resnet50, torchvision:NAME, timm:NAME ...")],
    file: Annotated[Path, typer.Argument(help="The ONNX file to write.")],
    int8: Annotated[bool, typer.Option("--int8", help="8-bit weights where that pays: smaller, quicker.")] = False,
    settings: Settings = None,
) -> None:
    """Write a model as an ONNX file, which the embedder `onnx:FILE` reads."""
    from indexers.embedders.export import export_onnx as write

    say(f"wrote {write(build_embedder(embedder, parse_json(settings, '--settings') or {}), file, int8)}")


def spaces(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the spaces (one for each embedder), and how full they are."""
    with open_collection(collection) as source:
        found = source.spaces()
    if as_json:
        print_json({"spaces": [one.to_dict() for one in found]})
    for one in () if as_json else found:
        say(f"{'*' if one.current else ' '} {one.name}  {one.vectors} vectors of {one.dimension}, {one.metric}")


def use(
    space: Annotated[str, typer.Argument(help="A space's name; `nearkin spaces` lists them.")],
    collection: Folder = DEFAULT,
    partial: Annotated[bool, typer.Option("--partial", help="Even if it lacks items.")] = False,
) -> None:
    """Search another space from now on."""
    with open_collection(collection) as target:
        target.use(space, partial=partial)
    say(f"{collection} now searches {space}")


def drop(
    space: Annotated[str, typer.Argument(help="A space's name; `nearkin spaces` lists them.")],
    collection: Folder = DEFAULT,
) -> None:
    """Remove a space with its vectors (the pictures stay)."""
    with open_collection(collection) as target:
        target.drop_space(space)
    say(f"{space} is gone from {collection}")
