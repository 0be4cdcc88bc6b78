"""The inverted index over the words of items: what is said of them, how their files are called, and what is written in
their pictures.

It is written at the end of the transaction that changes the item. Texts come cut into tokens (`indexers.words`), so
that the database has nothing to fold, split or stem, and any other one would hold the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.catalogue import dialects
from indexers.catalogue.expressions import list_ids
from indexers.catalogue.metadata import OPAQUE_KEY, is_text
from indexers.catalogue.readings import ReadingReader
from indexers.catalogue.schema import item, location, setting
from indexers.errors import BadQuery
from indexers.types import Ids, ItemRow, Json
from indexers.words.splitting import Word, split_text
from indexers.words.tokens import Document, build_document, list_forms

TABLE = "words"
"""What the names of the tables of the index begin with."""
LANGUAGES = "languages"
"""The key of a setting: the languages, besides English, that tokens are marked with."""
CHUNK = 500
"""Items that are read in one step."""
MAX_WORDS = 1000
"""Words in a query, at most."""
_READ_LANGUAGES = sa.select(setting.c.value).where(setting.c.key == LANGUAGES)


def include_object(schema_object: Any, name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
    """Tell Alembic whether an object belongs to the schema: not the index, nor the tables that SQLite keeps it in."""
    return kind != "table" or str(name).split("_")[0] != TABLE


# ---- what is stored


def list_texts(text: str | None, metadata: Json) -> list[str]:
    """Return what is said of an item: its text, and the texts and numbers of its metadata."""
    return [*([] if text is None else [text]), *_list_values(metadata)]


def _list_values(metadata: Json | list[Any]) -> Iterator[str]:
    if isinstance(metadata, dict):
        metadata = [value for key, value in metadata.items() if key != OPAQUE_KEY]
    for value in metadata:
        if isinstance(value, dict | list):
            yield from _list_values(value)
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            yield str(value)


def describe_item(row: ItemRow, seen: str = "") -> Document:
    """Return what the index holds of an item; `seen` is the text in its picture."""
    return build_document(list_texts(row.text, row.metadata), row.uris, seen)


def rebuild_index(connection: Connection) -> None:
    """Make the index anew, also of a database that an earlier version has cut into words in its own way."""
    dialects.find_words(connection).create_index(connection)
    query, last = sa.select(item.c.id, item.c.text, item.c.metadata).order_by(item.c.id).limit(CHUNK), 0
    while rows := connection.execute(query.where(item.c.id > last)).all():
        item_ids, last = [row.id for row in rows], rows[-1].id
        uris, seen = _read_uris(connection, item_ids), ReadingReader(connection).texts(item_ids)
        texts = ((row.id, list_texts(row.text, row.metadata)) for row in rows)
        documents = (
            (item_id, build_document(said, uris.get(item_id, ()), seen.get(item_id, ""))) for item_id, said in texts
        )
        add_documents(connection, documents)


def _read_uris(connection: Connection, item_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the URIs of each item's files; of vanished ones only where there are no others."""
    columns = location.c.item, location.c.uri, location.c.missing_since
    present, missing = dict[int, list[str]](), dict[int, list[str]]()
    for row in connection.execute(sa.select(*columns).where(location.c.item.in_(item_ids)).order_by(location.c.id)):
        (present if row.missing_since is None else missing).setdefault(row.item, []).append(row.uri)
    return missing | present


def add_documents(connection: Connection, documents: Iterable[tuple[int, Document]]) -> None:
    """Add items that the index does not hold yet; those without a word are left out."""
    rows, marks = list[tuple[int, tuple[str, str, str]]](), set[str]()
    for item_id, document in documents:
        if any(document.columns):
            rows.append((item_id, document.columns))
            marks |= document.languages
    if rows:
        dialects.find_words(connection).add_documents(connection, rows)
        _note_languages(connection, marks)


def _note_languages(connection: Connection, languages: set[str]) -> None:
    known = read_languages(connection)
    if not languages <= set(known):
        connection.execute(sa.delete(setting).where(setting.c.key == LANGUAGES))
        connection.execute(sa.insert(setting).values(key=LANGUAGES, value=sorted({*known, *languages})))


