"""Words in twelve languages, and words that pictures are searched with.

Texts: 100,000 in twelve languages. Each of 20 queries of a language has a sentence in which a reader finds it, perhaps
in another form; the sentence is in about 130 of the texts, among words that no query asks for. The peer is what stood
here before: FTS5's own tokenizer with English stems, over the same texts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from indexers.catalogue import full_text, schema
from retrieval import Collection
from tests.bench.harness import Bench

READERS = Path(__file__).with_name("readers.tsv")
WEIGHTS = full_text.Weights()
UNSPACED = ("zh", "ja", "th")
PEER = "CREATE VIRTUAL TABLE before USING fts5(body, tokenize = 'porter unicode61 remove_diacritics 2')"


class Reading(NamedTuple):
    """A query, and a sentence in which a reader finds it."""

    language: str
    query: str
    sentence: str


def run(bench: Bench) -> None:
    readings = [Reading(*line.split("\t")) for line in READERS.read_text("utf-8").splitlines()]
    texts, owners = make_texts(readings, bench.count)
    with Collection.open(bench.work / "words", create=True, clusters=0, scan_below=0) as collection:
        start = time.process_time()
        vectors = np.random.default_rng(0).standard_normal((len(texts), 4)).astype(np.float32)
        collection.add_vectors(vectors, texts=texts)
        added = time.process_time() - start
        with collection._catalogue.transaction() as writing:
            measure(bench, writing._connection, readings, texts, owners, added)


def make_texts(readings: list[Reading], count: int) -> tuple[list[str], np.ndarray]:
    """Return texts, and the number of the sentence in each, -1 without any.

    The words around it are those of the language's sentences that are no form of a query's, and invented rare ones.
    """
    random = np.random.default_rng(1)
    by_language: dict[str, list[int]] = {}
    for number, reading in enumerate(readings):
        by_language.setdefault(reading.language, []).append(number)
    pools = {
        language: list_neutral_words([readings[number] for number in numbers])
        for language, numbers in by_language.items()
    }
    names = list(by_language)
    texts, owners = [], np.full(count, -1)
    for place in range(count):
        language = names[place % len(names)]
        pool = pools[language]
        words = [pool[int(rank)] for rank in len(pool) * random.random(8) ** 2]
        if random.random() < 0.3:
            owners[place] = number = int(random.choice(by_language[language]))
            words.insert(4, readings[number].sentence)
        texts.append(("，" if language in UNSPACED else " ").join(words) + f" {place}")
    return texts, owners


def list_neutral_words(readings: list[Reading]) -> list[str]:
    """Return the words of sentences that share no three letters (two, without blanks) with any query."""
    size = 1 if readings[0].language in (*UNSPACED, "ko") else 3
    asked = " ".join(reading.query for reading in readings).casefold()
    parts = {asked[place : place + size] for place in range(len(asked))}
    words = [word for reading in readings for word in re.findall(r"\w+", reading.sentence.casefold())]
    if readings[0].language in UNSPACED:
        words = [word[place : place + 2] for word in words for place in range(0, len(word), 2)]
    return list(dict.fromkeys(word for word in words if not any(part in word for part in parts)))


def measure(
    bench: Bench, connection: sa.Connection, readings: list[Reading], texts: list[str], owners: np.ndarray, added: float
) -> None:
    ids = np.array(connection.execute(sa.select(schema.item.c.id).order_by(schema.item.c.id)).scalars().all())
    peer_size, peer_seconds = build_peer(connection, ids, texts)
    sizes = measure_size(connection, "words_")
    bench.add("words: index of the texts", sizes / 1e6, "MB", "", peer=peer_size / 1e6)
    bench.add(
        "words: adding a text with its vector",
        added / len(texts) * 1e6,
        "us",
        "",
        note=f"the peer's index alone: {peer_seconds / len(texts) * 1e6:.0f} us",
    )
    found: dict[str, list[float]] = {}
    right, hits = 0, 0
    before: list[float] = []
    missed: list[str] = []
    for number, reading in enumerate(readings):
        same = [
            other
            for other, sibling in enumerate(readings)
            if sibling[:2] == reading[:2] or reading.query.strip('"').casefold() in sibling.sentence.casefold()
        ]
        wanted = set(ids[owners == number].tolist())
        accepted = set(ids[np.isin(owners, [number, *same])].tolist())
        answer = {item_id for item_id, _ in full_text.search(connection, reading.query, bench.count, None, WEIGHTS)}
        found.setdefault(reading.language, []).append(len(answer & wanted) / max(len(wanted), 1))
        right, hits = right + len(answer & accepted), hits + len(answer)
        before.append(len(search_peer(connection, reading.query, bench.count) & wanted) / max(len(wanted), 1))
        if len(answer & wanted) < len(wanted):
            missed.append(f"{reading.query} ({reading.language})")
    for language, shares in found.items():
        peer = [share for share, reading in zip(before, readings, strict=True) if reading.language == language]
        bench.add(
            f"words: found that a reader finds, {language}",
            float(np.mean(shares)),
            "",
            "1",
            peer=float(np.mean(peer)),
            limit=1,
            more=True,
        )
    bench.add(
        "words: found, all languages",
        float(np.mean([share for shares in found.values() for share in shares])),
        "",
        "1",
        peer=float(np.mean(before)),
        limit=1,
        more=True,
        note="missed: " + ", ".join(missed) if missed else "",
    )
    bench.add("words: hits in which a reader finds the query", right / max(hits, 1), "", "")
    queries = [reading.query for reading in readings]
    ours, theirs = time_queries(
        queries,
        lambda query: full_text.search(connection, query, 20, None, WEIGHTS),
        lambda query: search_peer(connection, query, 20),
    )
    for name, share in (("median", 50), ("p95", 95)):
        a, b = (float(np.percentile(times, share)) * 1e3 for times in (ours, theirs))
        bench.add(f"words: a query, {name}", a, "ms", "at most 2 x the peer", peer=b, limit=2 * b)


def build_peer(connection: sa.Connection, ids: np.ndarray, texts: list[str]) -> tuple[int, float]:
    connection.exec_driver_sql(PEER)
    start = time.process_time()
    for first in range(0, len(texts), 1000):
        rows = list(zip(ids[first : first + 1000].tolist(), texts[first : first + 1000], strict=True))
        connection.exec_driver_sql("INSERT INTO before (rowid, body) VALUES (?, ?)", rows)
    return measure_size(connection, "before_"), time.process_time() - start


def measure_size(connection: sa.Connection, prefix: str) -> int:
    """Return the bytes of the rows in SQLite's tables of an index."""
    total = 0
    for table, column in (("data", "block"), ("content", "c0")):
        total += int(
            connection.exec_driver_sql(
                f"SELECT coalesce(sum(length(CAST({column} AS BLOB))), 0) FROM {prefix}{table}"
            ).scalar_one()
        )
    return total


def search_peer(connection: sa.Connection, query: str, limit: int) -> set[int]:
    """Search as before: all of the words or, if no text has them, any of them."""
    terms = [phrase or word for phrase, word in re.findall(r'"([^"]*)"|([^\s"]+)', query)]
    quoted = [f'"{term}"' for term in terms]
    statement = sa.text("SELECT rowid, rank FROM before WHERE before MATCH :words ORDER BY rank, rowid LIMIT :count")
    for joiner in (" ", " OR "):
        rows = connection.execute(statement, {"words": joiner.join(quoted), "count": limit}).all()
        if rows:
            return {row[0] for row in rows}
    return set()


def time_queries(queries: list[str], *jobs: Callable[[str], object], runs: int = 5) -> np.ndarray:
    """Return the processor seconds of each job and query, the median of some runs in turns."""
    times = np.empty((len(jobs), len(queries), runs))
    for run_number in range(-1, runs):
        for place, query in enumerate(queries):
            for row, job in enumerate(jobs):
                start = time.process_time()
                job(query)
                times[row, place, run_number] = time.process_time() - start
    return np.median(times, axis=2)
