"""The commands about embedders and their spaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.command import Command
from retrieval.cli.options import (
    DEFAULT,
    AsJson,
    Device,
    EmbedderSettings,
    Folder,
    build_embedder,
    complete_plugins,
    open_collection,
    parse_json,
)
from retrieval.cli.output import print_json, say, show_embedders

SpaceName = Annotated[str, typer.Argument(help="Name of the space; `nearkin spaces` lists them.")]


def embedders(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Embedders to show, e.g. timm:resnet26d (default: all).",
            autocompletion=complete_plugins("nearkin.embedders"),
        ),
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Also measure the speed of each on this machine.")] = False,
    device: Device = "auto",
    settings: EmbedderSettings = None,
    as_json: AsJson = False,
) -> None:
    """List the embedders: which can be used now, and what the others need."""
    from indexers.embedders.overview import list_embedders

    entries = list_embedders(names or (), measure, device, **(parse_json(settings, "--settings") or {}))
    print_json({"embedders": [entry.to_dict() for entry in entries]}) if as_json else show_embedders(entries)


def spaces(collection: Folder = DEFAULT, as_json: AsJson = False) -> None:
    """List the spaces (one for each embedder) and their number of vectors; * marks the current one."""
    with open_collection(collection) as source:
        records = source.spaces()
    if as_json:
        print_json({"spaces": [space.to_dict() for space in records]})
    for space in () if as_json else records:
        mark = "*" if space.current else " "
        say(f"{mark} {space.name}  {space.vectors} vectors, {space.dimension} dimensions, {space.metric}")


def use(
    space: SpaceName,
    collection: Folder = DEFAULT,
    partial: Annotated[
        bool, typer.Option("--partial", help="Switch even if some items have no vector in the space yet.")
    ] = False,
) -> None:
    """Switch searches and clusters to another space."""
    with open_collection(collection) as target:
        target.use(space, partial=partial)
    say(f"{collection} now uses the space {space}")


def drop(space: SpaceName, collection: Folder = DEFAULT) -> None:
    """Delete a space and its vectors. The pictures stay in the collection."""
    with open_collection(collection) as target:
        target.drop_space(space)
    say(f"deleted the space {space} of {collection}")


def export_onnx(
    embedder: Annotated[
        str,
        typer.Argument(
            help="clip, resnet50, torchvision:NAME, timm:NAME ...", autocompletion=complete_plugins("nearkin.embedders")
        ),
    ],
    file: Annotated[Path, typer.Argument(help="The ONNX file to write.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Store 8-bit weights where this makes the model faster; also smaller.")
    ] = False,
    settings: EmbedderSettings = None,
) -> None:
    """Export a model to an ONNX file, which the embedder `onnx:FILE` loads."""
    from indexers.embedders.export import export_onnx as export

    say(f"wrote {export(build_embedder(embedder, parse_json(settings, '--settings') or {}), file, int8)}")


COMMANDS = (
    Command(embedders, "Spaces and data", "nearkin embedders --measure"),
    Command(spaces, "Spaces and data", "nearkin spaces"),
    Command(use, "Spaces and data", "nearkin use clip"),
    Command(drop, "Spaces and data", "nearkin drop lite0"),
    Command(export_onnx, "Spaces and data", "nearkin export-onnx resnet50 resnet50.onnx --int8", "export-onnx"),
)
