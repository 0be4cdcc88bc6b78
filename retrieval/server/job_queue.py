"""Long work in the background: one job at a time, whichever of a server's processes received it.

All that is known of a job lies in a file beside the collection. The process that holds a lock runs the jobs, and it
alone writes to their files once they exist; every process reads them. So the next process runs again a job that a
killed process leaves behind: adding goes on where it was, since what is in the catalogue is known.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from indexers.catalogue.links import check_links
from indexers.catalogue.read_only import refuse_writing
from indexers.errors import NearkinError, NotFound, Unavailable, UsageError
from indexers.files import move_over
from indexers.types import Json
from retrieval.records.codec import slug
from retrieval.records.reports import ENDED, Job
from retrieval.server.job_files import JobUnreadable, read_job, write_job

log = logging.getLogger("nearkin.server")

MAX_FINISHED, MAX_WAITING = 100, 100
"""The number of finished jobs that are remembered, and of jobs that may wait."""
POLL_SECONDS = 0.25
"""Time between two notes of a job's progress, and between two looks for a new job."""
TAKEOVER_SECONDS = 1.0
"""Time after which a process tries again to become the one that runs the jobs."""
MAX_TRIES = 3
"""How often a job is begun: one that kills its server must not do so for ever."""
STOP_SECONDS = 2.5
"""Time that a job is waited for when the server stops, beside that in which requests are finished."""
UNREADABLE = ".unreadable"
"""The suffix of files that were set aside."""
STRANGE = (
    "this job lay in a collection that somebody else, or an older nearkin, has made, and was not begun: ask for it "
    "again; to take up such jobs from now on"
)
JOB_ID = re.compile(r"[0-9a-f]{24}")

ReportProgress = Callable[[int, int | None, str], None]
"""Called with how much is done, of how much (None: not known), and what is being done. Raises Cancelled."""
JobFunction = Callable[[Json, ReportProgress], Json]
"""What was asked for and a progress callback -> the report."""


OnLeading = Callable[["JobQueue", threading.Event], object]
"""Called when this process becomes the one that runs the jobs, with an event that is set at its end."""


class JobNotFound(NotFound):
    """No job of that id."""


class TooManyJobs(Unavailable):
    """So many jobs wait that no more are accepted."""


class Cancelled(Exception):
    """The job is to stop."""


