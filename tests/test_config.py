"""Settings: arguments over environment over the collection's file over defaults; an unknown one is an error."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from indexers.errors import BadSetting, UsageError
from retrieval import Collection, config


def test_defaults(tmp_path: Path) -> None:
    assert config.load(tmp_path, {}) == config.Config()


def test_each_source_goes_over_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.FILE).write_text("ef = 1\nm = 11\nwait = 0.5\n")
    monkeypatch.setenv("NEARKIN_EF", "2")
    monkeypatch.setenv("NEARKIN_M", "12")
    settings = config.load(tmp_path, {"ef": 3})
    assert (settings.ef, settings.m, settings.wait, settings.batch) == (3, 12, 0.5, 0)


def test_the_command_lines_own_variable_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARKIN_COLLECTION", "somewhere")
    assert config.load(tmp_path, {}) == config.Config()


def test_an_unknown_argument_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"unknown setting 'efff'; the settings are: index, index_url, metric, m,"):
        config.load(tmp_path, {"efff": 1})


def test_an_unknown_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARKIN_EFF", "1")
    with pytest.raises(BadSetting, match="unknown environment variable NEARKIN_EFF; the variables are: NEARKIN_BATCH"):
        config.load(tmp_path, {})


def test_an_unknown_key_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / config.FILE).write_text("eff = 1\n")
    with pytest.raises(BadSetting, match=r"nearkin\.toml has the unknown key 'eff'"):
        config.load(tmp_path, {})


@pytest.mark.parametrize("text", [b"ef = ", b"\xff\xfe", b"[ef]\nx = 1\n"])
def test_a_file_that_can_not_be_read_is_named(tmp_path: Path, text: bytes) -> None:
    (tmp_path / config.FILE).write_bytes(text)
    with pytest.raises(BadSetting):
        config.load(tmp_path, {})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ef", "many"),
        ("ef", ""),
        ("ef", 1.5),
        ("ef", True),
        ("ef", None),
        ("ef", -1),
        ("ef", float("inf")),
        ("ef", float("nan")),
        ("wait", "soon"),
        ("wait", -0.1),
        ("wait", float("nan")),
        ("wait", float("inf")),
        ("metric", 3),
        ("device", None),
    ],
)
def test_a_value_out_of_range_is_named(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(BadSetting, match=f"the setting '{key}'"):
        config.load(tmp_path, {key: value})


@pytest.mark.parametrize(
    "settings",
    [
        {"metric": "angle"},
        {"metric": "minkowski:0.5"},
        {"index": "flat"},
        {"m": 0},
        {"ef": 0},
        {"ef_construction": 0},
        {"m": 10**6},
    ],
)
def test_what_the_index_does_not_take_is_said_before_anything_is_written(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with Collection.open(tmp_path / "c", create=True, **settings) as collection:
        with pytest.raises(UsageError):
            collection.add_vectors([[1.0, 2.0]])
        assert collection.info().change == 0


def test_whole_numbers_may_come_as_floats_and_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEARKIN_WAIT", "2")
    settings = config.load(tmp_path, {"ef": 64.0, "m": "8"})
    assert (settings.ef, settings.m, settings.wait) == (64, 8, 2.0)


def test_cores_are_those_that_may_be_used() -> None:
    assert config.Config(threads=3).cores == 3
    assert config.Config().cores == len(os.sched_getaffinity(0))


def test_the_settings_of_the_index() -> None:
    assert config.Config(m=5, ef=7).index_build == {"M": 5, "ef_construction": 200}
    assert config.Config(m=5, ef=7).index_settings == {"M": 5, "ef_construction": 200, "ef": 7, "threads": 0}
    assert config.Config(index="exact").index_settings == {}
    assert config.Config(index="rabitq", bits=4, ef=9).index_build == {"bits": 4}
    assert config.Config(index="auto", m=5).index_build == {"M": 5, "ef_construction": 200, "bits": 1}
    assert config.Config(index="rabitq", ef=9).index_settings == {"bits": 1, "ef": 9, "threads": 0}


def test_without_rabitqlib_a_graph_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rabitqlib", None)
    settings = config.Config(index="rabitq", precision="i8", bits=4)
    assert settings.serving_index == "usearch"
    assert settings.index_build == {"M": 16, "ef_construction": 200, "precision": "bf16"}
    with Collection.open(tmp_path / "c", create=True, index="rabitq") as collection:
        collection.add_vectors([[1.0, 2.0], [2.0, 1.0]])
        assert collection.info().index == "rabitq, served by usearch"
        assert len(collection.search(vector=[1.0, 2.0])) == 2


def test_without_hnswlib_the_settings_are_those_of_the_index_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    settings = config.Config(m=5, precision="i8")
    assert (settings.index, settings.serving_index) == ("hnsw", "usearch")
    assert settings.index_build == {"M": 5, "ef_construction": 200, "precision": "bf16"}
    assert config.Config(index="usearch", precision="i8").index_build["precision"] == "i8"


def test_every_setting_is_explained() -> None:
    explained = f"{config.Config.__doc__} {(Path(__file__).parents[1] / 'README.md').read_text()}"
    missing = [key for key in config.KEYS if f"`{key}`" not in explained]
    assert missing == []


def test_another_build_makes_the_index_anew(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, m=8) as collection:
        collection.add_vectors([[1.0, 2.0], [2.0, 1.0]])
    with Collection.open(tmp_path / "c", m=16) as collection:
        assert re.search("'M': 8.*'M': 16.* was expected; rebuilt", collection.info().repairs[0])
        assert len(collection.search(vector=[1.0, 2.0])) == 2
    with Collection.open(tmp_path / "c", m=16, ef=50) as collection:
        assert collection.info().repairs == ()
