"""The server's jobs: long work in the background."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from indexers.errors import UsageError
from indexers.types import Json
from retrieval.client.http import Connection, find_error_class, quote_segment, to_records
from retrieval.records.codec import from_json
from retrieval.records.reports import ENDED, Job

POLL_SECONDS = 0.25
"""Time between two looks at a job."""
WatchJob = Callable[[Job], object]
"""Called with a job whenever it was looked at."""


def ignore_job(_: Job) -> None:
    """Do nothing with the progress of a job."""


class JobMethods(Connection):
    """The methods about jobs."""

    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs, the newest first."""
        return to_records(Job, self._get("/v1/jobs")["jobs"])

    def job(self, job: str) -> Job:
        """Return a job by its id."""
        return cast(Job, from_json(Job, self._get(f"/v1/jobs/{quote_segment(job)}")))

    def cancel(self, job: Job) -> Job:
        """Stop a job; what it has done stays."""
        return cast(Job, from_json(Job, self._request("DELETE", f"/v1/jobs/{quote_segment(job.id)}")))

    def wait(self, job: Job, progress: WatchJob = ignore_job) -> Job:
        """Wait until a job has ended, and return it; `progress` is called with it meanwhile."""
        while job.state not in ENDED:
            time.sleep(POLL_SECONDS)
            job = self.job(job.id)
            progress(job)
        return job

    def _begin(self, path: str, body: Any = None) -> Job:
        """Begin a job."""
        return cast(Job, from_json(Job, self._post(path, body)))

    def _run(self, path: str, body: Any = None, progress: WatchJob = ignore_job) -> Json:
        """Begin a job, wait for it, and return its report. Raises the error with which it failed."""
        return read_report(self.wait(self._begin(path, body), progress))


def read_report(job: Job) -> Json:
    """Return the report of a job that has ended. Raises the error with which it failed, UsageError if cancelled."""
    if job.state == "done" and job.report is not None:
        return job.report
    error_class = find_error_class(job.problem or "") or UsageError
    raise error_class(job.error or f"the job was {job.state}")
