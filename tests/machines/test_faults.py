"""What must never happen, in short; the long form is `python -m tests.bench faults`."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.bench import (
    faults_damages,
    faults_disks,
    faults_kills,
    faults_power,
    faults_questions,
    faults_requests,
    faults_resources,
)


@pytest.mark.parametrize("share", [0.1, pytest.param(1.0, marks=pytest.mark.slow)])
def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path: Path, share: float) -> None:
    """At every named point between two writes, or at a tenth of them, others each time; and at random moments."""
    seed = secrets.randbelow(2**32)
    outcome = faults_kills.run(250 if share == 1 else 20, tmp_path, seed=seed, share=share)
    assert outcome.problems == [], f"seed {seed}"
    assert outcome.repairs == [], f"seed {seed}"  # to replay what is missing is enough
    assert outcome.killed > len(outcome.points)
    assert outcome.points == outcome.chosen
    assert outcome.chosen == outcome.known or share < 1


def test_damaged_files_are_noticed_before_native_code_reads_them_and_mended(tmp_path: Path) -> None:
    outcome = faults_damages.run(20, tmp_path)
    assert outcome.problems == []
    assert outcome.crashed == 0
    assert outcome.tried == outcome.noticed == 20


def test_files_that_may_not_grow_give_an_error_of_ours_and_lose_nothing(tmp_path: Path) -> None:
    outcome = faults_disks.limit_files((40_000, 300_000), tmp_path)
    assert outcome.problems == []
    assert outcome.full == 2


def test_a_full_disk_gives_an_error_of_ours_and_loses_nothing(tmp_path: Path) -> None:
    outcome = faults_disks.small(("1m",), tmp_path)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.problems == []
    assert outcome.full == 1


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    makers = (faults_power.make_living("file"), faults_power.Moving, faults_power.Uploading)
    cuts = faults_power.run(12, tmp_path, makers)
    if cuts.skipped:
        pytest.skip(cuts.skipped)
    assert cuts.problems == []
    assert cuts.tried == 24


def test_answers_are_those_of_brute_force_whatever_is_asked(tmp_path: Path) -> None:
    outcome = faults_questions.Questions()
    faults_questions.ask_history(tmp_path / "collection", "cosine", 120, 1, outcome, batches=8)
    assert outcome.problems == []
    assert outcome.missed() == []
    assert outcome.asked > 100


def test_hostile_requests_meet_no_fault_and_reach_nothing_beyond(tmp_path: Path) -> None:
    outcome = faults_requests.Requests()
    faults_requests.attack_server(tmp_path, outcome, 30, has_tokens=True, clients=4, edge=300)
    assert outcome.problems == []
    assert outcome.tried == 30


@pytest.mark.parametrize(("kind", "count"), [(faults_resources.OPENINGS, 20), (faults_resources.QUESTIONS, 200)])
def test_openings_and_questions_leave_no_descriptor_thread_or_memory_behind(
    tmp_path: Path, kind: str, count: int
) -> None:
    outcome = faults_resources.run(count, tmp_path, kind)
    assert outcome.problems == []
    assert outcome.moments[-1].number == outcome.tried == count
