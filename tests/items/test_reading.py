"""`read`: the text in pictures, found by `search(query=)`, incremental, resumable, failures counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexers.errors import MissingPackage
from indexers.pictures import text_reader
from indexers.pictures.text_reader import TextReader
from retrieval import Collection
from tests.pictures.test_text_reader import draw_lines
from tests.support import pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "pictures"
    place.mkdir()
    draw_lines(["Harbour office", "Oslo 1987"]).save(place / "page.png")
    pictures.gradient().save(place / "plain.png")
    return place


def test_text_is_read_once_and_found(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", clusters=0) as collection:
        collection.add(folder)
        assert len(collection.search(query="harbour")) == 0
        steps: list[tuple[int, int]] = []
        report = collection.read(progress=lambda done, total: steps.append((done, total)))
        assert (report.read, report.with_text, report.failed, report.failures) == (2, 1, 0, ())
        assert steps == [(1, 2), (2, 2)]
        hit = collection.search(query="harbour 1987")[0]
        assert hit.uri == str(folder / "page.png")
        assert "arbour" in str(collection.get(hit.item).seen)
        assert collection.verify().ok
        assert collection.read().read == 0
        draw_lines(["Bakery"]).save(folder / "page.png")
        collection.sync(folder)
        assert collection.read().read == 1
        assert len(collection.search(query="harbour")) == 0
        assert len(collection.search(query="bakery")) == 1


def test_a_setting_reads_as_pictures_come(tmp_path: Path, folder: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", clusters=0, read=1) as collection:
        collection.add(folder, catch_up=False)
        assert len(collection.search(query="harbour")) == 0
        collection.catch_up()
        assert len(collection.search(query="harbour")) == 1
        draw_lines(["Bakery"]).save(folder / "second.png")
        collection.sync(folder)
        assert len(collection.search(query="bakery")) == 1
    with Collection.open(tmp_path / "c", seen_weight=0) as collection:
        assert len(collection.search(query="bakery")) == 0


def test_failures_are_counted_and_what_was_read_before_an_interrupt_stays(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        pictures.noise(number).save(folder / f"noise {number}.png")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", clusters=0) as collection:
        collection.add(folder)
        (folder / "page.png").write_bytes(b"no picture")
        calls: list[Any] = []

        def read(reader: TextReader, picture: Any) -> str:
            calls.append(picture)
            if len(calls) == 19:
                raise KeyboardInterrupt
            return "noise"

        monkeypatch.setattr(TextReader, "read", read)
        with pytest.raises(KeyboardInterrupt):
            collection.read()
        assert len(collection.search(query="noise", k=50, where={"uri": {"$contains": "plain"}})) <= 1
        report = collection.read()
        assert report.read + report.failed == 22 - 16
        with collection._catalogue.snapshot() as snapshot:
            failed = snapshot.readings.unread(text_reader.NAME, retry_failed=True)
        assert len(failed) == 1
        assert collection.read().failed == 0
        report = collection.read(retry_failed=True)
        assert (report.read, report.failed) == (0, 1)
        assert report.failures[0].uri == str(folder / "page.png")


def test_a_missing_package_says_its_command(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", clusters=0) as collection:
        collection.add(folder)
        monkeypatch.setattr(text_reader, "find_spec", lambda name: None)
        with pytest.raises(MissingPackage, match="pip install 'nearkin"):
            collection.read()
