"""The command `search`, as a user meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from retrieval import Collection
from tests.support.shell import Shell


def test_search_by_item_radius_and_filter(full: Shell, folder: Path) -> None:
    for name in (folder / "red.png", 5):
        hits = full.json("search", "--item", name)["hits"]
        assert len(hits) == 4
    assert len(full.json("search", folder / "red.png", "--radius", 0.9999)["hits"]) == 1
    assert full.json("search", folder / "red.png", "--where", '{"n": 99}')["hits"] == []
    assert "nothing found" in full("search", folder / "red.png", "--where", '{"n": 99}').stdout
    assert len(full.json("search", folder / "red.png", "-k", 3, "--diversify", 0.5)["hits"]) == 3


def test_a_search_is_proved_on_request(full: Shell, folder: Path) -> None:
    answer = full.json("search", folder / "red.png", "--exact")
    assert answer["proof"] == "no other item can be nearer"
    assert "proved: no other item can be nearer" in full("search", folder / "red.png", "--exact").stdout
    assert "proved:" not in full("search", folder / "red.png").stdout
    assert "query= alone has none" in full("search", "--query", "red", "--exact", code=2).stderr


def test_a_search_from_the_shell_needs_no_index(full: Shell, folder: Path) -> None:
    index = full.place / "nearkin-collection" / "spaces" / "1" / "index"
    shutil.rmtree(index)
    done = full("search", folder / "red.png", "--json")
    assert len(json.loads(done.stdout)["hits"]) == 5
    assert not done.stderr
    assert not index.exists()


def test_hits_say_how_sure_they_are_and_are_cut_by_it(shell: Shell) -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((200, 16)).astype(np.float32)
    rows[:5] = rows[0] + 0.05 * rows[:5]
    with Collection.open(shell.place / "nearkin-collection", create=True, clusters=0) as collection:
        collection.add_vectors(rows)
    printed = shell("search", "--item", 1, "-k", 20).stdout
    assert printed.splitlines()[0].split() == ["score", "sure", "by", "chance", "item", "picture", "metadata"]
    assert "certain" in printed
    hits = shell.json("search", "--item", 1, "--at-least", "certain")["hits"]
    assert {hit["item"] for hit in hits} == {2, 3, 4, 5}
    assert all(hit["certainty"] == "certain" and hit["chance"] < 1e-3 for hit in hits)
    assert len(shell.json("search", "--item", 1, "--at-least", 20)["hits"]) >= 4
    assert "at_least is one of" in shell("search", "--item", 1, "--at-least", "sure", code=2).stderr


def test_search_in_another_metric(full: Shell, folder: Path) -> None:
    for metric in ("manhattan", "minkowski:3"):
        scores = [hit["score"] for hit in full.json("search", folder / "red.png", "--metric", metric)["hits"]]
        assert len(scores) == 5
        assert scores[0] == pytest.approx(0, abs=1e-3)
        assert scores == sorted(scores, reverse=True)
        near = full.json("search", folder / "red.png", "--metric", metric, "--radius", scores[0] - 0.01)["hits"]
        assert len(near) == 1
    wrong = full("search", folder / "red.png", "--metric", "minkowski:0.5", code=2)
    assert "'minkowski:0.5' has no order P that is a number from 1 on" in wrong.stderr
