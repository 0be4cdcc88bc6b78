"""Jobs: one at a time, seen by every process, cancelled by any, taken up again after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexers.errors import BadQuery
from retrieval.records.reports import ENDED, Job
from retrieval.server import job_queue
from retrieval.server.job_queue import JobNotFound, JobQueue, ReportProgress, TooManyJobs
from tests.support.serving import ROOT, wait_until


class RecordedJobs:
    """Jobs that do what the tests say."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.go = threading.Event()

    def quick(self, asked: Any, watch: ReportProgress) -> Any:
        self.begun.append(asked)
        return {"got": asked}

    def patient(self, asked: Any, watch: ReportProgress) -> Any:
        self.begun.append(asked)
        count = 0
        while not self.go.wait(0.02):
            count += 1
            watch(count, None, "waiting")
        return {}

    def wrong(self, asked: Any, watch: ReportProgress) -> Any:
        raise BadQuery("no such thing") if asked.get("ours") else RuntimeError("secret")


@pytest.fixture
def doing() -> RecordedJobs:
    return RecordedJobs()


def open_queue(folder: Path, doing: RecordedJobs, **more: Any) -> JobQueue:
    return JobQueue(folder, {"quick": doing.quick, "patient": doing.patient, "wrong": doing.wrong}, **more)


@pytest.fixture
def jobs(tmp_path: Path, doing: RecordedJobs) -> Iterator[JobQueue]:
    made = open_queue(tmp_path / "jobs", doing)
    made.start()
    yield made
    made.close()


def wait_for_end(jobs: JobQueue, job: Job) -> Job:
    found: Job = wait_until(lambda: (now := jobs.get(job.id)).state in ENDED and now)
    return found


def wait_for_start(jobs: JobQueue, job: Job) -> Job:
    found: Job = wait_until(lambda: (now := jobs.get(job.id)).state == "running" and now)
    return found


def test_jobs_are_done_in_turn(jobs: JobQueue, doing: RecordedJobs) -> None:
    asked = [jobs.add("quick", {"number": number}) for number in range(5)]
    assert [wait_for_end(jobs, one).report for one in asked] == [{"got": {"number": number}} for number in range(5)]
    assert [one["number"] for one in doing.begun] == [0, 1, 2, 3, 4]
    assert [one.id for one in jobs.list_jobs()] == [one.id for one in reversed(asked)]


def test_progress_is_told_while_it_runs(jobs: JobQueue, doing: RecordedJobs) -> None:
    job = jobs.add("patient", {})
    shown = wait_until(lambda: (now := jobs.get(job.id)).done > 1 and now)
    assert (shown.state, shown.total, shown.what, shown.tries) == ("running", None, "waiting", 1)
    doing.go.set()
    assert wait_for_end(jobs, job).state == "done"


def test_a_running_job_is_cancelled_and_keeps_what_it_did(jobs: JobQueue) -> None:
    job = jobs.add("patient", {})
    wait_until(lambda: jobs.get(job.id).done)
    jobs.cancel(job.id)
    assert wait_for_end(jobs, job).state == "cancelled"
    assert wait_for_end(jobs, job).done > 0


def test_a_waiting_job_is_cancelled_at_once_and_never_begun(jobs: JobQueue, doing: RecordedJobs) -> None:
    first, second = jobs.add("patient", {}), jobs.add("quick", {"never": True})
    assert jobs.cancel(second.id).state == "cancelled"
    doing.go.set()
    wait_for_end(jobs, first)
    wait_until(lambda: jobs.get(second.id).ended)
    assert {"never": True} not in doing.begun


def test_cancelling_what_has_ended_changes_nothing(jobs: JobQueue) -> None:
    job = wait_for_end(jobs, jobs.add("quick", {}))
    assert jobs.cancel(job.id) == job


def test_what_waits_already_is_not_asked_for_twice(jobs: JobQueue, doing: RecordedJobs) -> None:
    jobs.add("patient", {})
    assert jobs.add("quick", {"a": [1]}).id == jobs.add("quick", {"a": [1]}).id != jobs.add("quick", {"a": [2]}).id
    doing.go.set()


