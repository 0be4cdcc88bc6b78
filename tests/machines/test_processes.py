"""Several processes at one collection, in short; the long form is `python -m tests.bench faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import faults_beside


@pytest.mark.parametrize("kind", ["vector", "picture", "file"])
def test_two_writers_take_turns_and_nothing_is_mixed(tmp_path: Path, kind: str) -> None:
    outcome = faults_beside.writers(10, tmp_path, kind)
    assert outcome.problems == []
    assert outcome.busy == 0
    assert outcome.done == 20


def test_a_writer_without_patience_is_refused_and_nothing_is_mixed(tmp_path: Path) -> None:
    outcome = faults_beside.writers(10, tmp_path, "vector", wait=0.01)
    assert outcome.problems == []
    assert outcome.done == 20


def test_a_refused_writer_is_told_who_is_writing(tmp_path: Path) -> None:
    message, holder = faults_beside.try_impatient_writer(tmp_path)
    assert f"process {holder} " in message


def test_readers_beside_a_writer_see_whole_moments_without_errors(tmp_path: Path) -> None:
    outcome = faults_beside.readers(25, tmp_path)
    assert outcome.problems == []
    assert outcome.compared > 50
