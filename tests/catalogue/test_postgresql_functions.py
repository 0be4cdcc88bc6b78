from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from indexers.catalogue import postgresql_functions
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import fold_text
from tests.support.databases import Server, parse_database

WORDS = ["Straße", "STRASSE", "ΣΊΣΥΦΟΣ", "Σίσυφος", "İstanbul", "ISTANBUL", "Cafe\u0301", "ﬁn", "ẞ", "ǅ", "Ꭰꭰ", "K", ""]


@pytest.fixture
def connection(postgresql: Server) -> Iterator[sa.Connection]:
    catalogue = Catalogue.create(parse_database(postgresql.create_schema()))
    with catalogue.engine.connect() as opened:
        yield opened
    catalogue.close()


def test_texts_are_folded_as_python_folds_them(connection: sa.Connection) -> None:
    """All letters that folding changes, those that change when composed, and some words."""
    letters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    known = [letter for letter in letters if fold_text(letter) != letter or letter.upper() != letter] + WORDS
    query = sa.text("SELECT value, fold(value) FROM unnest(CAST(:texts AS text[])) AS value")
    read = connection.execute(query, {"texts": known}).all()
    assert len(read) == len(known)
    wrong = [text for text, folded in read if folded != fold_text(text)]
    assert not wrong


def test_a_server_without_a_collation_for_all_scripts_folds_by_its_own(connection: sa.Connection) -> None:
    statements = postgresql_functions.list_functions(connection)
    for name in ("instr", "hex", "listed", "spread", "fold"):
        assert f"FUNCTION {name}(" in "".join(statements)
    assert 'COLLATE "default"' in postgresql_functions._write_fold("default")
