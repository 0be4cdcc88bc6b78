"""Names of items on the command line: a number means what it is, and where it is two things it is asked which."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from retrieval import Collection
from retrieval.cli.names import find_cluster, find_item, find_items, find_scope, name_collection, parse_id
from tests.support.shell import Shell

KEYS = ["3", "1", "2", "007", "-1", "\u0663", " 1", str(2**63), "9" * 40, "a=b", "77"]


@pytest.fixture
def numbers(shell: Shell) -> Shell:
    """Return a command line with the ids 1 to 11; the ids 4 to 6, 8 to 11 are no keys, and 77 is no id."""
    with Collection.open(shell.place / "nearkin-collection", create=True) as collection:
        collection.add_vectors(np.random.default_rng(0).standard_normal((len(KEYS), 8)), keys=KEYS)
    return shell


def list_keys(shell: Shell) -> list[str]:
    return [item["key"] for item in shell.json("items")["items"]]


COMMANDS = (
    ("remove",),
    ("update", "year=2024"),
    ("decide", "keep"),
    ("decide", "not", "4"),
    ("export", "x.csv"),
    ("items",),
    ("search", "--item"),
    ("check", "--item"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_number_that_is_the_id_of_one_item_and_the_key_of_another_is_asked_about(
    numbers: Shell, command: tuple[str, ...]
) -> None:
    error = numbers(*command, "1", code=2).stderr
    assert "'1' is the id of one item (id 1, key '3') and the key or path of another (id 2, key '1')" in error
    assert "say --id 1 or --key 1" in error
    assert list_keys(numbers) == KEYS


def test_a_number_that_is_only_one_of_them_is_that(numbers: Shell) -> None:
    assert numbers.json("items", "77")["items"][0]["id"] == 11
    assert numbers.json("items", "5")["items"][0]["key"] == "-1"
    numbers("remove", "77", "4")
    assert list_keys(numbers) == [key for key in KEYS if key not in ("77", "007")]


@pytest.mark.parametrize("key", ["007", "\u0663", " 1", str(2**63), "9" * 40])
def test_other_writings_of_numbers_are_keys(numbers: Shell, key: str) -> None:
    assert numbers("remove", key).stdout == "removed 1 item\n"
    assert list_keys(numbers) == [other for other in KEYS if other != key]
    assert "there is no item with the" in numbers("remove", key, code=1).stderr


def test_options_say_which(numbers: Shell) -> None:
    items = numbers.json("items", "--id", "1", "--key", "1", "--key", "-1")["items"]
    assert [item["key"] for item in items] == ["3", "1", "-1"]
    assert [hit["key"] for hit in numbers.json("search", "--key", "1", "-k", 1)["hits"]] != ["1"]
    numbers("update", "--key", "a=b", "--key", "1", "a=c")
    assert [item["key"] for item in numbers.json("items", "--where", '{"a": "c"}')["items"]] == ["1", "a=b"]
    numbers("remove", "--", "-1")
    assert "-1" not in list_keys(numbers)
    assert "such as 17; got '007'; the id 7 is written 7" in numbers("remove", "--id", "007", code=2).stderr
    assert "give one item" in numbers("search", "--id", "1", "--key", "1", code=2).stderr
    assert "names that begin with - go after --" in numbers("remove", "-1", code=2).stderr


def test_no_item_is_told_with_what_to_do(numbers: Shell) -> None:
    assert numbers("remove", "0010", code=1).stderr == (
        "error: there is no item with the id, key or path '0010'; the id 10 is written 10\n"
    )
    assert "id, key or path '500'; `nearkin items` lists them" in numbers("remove", "500", code=1).stderr
    assert "key or path 'nobody'; `nearkin items` lists them" in numbers("remove", "4", "nobody", code=1).stderr
    assert list_keys(numbers) == KEYS


def test_what_reads_as_a_value_and_is_an_item_is_asked_about(numbers: Shell) -> None:
    assert "'a=b' is the name of an item (id 10)" in numbers("update", "a=b", "year=1", code=2).stderr
    assert "is the name of an item" in numbers("update", "4", "a=b", code=2).stderr


def test_a_number_that_is_a_path_as_well(full: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (full.place / "2").write_bytes((folder / "red.png").read_bytes() + b"other bytes")
    full("add", "2")
    error = full("remove", "2", code=2).stderr
    assert "'2' is the id of one item (id 2" in error
    assert "key or path of another (id 6" in error
    full("remove", "--key", "2")
    assert [item["id"] for item in full.json("items")["items"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("text", ["0", "007", "+1", "-1", " 1", "1 ", "1_0", "1.0", "\u0663", "\u00b2", "", "9" * 5000])
def test_only_one_writing_is_an_id(text: str) -> None:
    assert parse_id(text) is None


def test_the_functions_behind_it(numbers: Shell) -> None:
    assert parse_id("17") == 17
    with Collection.open(numbers.place / "nearkin-collection") as collection:
        assert find_items(collection, ["4", "77"], ["1"], ["1"]) == [4, 11, 1, 2]
        assert find_item(collection, None) is None
        assert find_item(collection, "77") == 11
        assert find_scope(collection, None) is None
        assert find_scope(collection, ["birds", "12", "#13"]) == ["birds", 12, 13]
        with pytest.raises(KeyError, match="there is no cluster 12"):
            find_cluster(collection, "12")


@pytest.mark.parametrize(
    ("address", "name"),
    [("/photos/2024", "2024"), ("postgresql://anna@host/photos?host=%2Frun%2Fx", "photos"), ("postgresql://h/p", "p")],
)
def test_a_collection_is_called_by_its_folder_or_its_database(address: str, name: str) -> None:
    folder = Path(address) if address.startswith("/") else Path("/home/anna/.cache/nearkin/98b237c5")
    source: Any = SimpleNamespace(address=address, path=folder)
    assert name_collection(source) == name