class JobQueue:
    """Jobs in a folder. `functions`: by kind of job. They run after `start`; after `close`, the running job is taken up
    again by the next start.

    takes_up: False refuses the jobs that lie there already: somebody else may have written them.
    """

    def __init__(
        self,
        folder: Path,
        functions: dict[str, JobFunction],
        on_leading: OnLeading = lambda *_: None,
        *,
        takes_up: bool = True,
    ) -> None:
        self._folder, self._functions, self._on_leading = folder, functions, on_leading
        self._closing, self._wake = threading.Event(), threading.Event()
        self._ended: set[str] = set()
        self._running: Job | None = None  # as it was before it began
        self._refused = frozenset(() if takes_up else self._list_ids())
        self._starting = threading.Lock()
        self._thread = threading.Thread(target=self._run_thread, name="nearkin-jobs", daemon=True)

    def start(self) -> bool:
        """Run jobs from now on, those first that an earlier server has left behind. Return False if they run already,
        were closed, or can't be written down, since the collection may only be read."""
        with self._starting:
            if self._thread.ident is not None or self._closing.is_set():
                return False
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
            if not self._is_writable():
                return False
            self._thread.start()
            return True

    def _is_writable(self) -> bool:
        return os.access(self._folder, os.W_OK | os.X_OK)

    def add(self, kind: str, request: Json) -> Job:
        """Queue a job and return it; return the one that waits already with the same request. Raises TooManyJobs, and
        CollectionReadOnly where no job could run."""
        if not self._is_writable():
            raise refuse_writing(self._folder.parent)
        waiting = [job for job in self.list_jobs() if job.state == "queued"]
        for job in waiting:
            if (job.kind, job.asked) == (kind, request):
                return job
        if len(waiting) >= MAX_WAITING:
            raise TooManyJobs(f"{len(waiting)} jobs are waiting; try again when some are done, or cancel some")
        job = Job(f"{time.time_ns():016x}{secrets.token_hex(4)}", kind, request)
        self._write(job)
        self._wake.set()
        return job

    def list_jobs(self) -> list[Job]:
        """Return all jobs, the newest first."""
        return [job for job_id in reversed(self._list_ids()) if (job := self._read(job_id))]

    def get(self, job_id: str) -> Job:
        """Return a job. Raises JobNotFound."""
        job = self._read(job_id) if JOB_ID.fullmatch(job_id) else None
        if job is None:
            raise JobNotFound(f"there is no job {job_id!r}")
        return job

    def cancel(self, job_id: str) -> Job:
        """Stop a job; what it has done stays. A job that has ended stays as it is. Raises JobNotFound."""
        if self.get(job_id).state not in ENDED:
            with suppress(FileExistsError):  # in exclusive mode no link is followed
                self._cancel_path(job_id).open("x").close()
        return self.get(job_id)

    def stop(self) -> None:
        """Stop after the present step, without waiting for it. The running job waits for the next start."""
        self._closing.set()
        self._wake.set()

    def close(self) -> None:
        """Stop after the present step, and wait for it."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
            self.give_back()

    def give_back(self) -> None:
        """Write down that the running job is to be begun again: this process ends, and did not die of it."""
        job = self._running
        if self._thread.is_alive() and job is not None:
            self._write(job)

    # ---- files

    def _list_ids(self) -> list[str]:
        """Return the ids of all jobs, the oldest first: they begin with the time."""
        with suppress(FileNotFoundError):
            names = [file.removesuffix(".json") for file in os.listdir(self._folder) if file.endswith(".json")]
            return sorted(name for name in names if JOB_ID.fullmatch(name))
        return []

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"

    def _read(self, job_id: str) -> Job | None:
        """Return a job; None if it can't be read."""
        try:
            job = read_job(self._path(job_id))
        except (OSError, JobUnreadable):
            return None
        cancelled = job.state == "queued" and self._cancel_path(job_id).exists()
        return replace(job, state="cancelled") if cancelled else job

    def _write(self, job: Job) -> None:
        write_job(self._path(job.id), job)

    def _set_aside(self, job_id: str) -> None:
        """Rename a file that holds no job, and say so: nobody is to try it again."""
        path = self._path(job_id)
        try:
            read_job(path)
        except JobUnreadable as error:
            kept = path.with_suffix(UNREADABLE)
            move_over(path, kept)
            log.warning("the file of job %s holds no job and was set aside as %s: %s", job_id, kept, error)
        except OSError:  # it may be read the next time
            return

    def _cancel_path(self, job_id: str) -> Path:
        """Return the place of a file that exists if the job is to stop."""
        return self._folder / f"{job_id}.cancel"

    def _delete_old(self) -> None:
        for job_id in sorted(self._ended)[:-MAX_FINISHED]:
            self._ended.discard(job_id)
            for path in (self._path(job_id), self._cancel_path(job_id)):
                path.unlink(missing_ok=True)

    # ---- in the thread

    def _run_thread(self) -> None:
        lock = FileLock(self._folder / "lock")
        while not self._closing.is_set():
            try:
                check_links(self._folder.parent, [self._folder / "lock"])
                with lock.acquire(blocking=False):
                    self._run_jobs()
            except Timeout:
                self._closing.wait(TAKEOVER_SECONDS)
            except Exception:  # of the disk, most likely
                log.exception("cannot run jobs; trying again")
                self._closing.wait(TAKEOVER_SECONDS)

    def _run_jobs(self) -> None:
        self._on_leading(self, self._closing)
        while not self._closing.is_set():
            self._wake.clear()
            job = self._find_next()
            if job is None:
                self._wake.wait(POLL_SECONDS)
            else:
                self._run_job(job)
                self._delete_old()

    def _find_next(self) -> Job | None:
        """Return the oldest job that has not ended."""
        for job_id in self._list_ids():
            if job_id in self._ended:
                continue
            job = self._read(job_id)
            if job is None:
                self._set_aside(job_id)
            elif job.state not in ENDED or job.ended is None:
                return job
            else:
                self._ended.add(job_id)
        return None

    def _run_job(self, job: Job) -> None:
        if job.state == "cancelled":
            self._finish(job)
            return
        if job.id in self._refused:
            self._finish(job, state="failed", error=f"{STRANGE}: nearkin trust {self._folder.parent}")
            return
        if job.tries >= MAX_TRIES:
            self._finish(job, state="failed", error=f"the server ended {MAX_TRIES} times while running this job")
            return
        running = replace(job, state="running", started=time.time(), tries=job.tries + 1)
        self._write(running)
        log.info("job %s (%s) begins", job.id, job.kind)
        try:
            self._running = job
            report = self._find_function(job.kind)(job.asked, self._make_callback(running))
            self._finish(running, state="done", report=report)
        except Cancelled:
            if self._closing.is_set():
                self._write(job)
            else:
                self._finish(self._read(job.id) or running, state="cancelled")
        except NearkinError as error:
            if self._closing.is_set():  # the collection may have been closed before the job had stopped
                self._write(job)
            else:
                self._finish(running, state="failed", error=str(error), problem=slug(type(error)))
        except Exception:
            if self._closing.is_set() or not threading.main_thread().is_alive():  # Python starts no threads any more
                self._closing.set()
                self._write(job)
                return
            log.exception("job %s (%s) failed", job.id, job.kind)
            self._finish(running, state="failed", error="an error in the server; its log has the details")
        finally:
            self._running = None

    def _find_function(self, kind: str) -> JobFunction:
        if kind not in self._functions:
            raise UsageError(f"there is no job of the kind {kind!r}; there are: {', '.join(self._functions)}")
        return self._functions[kind]

    def _finish(self, job: Job, **fields: Any) -> None:
        ended = replace(job, ended=time.time(), **fields)
        if ended.state == "done":
            ended = replace(ended, done=max(ended.done, ended.total or 0))
        self._write(ended)
        log.info("job %s (%s): %s", ended.id, ended.kind, ended.state)

    def _make_callback(self, job: Job) -> ReportProgress:
        noted = 0.0

        def report_progress(done: int, total: int | None, activity: str) -> None:
            nonlocal noted
            if self._closing.is_set():
                raise Cancelled
            if time.monotonic() - noted >= POLL_SECONDS:
                noted = time.monotonic()
                if self._cancel_path(job.id).exists():
                    raise Cancelled
                self._write(replace(job, done=done, total=total, what=activity))

        return report_progress
