"""Whose collection it is: only a signature by this user's key counts, and neither a copy nor a rescue makes one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from indexers.catalogue.owners import PREFIX, sign_identity
from indexers.catalogue.rescue import rescue_catalogue
from indexers.followers.trust import trust_collection
from retrieval import Collection
from tests.conftest import vectors

WIDE = "web = 1\nthreads = 64\nmax_pixels = 9999999999\nclusters = 0\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a collection that Anna has made, with settings; her key is in force."""
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(tmp_path / "anna"))
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(20))
    (tmp_path / "c" / "nearkin.toml").write_text(WIDE)
    return tmp_path / "c"


def become_bob(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(place.parent / "bob"))


def read_settings(place: Path, **settings: int) -> tuple[int, int, int, int]:
    with Collection.open(place, **settings) as collection:
        config = collection._config
    return config.web, config.threads, config.max_pixels, config.clusters


def run_sql(place: Path, statement: str) -> None:
    connection = sqlite3.connect(place / "catalogue.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()


def test_settings_that_widen_access_hold_for_their_owner_and_after_trust(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_settings(place) == (1, 64, 9999999999, 0)
    assert "nearkin trust" not in caplog.text
    become_bob(place, monkeypatch)
    assert read_settings(place) == (0, 0, 180_000_000, 0)
    assert "nearkin.toml sets max_pixels, threads, web, which is not taken" in caplog.text
    assert f"nearkin trust {place}" in caplog.text
    assert read_settings(place, web=1) == (1, 0, 180_000_000, 0)
    trust_collection(place)
    assert read_settings(place) == (1, 64, 9999999999, 0)
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(place.parent / "anna"))
    assert read_settings(place) == (1, 64, 9999999999, 0)


def test_writing_into_and_saving_somebody_elses_collection_does_not_trust_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_bob(place, monkeypatch)
    for header in place.glob("spaces/*/*/header"):
        header.unlink()
    with Collection.open(place) as collection:
        collection.add_vectors(vectors(5, seed=1))
        collection.catch_up()
        assert not collection.is_own
    assert read_settings(place)[0] == 0


def test_a_signature_is_good_for_one_collection(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_sql(place, "UPDATE setting SET value = '\"0123\"' WHERE key = 'identity'")
    assert read_settings(place)[0] == 0
    assert sign_identity("a") != sign_identity("b")


@pytest.mark.parametrize("value", ["'\"é\"'", "'[1]'", "7"])
def test_a_damaged_signature_is_none(place: Path, value: str) -> None:
    run_sql(place, f"UPDATE setting SET value = {value} WHERE key LIKE '{PREFIX}%'")
    assert read_settings(place)[0] == 0


def test_a_rescue_keeps_the_owner_and_signs_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rescue_catalogue(place)
    assert read_settings(place)[0] == 1
    become_bob(place, monkeypatch)
    rescue_catalogue(place)
    assert read_settings(place)[0] == 0
    run_sql(place, "DELETE FROM setting WHERE key = 'identity'")
    rescue_catalogue(place)
    assert read_settings(place)[0] == 0