def test_an_error_of_ours_is_told_and_another_only_to_the_log(jobs: JobQueue, caplog: pytest.LogCaptureFixture) -> None:
    assert wait_for_end(jobs, jobs.add("wrong", {"ours": True})).error == "no such thing"
    other = wait_for_end(jobs, jobs.add("wrong", {}))
    assert other.state == "failed"
    assert "secret" not in str(other.error)
    assert "secret" in caplog.text


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "0" * 24, "0" * 23 + "\n", "\ud800"])
def test_a_job_that_is_not_there(jobs: JobQueue, name: str) -> None:
    with pytest.raises(JobNotFound):
        jobs.get(name)


def test_only_so_many_wait(tmp_path: Path, doing: RecordedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "MAX_WAITING", 3)
    jobs = open_queue(tmp_path, doing)
    for number in range(3):
        jobs.add("quick", {"number": number})
    with pytest.raises(TooManyJobs, match="3 jobs are waiting"):
        jobs.add("quick", {})


def test_only_so_many_are_remembered(jobs: JobQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "MAX_FINISHED", 2)
    asked = [wait_for_end(jobs, jobs.add("quick", {"number": number})) for number in range(6)]
    wait_until(lambda: len(jobs.list_jobs()) <= 3)
    assert jobs.list_jobs()[0].id == asked[-1].id
    assert len(list((tmp_path / "jobs").glob("*.json"))) <= 3


def test_a_closed_server_leaves_its_job_to_the_next(tmp_path: Path, doing: RecordedJobs) -> None:
    first = open_queue(tmp_path, doing)
    first.start()
    job = wait_for_start(first, first.add("patient", {"a": 1}))
    first.close()
    assert (first.get(job.id).state, first.get(job.id).tries) == ("queued", 0)
    doing.go.set()
    second = open_queue(tmp_path, doing)
    second.start()
    assert wait_for_end(second, job).state == "done"
    second.close()


def test_two_processes_see_the_same_jobs_and_one_does_them(jobs: JobQueue, tmp_path: Path, doing: RecordedJobs) -> None:
    wait_for_end(jobs, jobs.add("quick", {}))  # so that it is this one that does them
    other = open_queue(tmp_path / "jobs", RecordedJobs())
    other.start()
    asked = [other.add("quick", {"number": number}) for number in range(3)]
    assert all(wait_for_end(other, one).state == "done" for one in asked)
    assert len(doing.begun) == 4
    job = wait_for_start(other, other.add("patient", {}))
    other.cancel(job.id)
    assert wait_for_end(other, job).state == "cancelled"
    jobs.close()
    last = other.add("quick", {"after": True})
    assert wait_for_end(other, last).state == "done"  # which has taken over
    other.close()


WORKER = """
import sys, time
from pathlib import Path
from retrieval.server.job_queue import JobQueue
def slow(asked, watch):
    print("begun", flush=True)
    time.sleep(60)
jobs = JobQueue(Path(sys.argv[1]), {"slow": slow})
if len(sys.argv) > 2:
    jobs.add("slow", {})
jobs.start()
time.sleep(60)
"""


def kill_at_work(folder: Path, *more: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), *more],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline() == b"begun\n"
        process.kill()
        process.wait()


def test_a_job_that_kills_its_server_is_given_up(tmp_path: Path, doing: RecordedJobs) -> None:
    kill_at_work(tmp_path, "add")
    for _ in range(job_queue.MAX_TRIES - 1):
        kill_at_work(tmp_path)
    jobs = JobQueue(tmp_path, {"slow": doing.quick})
    jobs.start()
    job = wait_for_end(jobs, jobs.list_jobs()[0])
    assert (job.state, job.error) == ("failed", "the server ended 3 times while running this job")
    assert not doing.begun
    jobs.close()


def test_files_that_are_no_jobs_are_passed_over(jobs: JobQueue, tmp_path: Path) -> None:
    (tmp_path / "jobs" / f"{'1' * 24}.json").write_text("{")
    (tmp_path / "jobs" / f"{'2' * 24}.json").write_text(json.dumps({"unknown": 1}))
    assert wait_for_end(jobs, jobs.add("quick", {})).state == "done"
    assert len(jobs.list_jobs()) == 1


def test_the_leader_is_told_so(tmp_path: Path, doing: RecordedJobs) -> None:
    led = threading.Event()
    jobs = open_queue(tmp_path, doing, on_leading=lambda jobs, closing: led.set())
    jobs.start()
    assert led.wait(10)
    jobs.close()
