"""Jobs: one at a time, seen by every process, cancelled by any, taken up again after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from indexers.errors import BadQuery, CollectionReadOnly, NotFound
from indexers.types import Json
from retrieval.records.reports import ENDED, Job
from retrieval.server import job_queue
from retrieval.server.job_queue import JobNotFound, JobQueue, ReportProgress, TooManyJobs
from tests.support.serving import ROOT, wait_until


class RecordedJobs:
    """Kinds of job that do what the tests say. `begun`: requests of jobs that have begun. `go` ends patient ones."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.go = threading.Event()

    def quick(self, request: Any, report_progress: ReportProgress) -> Any:
        self.begun.append(request)
        return {"request": request}

    def patient(self, request: Any, report_progress: ReportProgress) -> Any:
        self.begun.append(request)
        count = 0
        while not self.go.wait(0.02):
            count += 1
            report_progress(count, None, "waiting")
        return {}

    def wrong(self, request: Any, report_progress: ReportProgress) -> Any:
        raise BadQuery("no such thing") if request.get("ours") else RuntimeError("secret")


@pytest.fixture
def work() -> RecordedJobs:
    return RecordedJobs()


def open_queue(folder: Path, work: RecordedJobs, **options: Any) -> JobQueue:
    return JobQueue(folder, {"quick": work.quick, "patient": work.patient, "wrong": work.wrong}, **options)


@pytest.fixture
def jobs(tmp_path: Path, work: RecordedJobs) -> Iterator[JobQueue]:
    queue = open_queue(tmp_path / "jobs", work)
    queue.start()
    yield queue
    queue.close()


def wait_for_end(jobs: JobQueue, job: Job) -> Job:
    ended: Job = wait_until(lambda: (current := jobs.get(job.id)).state in ENDED and current)
    return ended


def wait_for_start(jobs: JobQueue, job: Job) -> Job:
    running: Job = wait_until(lambda: (current := jobs.get(job.id)).state == "running" and current)
    return running


def test_jobs_are_done_in_turn(jobs: JobQueue, work: RecordedJobs) -> None:
    queued = [jobs.add("quick", {"number": number}) for number in range(5)]
    assert [wait_for_end(jobs, job).report for job in queued] == [
        {"request": {"number": number}} for number in range(5)
    ]
    assert [request["number"] for request in work.begun] == [0, 1, 2, 3, 4]
    assert [job.id for job in jobs.list_jobs()] == [job.id for job in reversed(queued)]


def test_progress_is_told_while_it_runs(jobs: JobQueue, work: RecordedJobs) -> None:
    job = jobs.add("patient", {})
    running = wait_until(lambda: (current := jobs.get(job.id)).done > 1 and current)
    assert (running.state, running.total, running.what, running.tries) == ("running", None, "waiting", 1)
    work.go.set()
    assert wait_for_end(jobs, job).state == "done"


def test_a_running_job_is_cancelled_and_keeps_what_it_did(jobs: JobQueue) -> None:
    job = jobs.add("patient", {})
    wait_until(lambda: jobs.get(job.id).done)
    jobs.cancel(job.id)
    assert wait_for_end(jobs, job).state == "cancelled"
    assert wait_for_end(jobs, job).done > 0


def test_a_waiting_job_is_cancelled_at_once_and_never_begun(jobs: JobQueue, work: RecordedJobs) -> None:
    first, second = jobs.add("patient", {}), jobs.add("quick", {"never": True})
    assert jobs.cancel(second.id).state == "cancelled"
    work.go.set()
    wait_for_end(jobs, first)
    wait_until(lambda: jobs.get(second.id).ended)
    assert {"never": True} not in work.begun


def test_cancelling_what_has_ended_changes_nothing(jobs: JobQueue) -> None:
    job = wait_for_end(jobs, jobs.add("quick", {}))
    assert jobs.cancel(job.id) == job


def test_what_waits_already_is_not_asked_for_twice(jobs: JobQueue, work: RecordedJobs) -> None:
    jobs.add("patient", {})
    assert jobs.add("quick", {"a": [1]}).id == jobs.add("quick", {"a": [1]}).id != jobs.add("quick", {"a": [2]}).id
    work.go.set()


def test_an_error_of_ours_is_told_and_another_only_to_the_log(jobs: JobQueue, caplog: pytest.LogCaptureFixture) -> None:
    assert wait_for_end(jobs, jobs.add("wrong", {"ours": True})).error == "no such thing"
    failed = wait_for_end(jobs, jobs.add("wrong", {}))
    assert failed.state == "failed"
    assert "secret" not in str(failed.error)
    assert "secret" in caplog.text


