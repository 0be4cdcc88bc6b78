"""Rows of work: each has one worker at a time, outlives it, and does not kill others for ever."""

from __future__ import annotations

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.work import MAX_ATTEMPTS, WorkRow

pytestmark = pytest.mark.databases
KIND = "embed"


def put(catalogue: Catalogue, count: int) -> None:
    with catalogue.work_rows() as rows:
        rows.put(KIND, {f"t{number:02}": {"n": number} for number in range(count)})


def enter(catalogue: Catalogue, lease: float = 30.0) -> int:
    with catalogue.work_rows() as rows:
        return rows.enter("a test", [KIND], lease)


def claim(catalogue: Catalogue, worker: int, limit: int = 4, lease: float = 30.0) -> list[WorkRow]:
    with catalogue.work_rows() as rows:
        return rows.claim(worker, [KIND], limit, lease)


def list_targets(rows: list[WorkRow]) -> list[str]:
    return [row.target for row in rows]


def test_two_workers_never_hold_the_same_row(catalogue: Catalogue) -> None:
    put(catalogue, 6)
    first, second = enter(catalogue), enter(catalogue)
    assert list_targets(claim(catalogue, first)) == ["t00", "t01", "t02", "t03"]
    assert list_targets(claim(catalogue, second)) == ["t04", "t05"]
    assert claim(catalogue, second, limit=0) == []


def test_rows_that_another_worker_is_claiming_are_passed_over(catalogue: Catalogue) -> None:
    if catalogue.folder == catalogue.database.folder and not catalogue.database.has_own_folder:
        pytest.skip("SQLite has one writer at a time")
    put(catalogue, 6)
    first, second = enter(catalogue), enter(catalogue)
    with catalogue.work_rows() as rows:
        mine = rows.claim(first, [KIND], 4, 30.0)
        assert list_targets(claim(catalogue, second)) == ["t04", "t05"]
    assert len(mine) == 4


def test_what_is_done_is_gone_and_what_failed_says_why(catalogue: Catalogue) -> None:
    put(catalogue, 3)
    worker = enter(catalogue)
    part = claim(catalogue, worker)
    with catalogue.work_rows() as rows:
        rows.finish(worker, part, {"t01": "no picture"}, 2.5)
        state = rows.read_state()
        assert not rows.has_open([KIND])
    assert state.counts == {KIND: {"failed": 1}}
    assert [(failure.uri, failure.reason, failure.stage) for failure in state.failures] == [("t01", "no picture", KIND)]
    assert [(row.done, row.failed, row.rate, row.is_dead) for row in state.workers] == [(2, 1, 2.5, False)]
    with catalogue.work_rows() as rows:
        assert rows.retry_failed([KIND]) == 1
    assert list_targets(claim(catalogue, worker)) == ["t01"]


def test_a_row_that_was_queued_anew_while_it_was_done_stays(catalogue: Catalogue) -> None:
    put(catalogue, 2)
    worker = enter(catalogue)
    part = claim(catalogue, worker)
    with catalogue.work_rows() as rows:
        rows.put(KIND, {"t01": {"n": "new"}})
    with catalogue.work_rows() as rows:
        rows.finish(worker, part, {})
    assert [(row.target, row.data) for row in claim(catalogue, worker)] == [("t01", {"n": "new"})]


def test_others_take_over_what_a_dead_worker_held_in_smaller_parts(catalogue: Catalogue) -> None:
    put(catalogue, 16)
    sizes = []
    for _ in range(MAX_ATTEMPTS):
        dead = enter(catalogue, lease=0.0)
        sizes.append(len(claim(catalogue, dead, limit=16, lease=0.0)))
    assert sizes == [16, 2, 2, 2]  # those that were tried less often come first
    living = enter(catalogue)
    with catalogue.work_rows() as rows:
        state = rows.read_state()
    assert sorted(worker.is_dead for worker in state.workers) == [False, True, True, True, True]
    while part := claim(catalogue, living, limit=16):
        with catalogue.work_rows() as rows:
            rows.finish(living, part, {})
    with catalogue.work_rows() as rows:
        assert rows.read_state().counts == {}


def test_a_row_that_kills_every_worker_fails_alone(catalogue: Catalogue) -> None:
    put(catalogue, 8)
    for _ in range(60):
        dead = enter(catalogue, lease=0.0)
        part = claim(catalogue, dead, limit=8, lease=0.0)
        if "t03" not in list_targets(part):
            with catalogue.work_rows() as rows:
                rows.finish(dead, part, {})
        if not part:
            break
    with catalogue.work_rows() as rows:
        state = rows.read_state()
    assert state.counts == {KIND: {"failed": 1}}
    assert [(failure.uri, failure.reason) for failure in state.failures] == [("t03", "4 workers ended while at it")]


def test_a_worker_that_leaves_gives_back_what_it_holds(catalogue: Catalogue) -> None:
    put(catalogue, 2)
    worker = enter(catalogue)
    claim(catalogue, worker)
    with catalogue.work_rows() as rows:
        rows.leave(worker)
        assert rows.read_state().workers == []
    assert [row.attempts for row in claim(catalogue, enter(catalogue))] == [0, 0]


def test_a_lease_that_is_renewed_does_not_end(catalogue: Catalogue) -> None:
    put(catalogue, 2)
    worker, other = enter(catalogue, lease=0.0), enter(catalogue)
    claim(catalogue, worker, lease=0.0)
    with catalogue.work_rows() as rows:
        rows.renew(worker, 30.0)
    assert claim(catalogue, other) == []
