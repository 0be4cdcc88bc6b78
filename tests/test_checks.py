"""What a user passes: what counts as a number, and how odd values are refused, by every method of a collection."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.errors import BadQuery, CollectionClosed, NearkinError, UsageError
from retrieval import Collection
from retrieval.checks import ARGUMENTS, check_whole, is_number, is_whole, show_value
from tests.conftest import vectors


@pytest.mark.parametrize("value", [0, -3, 2.5, np.float32(0.5), np.int64(7), Fraction(1, 3)])
def test_finite_real_numbers_are_numbers(value: Any) -> None:
    assert is_number(value)


@pytest.mark.parametrize(
    "value", [True, np.float64("nan"), float("inf"), -float("inf"), "1", None, 1j, np.bool_(True), np.array(1.0)]
)
def test_truth_values_texts_and_numbers_without_a_place_on_the_line_are_none(value: Any) -> None:
    assert not is_number(value)


@pytest.mark.parametrize("value", [0, -1, 2**70, np.int8(3), np.uint64(2**63)])
def test_whole_numbers_of_python_and_numpy_are_whole(value: Any) -> None:
    assert is_whole(value)


@pytest.mark.parametrize("value", [1.0, True, np.bool_(True), np.float64(2), "3", None])
def test_a_float_is_not_whole_even_if_its_value_is(value: Any) -> None:
    assert not is_whole(value)


def test_a_checked_number_is_an_int_of_python() -> None:
    value = check_whole(np.uint8(5), "page is")
    assert value == 5
    assert type(value) is int


@pytest.mark.parametrize(("value", "least"), [(1, 1), (0, 0), (-2, -2)])
def test_the_least_number_is_allowed(value: int, least: int) -> None:
    assert check_whole(value, "since is", least) == value


@pytest.mark.parametrize(
    ("value", "least", "message"),
    [
        (0, 1, "page is a whole number of at least 1; got 0"),
        (-1, 0, "page is a whole number of at least 0; got -1"),
        (2.0, 1, "page is a whole number of at least 1; got 2.0"),
        (True, 1, "page is a whole number of at least 1; got True"),
        ("2", 1, "page is a whole number of at least 1; got '2'"),
        (None, 1, "page is a whole number of at least 1; got None"),
    ],
)
def test_any_other_value_is_refused_by_its_description(value: Any, least: int, message: str) -> None:
    with pytest.raises(BadQuery) as raised:
        check_whole(value, "page is", least)
    assert str(raised.value) == message


def test_a_number_beyond_the_most_is_refused() -> None:
    with pytest.raises(BadQuery, match=r"k is a whole number of at most 1,000; got 1001"):
        check_whole(1001, "k is", 1, 1000)


def test_values_are_shown_whatever_they_are() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert show_value("a") == "'a'"
    assert len(show_value("a" * 10**6)) < 200
    assert show_value(10**5000) == "a value of the type int that is too large to be shown"
    assert "Broken" in show_value(Broken())


# ---- every method of a collection

METHODS = {
    name: method
    for name, method in inspect.getmembers(Collection, inspect.isfunction)
    if not name.startswith("_") and name not in ("close", "isolate")
}
ODD: list[Any] = [
    *(None, -1, 0, 1.5, float("nan"), float("inf"), 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 10**5000, True, 1j),
    *("", "\udc80", "\0", b"x", [], [None], [2**63], ["\udc80"], [1.5], [[]], {"a": 1}, {1: 2}, object(), type),
    *(np.array(3), np.array([1, 2]), np.int64(3)),
]
REQUIRED: dict[str, Any] = {
    **{"a": 1, "b": 2, "item": 1, "items": [1], "keep": 1, "decision": 1, "cluster": 1, "group": None, "groups": []},
    **{"metadata": {"a": 1}, "where": {"nothing": 1}, "texts": ["a"], "name": "nothing", "space": "nothing"},
    **{"embedder": "nothing", "picture": "/nothing", "pictures": "/nothing", "folders": "/nothing"},
    **{"paths": "/nothing", "path": "/nothing.csv", "folder": "/nothing", "manifest": "/nothing"},
}


@pytest.fixture
def odd_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    monkeypatch.chdir(tmp_path)  # where an odd name of a folder may become one
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(vectors(12))
        yield collection


def list_arguments(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    parameters = list(inspect.signature(METHODS[name]).parameters.values())[1:]
    required = {row.name: REQUIRED.get(row.name) for row in parameters if row.default is row.empty}
    required |= {"vectors": vectors(2)} if "vectors" in required else {}
    for parameter in parameters:
        by_item = {"item": 1} if name == "search" and parameter.name not in ("picture", "text", "vector", "mix") else {}
        for value in ODD:
            yield parameter.name, required | by_item | {parameter.name: value}


@pytest.mark.parametrize("name", [name for name in METHODS if name != "evaluate"])
def test_odd_arguments_end_in_an_error_of_ours_or_in_an_answer(odd_collection: Collection, name: str) -> None:
    if name == "map":
        odd_collection.map()  # which is laid out once, and tells of no progress from then on
    for parameter, arguments in list_arguments(name):
        try:
            result = getattr(odd_collection, name)(**arguments)
            _ = list(result) if inspect.isgenerator(result) else result
        except NearkinError:
            continue
        except Exception as error:
            raise AssertionError(f"{name}({parameter}={show_value(arguments[parameter])})") from error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"draws": 2**40}, "draws is .* of at most 1,000; got 1099511627776"),
        ({"draws": -1}, "draws is .* at least 0; got -1"),
        ({"k": "5"}, "k is the number of clusters, .* got '5'"),
        ({"sample": 10**5000}, "sample is a value .* too large to be shown"),
        ({"random_state": 2**32}, "random_state is .* got 4294967296"),
        ({"labels": 3}, "labels .* got 3"),
        ({"methods": 3}, "methods .* got 3"),
        ({"spaces": 3}, "spaces is the name .*; got 3"),
        ({"spaces": [[]]}, "spaces is the name .*; got \\[\\[\\]\\]"),
    ],
)
def test_an_evaluation_says_what_is_odd(odd_collection: Collection, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        odd_collection.evaluate(**arguments)


@pytest.mark.parametrize("parameter", ["path", "paths", "folder", "folders", "manifest", "roots"])
def test_an_empty_path_is_never_the_current_folder(odd_collection: Collection, parameter: str) -> None:
    names = [name for name, method in METHODS.items() if parameter in inspect.signature(method).parameters]
    assert names
    for name in names:
        arguments = next(arguments for own, arguments in list_arguments(name) if own == parameter)
        for value in ("", ["", "a"]) if parameter in ("paths", "folders", "roots") else ("",):
            with pytest.raises(UsageError, match=rf"{parameter} is an empty path; give the current folder as '\.'"):
                getattr(odd_collection, name)(**arguments | {parameter: value})


def test_what_is_to_be_kept_first_is_not_empty(odd_collection: Collection) -> None:
    with pytest.raises(BadQuery, match="prefer is a format"):
        odd_collection.duplicates(prefer=" ")


def test_an_answer_that_no_memory_holds_is_refused(odd_collection: Collection) -> None:
    for k in (10**9, 10**30):
        with pytest.raises(BadQuery, match=r"k=\d+ hits for each of 2 vectors are more than"):
            odd_collection.search_many(vectors(2), k=k)
    assert len(odd_collection.search(item=1, k=10**9)) == 11
    assert len(odd_collection.search(item=1, k=10**30)) == 11


def test_every_parameter_of_a_public_method_has_its_check() -> None:
    for name, method in METHODS.items():
        for parameter in list(inspect.signature(method).parameters)[1:]:
            assert f"{name}.{parameter}" in ARGUMENTS or parameter in ARGUMENTS, f"{name}({parameter}=)"


def test_wrapped_methods_keep_their_signature_and_what_python_says_of_surplus_arguments(
    odd_collection: Collection,
) -> None:
    assert list(inspect.signature(Collection.count).parameters) == ["self", "where"]
    assert Collection.count.__doc__
    with pytest.raises(TypeError, match="unexpected keyword argument 'wher'"):
        odd_collection.count(wher={})  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes 1 positional argument"):
        odd_collection.count({})  # type: ignore[misc]


def test_a_closed_collection_says_so(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        walk = collection.walk()
    collection.close()  # a second time does nothing
    for name in METHODS:
        arguments = next(list_arguments(name), ("", {}))[1]
        with pytest.raises(CollectionClosed, match=r"is closed; open it again: Collection.open\("):
            getattr(collection, name)(**arguments)
    with pytest.raises(CollectionClosed):
        list(walk)
    with pytest.raises(CollectionClosed), collection:
        pytest.fail("it is closed")
    assert repr(collection).endswith("(closed)>")
