"""The commands that put pictures into a collection and take them out, as a user meets them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from retrieval import Collection
from tests.conftest import vectors
from tests.support import pictures
from tests.support.shell import Shell


def test_add_and_search(shell: Shell, folder: Path) -> None:
    report = shell.json("add", folder, "--embedder", "tiny", "--metadata", '{"album": "discs"}')
    assert (report["added"], report["known"], report["failed"]) == (5, 0, 0)
    assert "0 added, 5 known, 0 failed" in shell("add", folder).stdout
    answer = shell.json("search", folder / "red.png", "-k", 2, "--where", '{"album": "discs"}')
    assert set(answer) >= {"hits", "as_of"}
    fields = {"item", "key", "score", "uri", "metadata", "clusters", "text", "missing", "chance", "certainty", "part"}
    assert [set(hit) for hit in answer["hits"]] == [fields] * 2
    assert answer["hits"][0]["uri"] == str(folder / "red.png")
    assert "red.png" in shell("search", folder / "red.png").stdout


def test_a_picture_that_fails_is_exit_code_1(shell: Shell, folder: Path) -> None:
    (folder / "broken.png").write_bytes(b"nothing")
    done = shell("add", folder, "--embedder", "tiny", code=1)
    assert "5 added, 0 known, 1 failed" in done.stdout
    assert f"failed: {folder / 'broken.png'}: " in done.stdout
    assert "--retry-failed" in shell("add", folder, code=1).stdout
    assert shell.json("failures")["failures"][0]["attempts"] == 1
    assert shell.json("add", "--retry-failed", code=1)["failed"] == 1
    (folder / "broken.png").unlink()
    assert shell.json("add", "--retry-failed")["failed"] == 0
    assert shell.json("failures") == {"failures": []}


def test_sync_and_remove(full: Shell, folder: Path) -> None:
    (folder / "red.png").unlink()
    report = full.json("sync", folder)
    assert (report["missing"], report["known"]) == (1, 4)
    assert full.json("remove", "--missing") == {"removed": 1}
    assert full.json("remove", folder / "blue.png") == {"removed": 1}
    assert full.json("remove", "--where", '{"colour": "green"}') == {"removed": 1}
    assert full.json("info")["items"] == 2


def test_an_empty_name_of_an_embedder_is_none(full: Shell) -> None:
    assert "there is no embedder ''" in full("add", "--embedder", "", code=2).stderr


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', "[" * 100_000, '{"a": NaN}', '{"a": 1e999}', "9" * 5000, ""])
def test_strange_json_is_refused(full: Shell, text: str) -> None:
    full("remove", "--where", text, code=0 if "1e999" in text else 2)
    assert full.json("info")["items"] == 5


def test_names_that_are_not_utf8(shell: Shell, folder: Path) -> None:
    odd = os.fsencode(folder) + b"/\xff\xfe.png"
    with open(odd, "wb") as file:
        file.write(pictures.encoded(pictures.disc("pink"), "PNG"))
    assert shell.json("add", folder, "--embedder", "tiny")["added"] == 6
    assert "%FF%FE.png" in shell("search", odd, "-k", 1).stdout
    assert "%FF%FE.png" in shell.json("search", odd, "-k", 1)["hits"][0]["uri"]
    assert "no item" in shell("search", "--item", b"\xff", code=1).stderr
    assert shell("remove", odd).stdout == "removed 1 item\n"
    with open(odd, "wb") as file:
        file.write(b"nothing")
    assert "%FF%FE.png" in shell("add", odd, code=1).stdout


def test_items_are_listed_by_page_filter_and_name(full: Shell, folder: Path) -> None:
    output = full("items").stdout.splitlines()
    assert output[0].split() == ["item", "picture", "size", "format", "taken", "metadata"]
    assert (len(output), output[-1]) == (7, "5 items")
    assert re.search(r"4 +/.*/red.png +\d+ x \d+ +PNG +colour=red, n=3", output[4])
    assert full.json("items", "--where", '{"n": {"$gt": 2}}')["count"] == 2
    assert [Path(item["uri"]).stem for item in full.json("items", "--name", "RED")["items"]] == ["red"]
    assert full("items", "--name", "nowhere").stdout == "0 items\n"
    assert full.json("items", "--name", "e", "--where", '{"colour": "blue"}')["count"] == 1
    assert full("items", "--page", 7).stdout == "no items on page 7; the last page is 1\n"
    assert "at least 1; got 0" in full("items", "--page", 0, code=2).stderr


def test_pages_of_items_say_where_they_are(full: Shell) -> None:
    with Collection.open(full.place / "nearkin-collection") as collection:
        collection.add_vectors(vectors(200, dimension=13))
    assert full("items").stdout.splitlines()[-1] == "page 1 of 3, 205 items; more: --page 2"
    last = full("items", "--page", 3).stdout.splitlines()
    assert (len(last), last[-1]) == (7, "page 3 of 3, 205 items")
    assert len(full.json("items", "--page", 3)["items"]) == 5


def test_an_item_is_shown_in_full(full: Shell, folder: Path) -> None:
    output = full("items", folder / "red.png", 1).stdout
    first, second = output.split("\n\n")
    assert re.search(r"^uri +/.*/red.png$", first, re.MULTILINE)
    assert re.search(r"^metadata.colour +red$", first, re.MULTILINE)
    assert re.search(r"^id +1$", second, re.MULTILINE)
    assert [item["id"] for item in full.json("items", 2, 1)["items"]] == [2, 1]
    assert "name items, or list those of" in full("items", 1, "--page", 2, code=2).stderr


def test_update_takes_values_of_every_kind(full: Shell, folder: Path) -> None:
    words = ["year=2024", "good=true", "code=007", 'tags=[1, "a"]', "title=Sea = blue", "none=null", "nan=NaN", "no="]
    assert full("update", folder / "red.png", 1, *words).stdout == "updated 2 items\n"
    expected = {"year": 2024, "good": True, "code": "007", "tags": [1, "a"], "title": "Sea = blue", "none": None}
    for item in full.json("items", 1, folder / "red.png")["items"]:
        assert item["metadata"].items() >= (expected | {"nan": "NaN", "no": ""}).items()
        assert item["metadata"]["colour"]
    assert full.json("update", "--where", '{"year": 2024}', "--metadata", '{"a": {"b": 1}}') == {"updated": 2}
    assert full.json("items", "--where", '{"a.b": 1}')["count"] == 2


def test_update_sets_the_text_and_replaces(full: Shell) -> None:
    full("update", 1, "--text", "a quiet harbour")
    assert [hit["item"] for hit in full.json("search", "--query", "harbour")["hits"]] == [1]
    full("update", 1, "--replace", "a=1")
    assert full.json("items", 1)["items"][0]["metadata"] == {"a": 1}
    full("update", "--where", '{"a": 1}', "--text", "a loud harbour", "b=2")
    assert full.json("search", "--query", "loud")["hits"][0]["metadata"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "give items, or --where"),
        (("year=1",), "give the items to change, or --where"),
        ((1,), "give KEY=VALUE, --metadata, --text, --tag or --untag to change"),
        ((1, "a=1", "a=2"), "the key 'a' is given twice"),
        ((1, "a=1", "--metadata", '{"a": 2}'), "the key 'a' is given twice"),
        ((1, "--metadata", "[1]"), "--metadata takes an object"),
        ((1, "a=1e999"), "JSON has no such number"),
        ((1, "a=1", "--where", "{}"), "give items, or --where; not both"),
    ],
)
def test_wrong_updates_change_nothing(full: Shell, words: tuple[object, ...], part: str) -> None:
    before = full.json("items")
    assert part in full("update", *words, code=2).stderr
    assert full.json("items") == before


def test_remove_takes_items_that_match_as_well(full: Shell, folder: Path) -> None:
    (folder / "red.png").unlink()
    full("sync", folder)
    assert full.json("remove", 1, folder / "red.png", "--missing") == {"removed": 1}
    assert full.json("remove", "--missing", "--where", '{"n": 99}') == {"removed": 0}
    assert full.json("remove", 1, 2, "--where", '{"n": 1}') == {"removed": 1}


def test_progress_is_for_terminals_only(shell: Shell, folder: Path) -> None:
    assert shell("add", folder, "--embedder", "tiny").stderr == ""


def test_texts_are_added_where_the_embedder_reads_words(full: Shell, tmp_path: Path) -> None:
    assert "reads pictures only" in full("add-texts", "a red boat", code=2).stderr
    assert "give texts to add, or --list" in full("add-texts", code=2).stderr
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    assert "is not text in UTF-8" in full("add-texts", "--list", tmp_path / "latin", code=2).stderr
    assert "cannot read --list" in full("add-texts", "--list", tmp_path / "none", code=2).stderr


def test_tags_are_added_and_taken_off(full: Shell) -> None:
    full("update", "--where", "{}", "--tag", "sea", "--tag", "sun")
    assert full.json("update", "--where", '{"tags": {"$contains": "sun"}}', "--untag", "sun")["updated"] > 0
    assert {tuple(item["metadata"]["tags"]) for item in full.json("items")["items"]} == {("sea",)}
    assert "go without --replace" in full("update", "1", "--tag", "x", "--replace", code=2).stderr
