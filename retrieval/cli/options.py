"""The options that several commands share, and what their values mean."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from indexers.embedders.base import Embedder
    from indexers.types import Json
    from retrieval.collection import Collection


def complete_from(*words: str) -> Callable[[str], list[str]]:
    """Return a shell completion for an option that takes one of these words."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def complete_plugins(group: str) -> Callable[[str], list[str]]:
    """Return a shell completion for the name of a plug-in, such as an embedder."""

    def complete(incomplete: str) -> list[str]:
        from indexers import plugins

        return [name for name in sorted(plugins.find_members(group)) if name.startswith(incomplete)]

    return complete


def address(text: str) -> str:
    """Return the address of a collection. Raises BadParameter for an empty text, as of a variable that is not set."""
    if not text:
        raise typer.BadParameter("an empty path; give the current folder as '.'")
    return text


Folder = Annotated[
    str,
    typer.Option(
        "-c",
        "--collection",
        envvar="NEARKIN_COLLECTION",
        parser=address,
        help="Folder of the collection, or the address of its database.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Where = Annotated[
    str | None, typer.Option("--where", help='Only items that match this filter, e.g. \'{"year": {"$gte": 2020}}\'.')
]
Device = Annotated[
    str,
    typer.Option(
        help="Device to compute on: auto, cpu, cuda or mps.",
        autocompletion=complete_from("auto", "cpu", "cuda", "mps"),
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        help="Numeric precision of the model: auto, fp32, bf16 or int8.",
        autocompletion=complete_from("auto", "fp32", "bf16", "int8"),
    ),
]
EmbedderSettings = Annotated[
    str | None,
    typer.Option("--settings", help='Settings of the embedder as JSON, e.g. \'{"pretrained": "my.safetensors"}\'.'),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Try files again that could not be read before.")]
DEFAULT = "nearkin-collection"
"""The collection's folder if none is given."""


@contextmanager
def open_collection(collection: str, **options: Any) -> Iterator[Collection]:
    """Open a collection, with the options of `Collection.open`, and close it afterwards.

    One that is created, and holds nothing when the block raises (as `finish_with_report` does, too), is deleted again.
    """
    from indexers.catalogue.discarding import discard_on_failure
    from retrieval.collection import Collection
    from retrieval.config import choose_address

    address = choose_address(collection)
    with discard_on_failure(address), Collection.open(collection, **options) as opened:
        yield opened


def find_folder(collection: str) -> Path:
    """Return the folder of a collection. Raises UsageError for one in a database, whose server has its own tools."""
    from indexers.errors import UsageError
    from retrieval.config import choose_address

    address = choose_address(collection)
    if isinstance(address, Path):
        return address
    raise UsageError(
        f"{address} is no folder: PostgreSQL looks after its files itself (pg_dump, pg_restore, pg_amcheck)"
    )


def build_embedder(name: str, settings: Json) -> Embedder:
    """Return the embedder of that name with these settings. Raises UnknownPlugin, MissingPackage, BadSetting."""
    from indexers import plugins

    embedder: Embedder = plugins.load_member("nearkin.embedders", name)(**settings)
    return embedder


def read_paths(file: Path) -> list[str]:
    """Return the paths that a file lists, or standard input if the file is `-`."""
    from retrieval.items.path_list import split_path_list

    return split_path_list(_read_list(file))


def read_lines(file: Path) -> list[str]:
    """Return the lines of a file in UTF-8, or of standard input if the file is `-`."""
    try:
        return _read_list(file).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"--list {file} is not text in UTF-8 ({error}); save it as UTF-8") from error


def _read_list(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read --list {file}: {error.strerror or error}") from error


def needs_second_space(collection: str, embedder: str | Embedder | None) -> bool:
    """Return True if the collection exists and its pictures are embedded with another embedder."""
    from indexers.errors import CollectionNotFound
    from retrieval.collection import Collection

    if embedder is None:
        return False
    try:
        with Collection.open(collection) as opened:
            current = next((space for space in opened.spaces() if space.current), None)
    except CollectionNotFound:
        return False
    return current is not None and current.embedder not in (
        embedder if isinstance(embedder, str) else embedder.name,
        None,
    )


def parse_json(text: str | None, option: str) -> Any:
    """Return the value of an option that takes JSON; None if it was not given."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        excerpt = text if len(text) < 200 else f"{text[:200]}..."
        raise typer.BadParameter(
            f"{option} takes JSON, such as '{{\"year\": 2024}}'; {excerpt!r} is not JSON ({error})"
        ) from error
