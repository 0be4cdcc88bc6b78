from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy.engine import Connection

from indexers.catalogue import postgresql_words, sqlite_words
from indexers.catalogue.catalogue import Catalogue
from indexers.words.tokens import Wanted
from tests.support.databases import Server, parse_database

VOCABULARY = [f"w{number}" for number in range(60)]


@pytest.fixture
def both(postgresql: Server, catalogue: Catalogue) -> Iterator[list[tuple[object, Connection]]]:
    """Yield both indexes, over connections that write."""
    server = Catalogue.create(parse_database(postgresql.create_schema()))
    with server.database.connect(writing=True) as theirs, catalogue.database.connect(writing=True) as ours:
        yield [(sqlite_words, ours), (postgresql_words, theirs)]
    server.close()


def test_scores_are_those_of_sqlite(both: list[tuple[object, Connection]]) -> None:
    random = np.random.default_rng(5)
    shares = 1 / np.arange(1, 61)
    documents = [
        (
            item_id,
            tuple(
                " ".join(random.choice(VOCABULARY, size, p=shares / shares.sum())) for size in random.integers(0, 40, 3)
            ),
        )
        for item_id in range(1, 301)
    ]
    queries = [
        ([[Wanted(("w3",))], [Wanted(("w9",)), Wanted(("w11",))]], True),
        ([[Wanted(("w0", "w1"))], [Wanted(("w40",))]], False),
        ([[Wanted(("w5",), is_prefix=True)]], True),
        ([[Wanted(("w2", "w1"), is_prefix=True)]], True),
        ([[Wanted(("none",))]], True),
    ]
    answers = []
    for index, connection in both:
        index.add_documents(connection, documents)  # type: ignore[attr-defined]
        index.remove_documents(connection, list(range(1, 301, 7)))  # type: ignore[attr-defined]
        answers.append(
            [
                index.match(connection, terms, every, limit, None, weights)  # type: ignore[attr-defined]
                for terms, every in queries
                for limit, weights in ((1000, (1.0, 1.0)), (1000, (0.5, 0.25)), (1000, (0.0, 2.0)), (7, (1.0, 0.0)))
            ]
        )
    for ours, theirs in zip(*answers, strict=True):
        assert [item_id for item_id, _ in ours] == [item_id for item_id, _ in theirs]
        assert np.allclose([score for _, score in ours], [score for _, score in theirs])
    assert sum(map(len, answers[0])) > 500


def test_words_of_any_length_and_with_any_sign_are_found(both: list[tuple[object, Connection]]) -> None:
    long, odd = "a" * 3000, "it's\\'&|!:*()<->"
    for index, connection in both[1:]:
        index.add_documents(connection, [(1, (f"{long} b", "", "")), (2, (odd, "", "")), (3, (f"{long}b", "", ""))])  # type: ignore[attr-defined]
        for tokens, found in (((long,), 1), ((long, "b"), 1), ((odd,), 2)):
            assert [hit[0] for hit in index.match(connection, [[Wanted(tokens)]], True, 9, None, (1.0, 1.0))] == [found]  # type: ignore[attr-defined]


def test_a_text_of_more_words_than_fit_is_stored(both: list[tuple[object, Connection]]) -> None:
    index, connection = both[1]
    many = " ".join(f"word{number}" for number in range(200_000))
    index.add_documents(connection, [(1, (many, "path", ""))])  # type: ignore[attr-defined]
    assert index.read_documents(connection, [1]) == {1: (many, "path", "")}  # type: ignore[attr-defined]
    for word in ("word0", "word17000"):
        assert index.match(connection, [[Wanted((word,))]], True, 9, None, (1.0, 1.0))  # type: ignore[attr-defined]
