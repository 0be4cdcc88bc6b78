"""What the command line's arguments are, and what they stand for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from indexers.embedders.base import Embedder
    from indexers.types import Json
    from retrieval.collection import Collection

Folder = Annotated[
    Path, typer.Option("-c", "--collection", envvar="NEARKIN_COLLECTION", help="The collection's folder.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Where = Annotated[str | None, typer.Option("--where", help='A filter, e.g. \'{"year": {"$gte": 2020}}\'.')]
Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, mps.")]
Precision = Annotated[str | None, typer.Option(help="How to compute: auto, fp32, bf16, int8.")]
Settings = Annotated[
    str | None, typer.Option(help='The embedder\'s settings, e.g. \'{"pretrained": "my.safetensors"}\'.')
]
DEFAULT = Path("nearkin-collection")


@contextmanager
def open_collection(folder: Path, **options: Any) -> Iterator[Collection]:
    from retrieval.collection import Collection

    with Collection.open(folder, **options) as collection:
        yield collection


def build_embedder(embedder: str, settings: Json) -> Embedder:
    """An embedder with settings of one's own."""
    from indexers import plugins

    found: Embedder = plugins.load_member("nearkin.embedders", embedder)(**settings)
    return found


def read_paths(file: Path) -> list[str]:
    """Paths from a file or standard input."""
    from retrieval.items.sources import split_path_list as split

    try:
        return split(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"--list {file} can't be read: {error.strerror or error}") from error


def needs_second_space(collection: Path, embedder: str | None) -> bool:
    """The collection is there, and its pictures are embedded with another one."""
    from indexers.errors import CollectionNotFound
    from retrieval.collection import Collection

    if embedder is None:
        return False
    try:
        with Collection.open(collection) as found:
            current = next((space for space in found.spaces() if space.current), None)
    except CollectionNotFound:
        return False
    return current is not None and current.embedder not in (embedder, None)


def parse_json(text: str | None, option: str) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        shown = text if len(text) < 200 else f"{text[:200]}..."
        raise typer.BadParameter(
            f"{option} takes JSON, such as '{{\"year\": 2024}}'; {shown!r} is not ({error})"
        ) from error


def parse_item_name(item: str | None) -> Any:
    """An id if it is a number, else a key or a path."""
    return int(item) if item and item.isdigit() else item