@pytest.mark.parametrize("job_id", ["", "x", "../../etc/passwd", "0" * 24, "0" * 23 + "\n", "\ud800"])
def test_a_job_that_is_not_there(jobs: JobQueue, job_id: str) -> None:
    with pytest.raises(JobNotFound):
        jobs.get(job_id)


def test_only_so_many_wait(tmp_path: Path, work: RecordedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "MAX_WAITING", 3)
    jobs = open_queue(tmp_path, work)
    for number in range(3):
        jobs.add("quick", {"number": number})
    with pytest.raises(TooManyJobs, match="3 jobs are waiting"):
        jobs.add("quick", {})


def test_only_so_many_are_remembered(jobs: JobQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "MAX_FINISHED", 2)
    ended = [wait_for_end(jobs, jobs.add("quick", {"number": number})) for number in range(6)]
    wait_until(lambda: len(jobs.list_jobs()) <= 3)
    assert jobs.list_jobs()[0].id == ended[-1].id
    assert len(list((tmp_path / "jobs").glob("*.json"))) <= 3


def test_a_closed_server_leaves_its_job_to_the_next(tmp_path: Path, work: RecordedJobs) -> None:
    first = open_queue(tmp_path, work)
    first.start()
    job = wait_for_start(first, first.add("patient", {"a": 1}))
    first.close()
    assert (first.get(job.id).state, first.get(job.id).tries) == ("queued", 0)
    work.go.set()
    second = open_queue(tmp_path, work)
    second.start()
    assert wait_for_end(second, job).state == "done"
    second.close()


def test_a_job_that_does_not_stop_in_time_is_left_to_the_next_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "STOP_SECONDS", 0.05)
    begun, go = threading.Event(), threading.Event()

    def work_on(request: Json, report_progress: ReportProgress) -> Json:
        begun.set()
        go.wait(10)
        raise NotFound("the collection is closed")

    jobs = JobQueue(tmp_path / "jobs", {"stubborn": work_on})
    jobs.start()
    job = jobs.add("stubborn", {})
    assert begun.wait(10)
    jobs.close()
    assert (jobs.get(job.id).state, jobs.get(job.id).tries) == ("queued", 0)
    go.set()
    wait_until(lambda: not jobs._thread.is_alive())
    assert (jobs.get(job.id).state, jobs.get(job.id).error) == ("queued", None)


def test_two_processes_see_the_same_jobs_and_one_does_them(jobs: JobQueue, tmp_path: Path, work: RecordedJobs) -> None:
    wait_for_end(jobs, jobs.add("quick", {}))  # so that the first one leads
    second = open_queue(tmp_path / "jobs", RecordedJobs())
    second.start()
    queued = [second.add("quick", {"number": number}) for number in range(3)]
    assert all(wait_for_end(second, job).state == "done" for job in queued)
    assert len(work.begun) == 4
    job = wait_for_start(second, second.add("patient", {}))
    second.cancel(job.id)
    assert wait_for_end(second, job).state == "cancelled"
    jobs.close()
    last = second.add("quick", {"after": True})
    assert wait_for_end(second, last).state == "done"  # which has taken over
    second.close()


WORKER = """
import sys, time
from pathlib import Path
from retrieval.server.job_queue import JobQueue
def slow(request, report_progress):
    print("begun", flush=True)
    time.sleep(60)
jobs = JobQueue(Path(sys.argv[1]), {"slow": slow})
if len(sys.argv) > 2:
    jobs.add("slow", {})
jobs.start()
time.sleep(60)
"""


