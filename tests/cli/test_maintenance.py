"""The commands that look after a collection, as a user meets them."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from retrieval import Collection
from tests.conftest import vectors
from tests.support.shell import Shell
from tests.upgrades import make


def test_info_verify_export_upgrade_doctor(full: Shell) -> None:
    info = full.json("info")
    assert (info["items"], info["space"], info["dimension"]) == (5, "tiny", 13)
    assert "items" in full("info").stdout
    assert full.json("verify")["ok"] is True
    assert full("verify").stdout.splitlines()[-1] == "OK"
    assert "wrote 5 items" in full("export", "items.csv").stdout
    assert (full.place / "items.csv").is_file()
    assert "is at schema" in full("upgrade").stdout
    checks = full.json("doctor")["checks"]
    assert {"what", "ok", "found", "remedy", "needed"} == set(checks[0])
    assert "ok " in full("doctor").stdout


def test_verify_repairs_and_says_so(full: Shell) -> None:
    spaces = full.place / "nearkin-collection" / "spaces"
    shutil.rmtree(spaces)
    done = full("verify")
    assert "note: flat of 'tiny' has lost its file; rebuilt from the catalogue" in done.stderr
    connection = sqlite3.connect(full.place / "nearkin-collection" / "catalogue.sqlite", isolation_level=None)
    connection.execute("DELETE FROM attribute WHERE item = 2")
    connection.close()
    assert "verify --repair" in full("verify", code=1).stdout
    assert full.json("verify", "--repair")["repaired"]
    assert full.json("verify")["ok"]


def test_a_rescue_says_what_it_kept(full: Shell) -> None:
    connection = sqlite3.connect(full.place / "nearkin-collection" / "catalogue.sqlite", isolation_level=None)
    connection.execute("UPDATE event SET others = '7'")
    connection.close()
    assert "`nearkin rescue`" in full("verify", code=1).stdout
    output = full("rescue").stdout
    assert "recovered 5 items with 5 vectors" in output
    assert full.json("info")["items"] == 5
    assert full.json("verify")["ok"]


def test_files_of_another_user_are_signed_when_told_to(full: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "note" not in full("info").stderr
    monkeypatch.setenv("NEARKIN_KEY_FOLDER", str(full.place / "another"))
    assert "nearkin trust" in full("search", "--item", "1").stderr
    assert "note" not in full("search", "--item", "1").stderr, "told once"
    output = full("trust", "nearkin-collection").stdout
    assert "3 derived files are now signed as yours" in output
    assert "trust whoever made them" in output
    assert full.json("verify")["ok"]
    assert "no collection" in full("trust", "nowhere", code=1).stderr


def test_what_was_left_behind_catches_up(full: Shell) -> None:
    with Collection.open(full.place / "nearkin-collection") as collection:
        collection.add_vectors(vectors(9, dimension=13), catch_up=False)
        change = collection.change()
    assert full("catch-up").stdout == f"everything is at change {change}\n"


def test_a_backup_is_made_checked_and_not_replaced_unless_told(full: Shell, tmp_path: Path) -> None:
    target = str(tmp_path / "backup")
    items = full.json("info")["items"]
    assert full("backup", target).stdout.startswith(f"backed up {items} items with ")
    assert "--overwrite" in full("backup", target, code=2).stderr
    made = full.json("backup", target, "--overwrite")
    assert (made["path"], made["items"]) == (target, items)


def test_pictures_are_verified_when_asked(full: Shell) -> None:
    assert "the files of the pictures (" in full("verify", "--pictures").stdout


def test_an_upgrade_says_that_a_collection_without_a_signature_waits_for_one(full: Shell) -> None:
    assert "trust" not in full("upgrade").stdout
    shutil.copy(Path(make.HERE) / "0005" / "catalogue.sqlite", full.place)
    for _ in range(2):
        assert f"nearkin trust {full.place}" in full("upgrade", "-c", str(full.place)).stdout
    full("trust", str(full.place))
    assert "trust" not in full("upgrade", "-c", str(full.place)).stdout