def read_languages(connection: Connection) -> list[str]:
    """Return the languages that tokens are marked with."""
    rows = dialects.fetch_all(connection, _READ_LANGUAGES)
    languages = rows[0][0] if rows else []
    if isinstance(languages, str | bytes):  # SQLite gives the text in JSON
        try:
            languages = json.loads(languages)
        except (ValueError, RecursionError):
            return []
    return [str(language) for language in languages] if isinstance(languages, list) else []


def remove_documents(connection: Connection, item_ids: Sequence[int]) -> None:
    """Remove items from the index."""
    dialects.find_words(connection).remove_documents(connection, item_ids)


def erase_removed_words(connection: Connection) -> None:
    """Write the index anew without what was removed, of which it otherwise keeps the words for a while."""
    dialects.find_words(connection).erase_removed(connection)


def read_documents(connection: Connection, item_ids: Sequence[int]) -> dict[int, tuple[str, str, str]]:
    """Return by id what the index holds of these items: the tokens of texts, of paths, and of texts in pictures."""
    return dialects.find_words(connection).read_documents(connection, item_ids)


# ---- what is searched for


class Weights(NamedTuple):
    """What a word counts in the path of a file and in the picture, beside 1 in a text; 0 leaves these out."""

    path: float = 1.0
    seen: float = 1.0


class Term(NamedTuple):
    """Words of a query that belong together: a phrase in quotes, or what stands between two blanks."""

    words: tuple[Word, ...]
    is_phrase: bool


def search(
    connection: Connection,
    words: str,
    limit: int,
    allowed: sa.Select[Any] | None,
    weights: Weights,
) -> list[tuple[int, float]]:
    """Return the items that hold all of the words or, if no item does, any of them: pairs of id and score, best first.

    Scores are BM25 (Robertson and Zaragoza, 2009): larger is better. `"..."` is a phrase. `allowed` selects the ids of
    the items that may answer. Raises BadQuery if there is no word to search for.
    """
    terms, languages = parse_terms(words), read_languages(connection)
    index = dialects.find_words(connection)
    for every, wanted in ((True, terms), (False, _split_terms(terms))):
        forms = [list_forms(term.words, languages) for term in wanted]
        hits = index.match(connection, forms, every, limit, allowed, weights)
        if hits:
            return hits
    return []


def select_listed(item_ids: Ids) -> sa.Select[Any]:
    """Return a select of these ids, however many they are: they travel as one text."""
    listed = "[" + ",".join(map(str, item_ids.tolist())) + "]"
    return sa.select(list_ids(sa.literal(listed, sa.String)).c.value)


def parse_terms(words: str) -> list[Term]:
    """Return the phrases and words of a query. Raises BadQuery if there is none, or too many, or if one is no text."""
    if not is_text(words):
        raise BadQuery(f"the words {words[:100]!r} hold NUL or half a surrogate pair, which no text here has")
    terms, left = list[Term](), MAX_WORDS
    for match in re.finditer(r'"([^"]*)"|([^\s"]+)', words):
        split = tuple(islice(split_text(match[1] or match[2] or ""), left + 1))
        left -= len(split)
        if left < 0:
            raise BadQuery(f"a query has up to {MAX_WORDS:,} words, and {words[:60]!r}... has more")
        if split:
            terms.append(Term(split, match[1] is not None))
    if not terms:
        raise BadQuery(f"there is no word to search for in {words[:100]!r}")
    return terms


def _split_terms(terms: Sequence[Term]) -> list[Term]:
    """Return terms of which any may match: of one that is no phrase its words."""
    parts: dict[Term, None] = {}
    for term in terms:
        words = term.words if not term.is_phrase else ()
        last = {len(words) - 1} if len(words) > 1 and words[-2:][0].is_part and not words[-2:][0].ends_run else set()
        singles = [Term((word,), False) for place, word in enumerate(words) if place not in last]
        parts |= dict.fromkeys(singles or [term])
    return list(parts)
