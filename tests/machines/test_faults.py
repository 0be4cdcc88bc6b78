"""What must never happen, in short; the long form is `python -m tests.bench faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import faults_damages, faults_disks, faults_kills


def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """At every named point between two writes, and at random moments."""
    found = faults_kills.run(25, tmp_path)
    assert found.problems == []
    assert found.repairs == []  # to replay what is missing is enough
    assert found.killed > len(found.points)
    assert found.points == found.known


def test_damaged_files_are_noticed_before_native_code_reads_them_and_mended(tmp_path: Path) -> None:
    found = faults_damages.run(40, tmp_path)
    assert found.problems == []
    assert found.crashed == 0
    assert found.tried == found.noticed == 40


def test_files_that_may_not_grow_give_an_error_of_ours_and_lose_nothing(tmp_path: Path) -> None:
    found = faults_disks.limited((40_000, 700_000), tmp_path)
    assert found.problems == []
    assert found.full == 2


def test_a_full_disk_gives_an_error_of_ours_and_loses_nothing(tmp_path: Path) -> None:
    found = faults_disks.small(("1m",), tmp_path)
    if found.skipped:
        pytest.skip(found.skipped)
    assert found.problems == []
    assert found.full == 1
