"""Long work in the background: one job at a time, its state in a file beside the collection.

A job's file says what was asked for, so that one that a killed server leaves behind is done again when the next one
starts: adding goes on where it was, since what is in the catalogue is known.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from indexers.errors import NearkinError, NotFound
from indexers.files import whole
from indexers.types import Json
from retrieval.results import Record

log = logging.getLogger("nearkin.server")

KEPT = 100
"""Finished jobs that are remembered."""
OFTEN = 0.25
"""Seconds between two notes of a job's progress."""
ENDED = ("done", "failed", "cancelled")

Watch = Callable[[int, int | None, str], None]
"""Done, of how many (None: not known), what is being done. Raises Cancelled."""
Doer = Callable[[Json, Watch], Json]
"""What was asked for, and whom to tell -> the report."""


class JobNotFound(NotFound):
    """No job of that name."""


class Cancelled(Exception):
    """Somebody wants it to stop."""


@dataclass(frozen=True, slots=True)
class Job(Record):
    """Work in the background. `state`: queued, running, done, failed, cancelled. `done` of `total`: how far it is.
    `report`: what came out; `error`: why nothing did. Times are seconds since 1970."""

    id: str
    kind: str
    asked: Json
    state: str = "queued"
    done: int = 0
    total: int | None = None
    what: str = ""
    report: Json | None = None
    error: str | None = None
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None


class Jobs:
    """`doers`: by kind of job. Call `start` once; `close` lets the running job be taken up by the next start."""

    def __init__(self, folder: Path, doers: dict[str, Doer]) -> None:
        self._folder, self._doers = folder, doers
        self._lock = threading.Condition()
        self._jobs: dict[str, Job] = {}
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="nearkin-jobs", daemon=True)

    def start(self) -> None:
        """Take up what an earlier server has left behind."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for job in sorted(self._stored(), key=lambda one: one.created):
            self._jobs[job.id] = job
            if job.state not in ENDED:
                self._put(replace(job, state="queued", started=None))
                self._waiting.put(job.id)
        self._thread.start()

    def _stored(self) -> list[Job]:
        found = []
        for path in self._folder.glob("*.json"):
            with suppress(OSError, ValueError, TypeError):
                found.append(Job(**json.loads(path.read_text())))
        return found

    def add(self, kind: str, asked: Json) -> Job:
        """Do that, when those before it are done."""
        job = Job(secrets.token_hex(8), kind, asked)
        self._put(job)
        self._waiting.put(job.id)
        self._forget()
        return job

    def all(self) -> list[Job]:
        """The newest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda one: -one.created)

    def get(self, name: str) -> Job:
        """Raises JobNotFound."""
        with self._lock:
            found = self._jobs.get(name)
        if found is None:
            raise JobNotFound(f"there is no job {name!r}")
        return found

    def cancel(self, name: str) -> Job:
        """Stop it; what it has done stays. One that has ended is left as it is."""
        job = self.get(name)
        with self._lock:
            self._cancelled.add(name)
        if job.state == "queued":
            self._put(replace(job, state="cancelled", ended=time.time()))
        return self.get(name)

    def changed(self, job: Job, seconds: float) -> Job:
        """The job, as soon as it is another than this, or after so long."""
        with self._lock:
            self._lock.wait_for(lambda: self._closing or self._jobs.get(job.id) != job, seconds)
            return self._jobs.get(job.id, job)

    def close(self) -> None:
        """Stop after the present step. The running job's file says that it is running, so that it goes on next time."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _put(self, job: Job, store: bool = True) -> None:
        with self._lock:
            self._jobs[job.id] = job
            self._lock.notify_all()
        if store:
            with whole(self._folder / f"{job.id}.json") as partial:
                partial.write_text(json.dumps(job.to_dict()))

    def _forget(self) -> None:
        for job in [one for one in self.all() if one.state in ENDED][KEPT:]:
            with self._lock:
                self._jobs.pop(job.id, None)
            with suppress(OSError):
                os.unlink(self._folder / f"{job.id}.json")

    # ---- in the thread

    def _work(self) -> None:
        while (name := self._waiting.get()) is not None and not self._closing:
            job = self.get(name)
            if job.state == "queued":
                self._run(replace(job, state="running", started=time.time()))

    def _run(self, job: Job) -> None:
        self._put(job)
        log.info("job %s (%s) begins", job.id, job.kind)
        try:
            report = self._doers[job.kind](job.asked, self._watch(job.id))
            ended: dict[str, Any] = {"state": "done", "report": report}
        except Cancelled:
            if self._closing:
                return
            ended = {"state": "cancelled"}
        except NearkinError as error:
            ended = {"state": "failed", "error": str(error)}
        except Exception:
            log.exception("job %s (%s) met a fault", job.id, job.kind)
            ended = {"state": "failed", "error": "a fault of the server's; its log has it"}
        self._put(replace(self.get(job.id), ended=time.time(), **ended))
        log.info("job %s (%s): %s", job.id, job.kind, ended["state"])

    def _watch(self, name: str) -> Watch:
        last = 0.0

        def watch(done: int, total: int | None, what: str) -> None:
            nonlocal last
            if self._closing or name in self._cancelled:
                raise Cancelled
            if time.monotonic() - last >= OFTEN:
                last = time.monotonic()
                self._put(replace(self.get(name), done=done, total=total, what=what), store=False)

        return watch
