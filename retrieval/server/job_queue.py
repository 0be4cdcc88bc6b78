"""Long work in the background: one job at a time, whichever of a server's processes it was asked of.

All that is known of a job lies in a file beside the collection. The process that holds a lock does the jobs, and it
alone writes their files once they are there; every process reads them. So a job that a killed process leaves behind is
done again by the next one: adding goes on where it was, since what is in the catalogue is known.
"""

from __future__ import annotations

import json
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

from indexers.errors import NearkinError, NotFound, Unavailable
from indexers.files import whole
from indexers.types import Json
from retrieval.records.reports import ENDED, Job

log = logging.getLogger("nearkin.server")

KEPT, WAITING = 100, 100
"""Finished jobs that are remembered; jobs that may wait."""
OFTEN = 0.25
"""Seconds between two notes of a job's progress, and two looks for a new job."""
TAKEOVER = 1.0
"""Seconds after which a process asks again whether it is to do the jobs."""
TRIES = 3
"""Times that a job is begun: one that kills its server must not do so for ever."""
PATIENCE = 30.0
"""Seconds that a job may take to stop where the server stops."""
NAME = re.compile(r"[0-9a-f]{24}")

Watch = Callable[[int, int | None, str], None]
"""Done, of how many (None: not known), what is being done. Raises Cancelled."""
Doer = Callable[[Json, Watch], Json]
"""What was asked for, and whom to tell -> the report."""


Leading = Callable[["Jobs", threading.Event], object]
"""Called where this process is the one that does the jobs, with an event that is set at its end."""


class JobNotFound(NotFound):
    """No job of that name."""


class TooManyJobs(Unavailable):
    """So many jobs wait that no more are taken."""


class Cancelled(Exception):
    """Somebody wants it to stop."""


class Jobs:
    """`doers`: by kind of job. Call `start` once; `close` lets the running job be taken up by the next start."""

    def __init__(self, folder: Path, doers: dict[str, Doer], leading: Leading = lambda *_: None) -> None:
        self._folder, self._doers, self._leading = folder, doers, leading
        self._closing, self._news = threading.Event(), threading.Event()
        self._over: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="nearkin-jobs", daemon=True)

    def start(self) -> None:
        """Do what is asked for from now on, and what an earlier server has left behind."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def add(self, kind: str, asked: Json) -> Job:
        """Do that, when those before it are done; once, if it waits already. Raises TooManyJobs."""
        waiting = [one for one in self.all() if one.state == "queued"]
        for one in waiting:
            if (one.kind, one.asked) == (kind, asked):
                return one
        if len(waiting) >= WAITING:
            raise TooManyJobs(f"{len(waiting)} jobs wait already; ask again when some are done, or cancel them")
        job = Job(f"{time.time_ns():016x}{secrets.token_hex(4)}", kind, asked)
        self._put(job)
        self._news.set()
        return job

    def all(self) -> list[Job]:
        """The newest first."""
        return [job for name in reversed(self._names()) if (job := self._read(name))]

    def get(self, name: str) -> Job:
        """Raises JobNotFound."""
        found = self._read(name) if NAME.fullmatch(name) else None
        if found is None:
            raise JobNotFound(f"there is no job {name!r}")
        return found

    def cancel(self, name: str) -> Job:
        """Stop it; what it has done stays. One that has ended is left as it is."""
        if self.get(name).state not in ENDED:
            self._mark(name).touch()
        return self.get(name)

    def close(self) -> None:
        """Stop after the present step. The running job waits for the next start."""
        self._closing.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)

    # ---- files

    def _names(self) -> list[str]:
        """From the oldest on: names begin with the time."""
        with suppress(FileNotFoundError):
            return sorted(one[:-5] for one in os.listdir(self._folder) if one.endswith(".json") and one[0] != ".")
        return []

    def _read(self, name: str) -> Job | None:
        try:
            job = Job(**json.loads((self._folder / f"{name}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return replace(job, state="cancelled") if job.state == "queued" and self._mark(name).exists() else job

    def _put(self, job: Job) -> None:
        with whole(self._folder / f"{job.id}.json") as partial:
            partial.write_text(json.dumps(job.to_dict()))

    def _mark(self, name: str) -> Path:
        """There if somebody wants the job to stop."""
        return self._folder / f"{name}.cancel"

    def _forget(self) -> None:
        for name in sorted(self._over)[:-KEPT]:
            self._over.discard(name)
            for path in (self._folder / f"{name}.json", self._mark(name)):
                path.unlink(missing_ok=True)

    # ---- in the thread

    def _work(self) -> None:
        lock = FileLock(self._folder / "lock")
        while not self._closing.is_set():
            try:
                with lock.acquire(blocking=False):
                    self._lead()
            except Timeout:
                self._closing.wait(TAKEOVER)
            except Exception:  # of the disk, most likely
                log.exception("the jobs can't be looked after; trying again")
                self._closing.wait(TAKEOVER)

    def _lead(self) -> None:
        self._leading(self, self._closing)
        while not self._closing.is_set():
            self._news.clear()
            job = self._next()
            if job is None:
                self._news.wait(OFTEN)
            else:
                self._run(job)
                self._forget()

    def _next(self) -> Job | None:
        """The oldest that is not done."""
        for name in self._names():
            if name not in self._over and (job := self._read(name)):
                if job.state not in ENDED or job.ended is None:
                    return job
                self._over.add(name)
        return None

    def _run(self, job: Job) -> None:
        if job.state == "cancelled" or job.tries >= TRIES:
            given_up = {"state": "failed", "error": f"the server ended {TRIES} times while it was at this"}
            self._end(job, **({} if job.state == "cancelled" else given_up))
            return
        running = replace(job, state="running", started=time.time(), tries=job.tries + 1)
        self._put(running)
        log.info("job %s (%s) begins", job.id, job.kind)
        try:
            self._end(running, state="done", report=self._doers[job.kind](job.asked, self._watch(running)))
        except Cancelled:
            if self._closing.is_set():
                self._put(job)
            else:
                self._end(self._read(job.id) or running, state="cancelled")
        except NearkinError as error:
            self._end(running, state="failed", error=str(error))
        except Exception:
            log.exception("job %s (%s) met a fault", job.id, job.kind)
            self._end(running, state="failed", error="a fault of the server's; its log has it")

    def _end(self, job: Job, **how: Any) -> None:
        ended = replace(job, ended=time.time(), **how)
        if ended.state == "done":
            ended = replace(ended, done=max(ended.done, ended.total or 0))
        self._put(ended)
        log.info("job %s (%s): %s", ended.id, ended.kind, ended.state)

    def _watch(self, job: Job) -> Watch:
        last = 0.0

        def watch(done: int, total: int | None, what: str) -> None:
            nonlocal last
            if self._closing.is_set():
                raise Cancelled
            if time.monotonic() - last >= OFTEN:
                last = time.monotonic()
                if self._mark(job.id).exists():
                    raise Cancelled
                self._put(replace(job, done=done, total=total, what=what))

        return watch