def kill_at_work(folder: Path, *arguments: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout
    with process.stdout:
        assert process.stdout.readline() == b"begun\n"
        process.kill()
        process.wait()


def test_a_job_that_kills_its_server_is_given_up(tmp_path: Path, work: RecordedJobs) -> None:
    kill_at_work(tmp_path, "add")
    for _ in range(job_queue.MAX_TRIES - 1):
        kill_at_work(tmp_path)
    jobs = JobQueue(tmp_path, {"slow": work.quick})
    jobs.start()
    job = wait_for_end(jobs, jobs.list_jobs()[0])
    assert (job.state, job.error) == ("failed", "the server ended 3 times while running this job")
    assert not work.begun
    jobs.close()


def test_files_that_are_no_jobs_are_passed_over(jobs: JobQueue, tmp_path: Path) -> None:
    (tmp_path / "jobs" / f"{'1' * 24}.json").write_text("{")
    (tmp_path / "jobs" / f"{'2' * 24}.json").write_text(json.dumps({"unknown": 1}))
    assert wait_for_end(jobs, jobs.add("quick", {})).state == "done"
    assert len(jobs.list_jobs()) == 1


def test_files_that_are_no_jobs_are_set_aside_and_told(
    tmp_path: Path, work: RecordedJobs, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / f"{'1' * 24}.json").write_text("[" * 100_000)
    (folder / f"{'2' * 24}.json").symlink_to(tmp_path / "secret")
    (folder / "not an id.json").write_text("{}")
    jobs = open_queue(folder, work)
    jobs.start()
    assert wait_for_end(jobs, jobs.add("quick", {})).state == "done"
    assert len(jobs.list_jobs()) == 1
    jobs.close()
    assert {path.name for path in folder.glob("*.unreadable")} == {f"{digit * 24}.unreadable" for digit in "12"}
    assert caplog.text.count("was set aside as") == 2
    assert "cannot run jobs" not in caplog.text


def test_a_jobs_id_is_its_files_name(tmp_path: Path, work: RecordedJobs) -> None:
    folder = tmp_path / "jobs"
    folder.mkdir()
    fields = Job("../../outside", "quick", {}).to_dict()
    (folder / f"{'3' * 24}.json").write_text(json.dumps(fields))
    jobs = open_queue(folder, work)
    jobs.start()
    assert wait_until(lambda: jobs.get("3" * 24).state == "done")
    jobs.close()
    assert not list(tmp_path.glob("outside*"))
    assert not list(tmp_path.parent.glob("outside*"))


def test_jobs_of_an_unknown_kind_fail_with_the_reason(jobs: JobQueue) -> None:
    job = wait_for_end(jobs, jobs.add("__import__", {}))
    assert (job.state, job.error) == (
        "failed",
        "there is no job of the kind '__import__'; there are: quick, patient, wrong",
    )


def test_cancelling_follows_no_link(jobs: JobQueue, tmp_path: Path, work: RecordedJobs) -> None:
    wait_for_start(jobs, jobs.add("patient", {}))
    job = jobs.add("quick", {})
    (tmp_path / "jobs" / f"{job.id}.cancel").symlink_to(tmp_path / "outside")
    jobs.cancel(job.id)
    assert not (tmp_path / "outside").exists()
    work.go.set()


def test_a_lock_that_leads_elsewhere_is_not_opened(tmp_path: Path, work: RecordedJobs) -> None:
    folder, precious = tmp_path / "c" / "jobs", tmp_path / "precious"
    folder.mkdir(parents=True)
    precious.write_text("all of it")
    (folder / "lock").symlink_to(precious)
    jobs = open_queue(folder, work)
    jobs.start()
    jobs.add("quick", {})
    jobs.close()
    assert precious.read_text() == "all of it"
    assert not work.begun


def test_the_leader_is_told_so(tmp_path: Path, work: RecordedJobs) -> None:
    led = threading.Event()
    jobs = open_queue(tmp_path, work, on_leading=lambda jobs, closing: led.set())
    jobs.start()
    assert led.wait(10)
    jobs.close()


def test_where_nothing_can_be_written_no_job_is_accepted(
    tmp_path: Path, work: RecordedJobs, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    place = tmp_path / "collection"
    place.mkdir()
    with unprivileged():
        place.chmod(0o555)
        jobs = open_queue(place / "jobs", work)
        assert not jobs.start()
        assert jobs.list_jobs() == []
        with pytest.raises(CollectionReadOnly, match="may only be read"):
            jobs.add("quick", {})


ENDING = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from retrieval.server.job_queue import JobQueue
begun = threading.Event()
def work(request, report_progress):
    begun.set()
    while threading.main_thread().is_alive():
        time.sleep(0.01)
    ThreadPoolExecutor().submit(print)  # which Python refuses at its end
jobs = JobQueue(Path(sys.argv[1]), {"work": work})
jobs.start()
atexit.register(jobs.close)
jobs.add("work", {})
begun.wait()
"""


def test_a_job_that_pythons_end_interrupts_goes_on_at_the_next_start(tmp_path: Path, work: RecordedJobs) -> None:
    command = [sys.executable, "-c", ENDING, str(tmp_path)]
    subprocess.run(command, check=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)})
    jobs = JobQueue(tmp_path, {"work": work.quick})
    assert [(job.state, job.tries, job.error) for job in jobs.list_jobs()] == [("queued", 0, None)]
    jobs.start()
    assert wait_for_end(jobs, jobs.list_jobs()[0]).state == "done"
    jobs.close()


def test_jobs_that_somebody_else_left_are_not_begun(tmp_path: Path, work: RecordedJobs) -> None:
    (tmp_path / "jobs").mkdir()
    left = open_queue(tmp_path / "jobs", work).add("quick", {"n": 1})
    jobs = JobQueue(tmp_path / "jobs", {"quick": work.quick}, takes_up=False)
    jobs.start()
    refused = wait_for_end(jobs, left)
    assert refused.state == "failed"
    assert "nearkin trust" in (refused.error or "")
    assert wait_for_end(jobs, jobs.add("quick", {"n": 1})).state == "done"
    assert len(work.begun) == 1
    jobs.close()
