"""Several processes at one collection, in short; the long form is `python -m tests.bench faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import faults_beside


@pytest.mark.parametrize("kind", ["vector", "picture", "file"])
def test_two_writers_take_turns_and_nothing_is_mixed(tmp_path: Path, kind: str) -> None:
    found = faults_beside.writers(20, tmp_path, kind)
    assert found.problems == []
    assert found.busy == 0
    assert found.done == 40


def test_a_writer_without_patience_is_refused_and_nothing_is_mixed(tmp_path: Path) -> None:
    found = faults_beside.writers(20, tmp_path, "vector", wait=0.01)
    assert found.problems == []
    assert found.done == 40


def test_a_refused_writer_is_told_who_is_writing(tmp_path: Path) -> None:
    said, holder = faults_beside.named(tmp_path)
    assert f"process {holder} " in said


def test_readers_beside_a_writer_see_whole_moments_without_errors(tmp_path: Path) -> None:
    found = faults_beside.readers(80, tmp_path)
    assert found.problems == []
    assert found.compared > 100
