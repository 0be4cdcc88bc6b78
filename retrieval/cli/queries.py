"""What a search on the command line asks with: pictures, items, words, or several of them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from retrieval.cli.output import show_message

if TYPE_CHECKING:
    from retrieval.collection import Collection

UNLIKE = -0.5
"""The weight of what hits shall not look like."""


class Asked(NamedTuple):
    """What the arguments and options of a search ask with. `item`: an item's id."""

    words: Sequence[str]
    item: int | None = None
    text: str | None = None
    query: str | None = None
    unlike: Sequence[str] = ()

    def is_empty(self) -> bool:
        """Return True if there is nothing to search for."""
        return not self.words and self.item is None and self.text is None and self.query is None


def build_query(source: Collection, request: Asked) -> dict[str, Any]:
    """Return the arguments of `Collection.search` that ask for this.

    Words that are no pictures are words to search for: by what the pictures show, if the embedder knows them, and in
    the texts, metadata and file names of items, if any has them; a note says so. Several parts are mixed.
    """
    from retrieval.search.query import item, text

    pictures = [word for word in request.words if is_picture(word)]
    words, query = request.text, request.query
    if len(pictures) < len(request.words):
        free = " ".join(word for word in request.words if word not in pictures)
        if pictures or words is not None or query is not None:
            raise typer.BadParameter(f"there is no picture {free!r}; for words use --text or --query")
        words, query = _choose_words(source, free)
    parts: list[Any] = [(picture, 1.0) for picture in pictures]
    parts += [(item(request.item), 1.0)] if request.item is not None else []
    parts += [(text(words), 1.0)] if words is not None else []
    if request.unlike and not parts:
        raise typer.BadParameter("--unlike goes with a picture, --item or --text to search for")
    if len(parts) + len(request.unlike) > 1:
        return {"mix": [*parts, *((picture, UNLIKE) for picture in request.unlike)], "query": query}
    return {"picture": pictures[0] if pictures else None, "item": request.item, "text": words, "query": query}


def is_picture(word: str) -> bool:
    """Return True for a file that exists, an address, and what is written like a file."""
    from indexers.pictures.addresses import is_remote
    from indexers.pictures.scan import PICTURE_SUFFIXES, to_path
    from indexers.words.splitting import split_text

    if is_remote(word) or os.path.isfile(os.path.expanduser(to_path(word))):
        return True
    is_path = "/" in word or os.sep in word or not any(True for _ in split_text(word))
    return is_path or os.path.splitext(word)[1].lower() in PICTURE_SUFFIXES


def _choose_words(source: Collection, words: str) -> tuple[str | None, str | None]:
    """Return what finds these words: as `text`, as `query`, or as both; say which. Raises NotFound if nothing can."""
    from indexers.errors import NotFound

    obstacle = _find_obstacle(source, words)
    is_said = bool(source.search(query=words, k=1))
    fields = "texts, metadata, file names and texts in pictures"
    if not obstacle:
        also = f", and for these words in {fields} (--query)" if is_said else ""
        show_message(f"note: there is no file {words!r}; searching for pictures that show it (--text){also}")
        return words, words if is_said else None
    if is_said:
        show_message(f"note: there is no file {words!r}; searching for these words in {fields} (--query)")
        return None, words
    named = {"$or": [{"uri": {"$icontains": words}}, {"key": {"$icontains": words}}]}
    count = source.count(where=named)
    lines = [
        f"nothing found for {words!r}:",
        "  there is no such file;",
        "  no text, metadata or file name of an item has these words;",
        f"  {obstacle}",
    ]
    listing = f"`nearkin items --name {shlex.quote(words)}` lists them"
    lines += [f"  items whose keys or paths have it: {count}; {listing}"] if count else []
    raise NotFound("\n".join(lines))


def _find_obstacle(source: Collection, words: str) -> str:
    """Return why pictures can't be found by these words; "" if they can."""
    from indexers.errors import UnknownWords

    info = source.info()
    if not info.words:
        return (
            f"the embedder {info.embedder or 'lite0'} does not read words, so that they can't be compared with "
            "pictures (`nearkin embedders` lists those with text search)"
        )
    try:
        source.search(text=words, k=1)
    except UnknownWords as error:
        return str(error)
    return ""
