"""Vectors beside the graph: merged into answers by score and id, kept in a file of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexers.errors import StoredFileDamaged
from indexers.vectors.strays import Strays, merge_answers

ROWS = np.eye(4, dtype=np.float32)


def make_strays(*ids: int) -> Strays:
    strays = Strays(4)
    strays.add(np.array(ids, np.int64), ROWS[: len(ids)])
    return strays


def test_strays_are_sorted_removed_and_relabelled() -> None:
    strays = make_strays(7, 2)
    assert strays.ids.tolist() == [2, 7]
    assert strays.vectors.tolist() == ROWS[[1, 0]].tolist()
    strays.relabel(7, 1)
    strays.relabel(99, 5)
    assert strays.ids.tolist() == [1, 2]
    assert strays.vectors.tolist() == ROWS[[0, 1]].tolist()
    strays.remove(np.array([2, 50]))
    assert strays.ids.tolist() == [1]
    assert len(strays) == 1


@pytest.mark.parametrize(("metric", "scores"), [("cosine", [1.0, 0.5]), ("ip", [1.0, 0.5]), ("l2", [0.0, -0.5])])
def test_the_best_of_both_are_kept(metric: str, scores: list[float]) -> None:
    ids, found = make_strays(7).merge(ROWS[:1], np.array([[7, 3]]), np.array([[-9, scores[1]]], np.float32), metric)
    assert ids.tolist() == [[7, 3]]
    assert found.tolist() == [scores]
    assert found.dtype == np.float32


def test_without_strays_an_answer_stays_as_it_is() -> None:
    ids, scores = np.array([[3, -1]]), np.array([[0.5, -np.inf]], np.float32)
    assert Strays(4).merge(ROWS[:1], ids, scores, "cosine")[0] is ids


def test_equal_scores_come_by_id_and_gaps_are_filled() -> None:
    ids, scores = merge_answers(
        np.array([[5, -1]]), np.array([[1, -np.inf]], np.float32), np.array([[2]]), np.array([[1]], np.float32)
    )
    assert ids.tolist() == [[2, 5]]
    assert scores.tolist() == [[1, 1]]


def test_what_was_saved_is_loaded_and_what_is_damaged_refused(tmp_path: Path) -> None:
    make_strays(7, 2).save(tmp_path / "strays")
    loaded = Strays(4)
    loaded.load(tmp_path / "strays")
    assert loaded.ids.tolist() == [2, 7]
    assert loaded.vectors.tolist() == ROWS[[1, 0]].tolist()
    for content in (b"", b"\xff" * 8, (tmp_path / "strays").read_bytes()[:-1]):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(StoredFileDamaged):
            Strays(4).load(tmp_path / "bad")
