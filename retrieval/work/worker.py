"""The loop of a worker: claim rows by a lease, do them, delete them.

A thread extends the lease for as long as the work goes on. A worker that is killed says nothing; others take over what
it held when its lease has ended. What it has recorded is known then, by the content of the pictures. A database that is
gone for a while, or held by another writer, is waited for.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.work import WorkRow
from indexers.errors import CatalogueError, CollectionReadOnly, NearkinError, ReadFailed, WriteFailed, WriterBusy
from indexers.progress import Progress
from indexers.types import Failure
from retrieval.items.adding import Watch, ignore_progress
from retrieval.work.kinds import WorkKind

log = logging.getLogger("nearkin")

POLL_SECONDS = 0.5
"""Time between two looks for work, where others hold what is left, or more may come."""
PATIENCE = 120.0
"""Seconds for which a database that does not answer is waited for."""
COUNT_SECONDS = 5.0
"""Seconds between two counts of what is left, of which there may be millions."""
RENEWALS = 3
"""How often a lease is extended in its own length."""
MAX_SILENCE = 10.0
"""Leases after which work that gets no further is given up to others."""


class Worker:
    """Does work of some kinds, in this process and thread.

    lease: seconds after which it counts as dead when nothing is heard of it.
    batch: rows that are claimed at a time.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        kinds: Mapping[str, WorkKind],
        *,
        lease: float,
        batch: int,
        progress: Watch | None = None,
    ) -> None:
        self._catalogue, self._kinds, self._names = catalogue, kinds, list(kinds)
        self._lease, self._batch, self._progress = lease, batch, progress or ignore_progress
        self._done, self._failures = 0, list[Failure]()
        self._started = self._heard = time.monotonic()
        self._id = self._left = 0
        self._counted = float("-inf")

    def run(self, *, watch: bool = False, retry_failed: bool = False) -> tuple[int, list[Failure]]:
        """Work until no row of these kinds waits or runs anywhere; with `watch`, for ever. Return the number of rows
        done, and what failed. Raises WriterBusy, ReadFailed, WriteFailed after `PATIENCE` seconds, Unavailable."""
        if retry_failed:
            with self._catalogue.work_rows() as rows:
                rows.retry_failed(self._names)
        with self._catalogue.work_rows() as rows:
            if not watch and not rows.has_open(self._names):
                return 0, []
            self._id = rows.enter(f"process {os.getpid()} on {socket.gethostname()}", self._names, self._lease)
        self._started = self._heard = time.monotonic()
        try:
            with self._keep_lease():
                for kind in self._kinds.values():
                    kind.prepare()
                self._loop(watch)
        finally:
            with suppress(NearkinError), self._catalogue.work_rows() as rows:  # else its lease ends by itself
                rows.leave(self._id)
        return self._done, self._failures

    def _loop(self, watch: bool) -> None:
        answered = time.monotonic()
        while True:
            try:
                is_idle = not self._take_part()
                answered = time.monotonic()
                if is_idle and not watch and not self._has_open():
                    return
            except CollectionReadOnly:
                raise
            except (WriterBusy, ReadFailed, WriteFailed) as error:
                if time.monotonic() - answered > PATIENCE:
                    raise
                log.warning("waiting for the database: %s", error)
                is_idle = True
            if is_idle:
                self._tell(0, 0)
                time.sleep(POLL_SECONDS)

    def _has_open(self) -> bool:
        with self._catalogue.work_rows(writing=False) as rows:
            return rows.has_open(self._names)

    def _take_part(self) -> bool:
        """Claim rows and do them; return False if none wait."""
        with self._catalogue.work_rows() as rows:
            part = rows.claim(self._id, self._names, self._batch, self._lease)
            if time.monotonic() - self._counted > COUNT_SECONDS:
                self._left, self._counted = rows.count_open(self._names), time.monotonic()
        if not part:
            return False
        kind = self._kinds[part[0].kind]
        self._tell(0, len(part))
        failures = self._perform(kind, part)
        with self._catalogue.work_rows() as rows:
            rows.finish(self._id, part, failures, self._measure_rate(len(part)))
            is_last = not rows.has_open([kind.name])
        self._left -= len(part)
        self._done += len(part) - len(failures)
        self._failures += [Failure(target, reason, kind.name) for target, reason in failures.items()]
        if is_last:
            kind.complete()
        return True

    def _perform(self, kind: WorkKind, part: Sequence[WorkRow]) -> dict[str, str]:
        """Do rows; return by target why some could not be done."""
        try:
            return kind.perform(part, lambda done: self._tell(done, len(part)))
        except CatalogueError:  # the database has not taken what was done with them: they wait again
            with suppress(NearkinError), self._catalogue.work_rows() as rows:
                rows.give_back(self._id)
            raise

    def _measure_rate(self, more: int = 0) -> float:
        seconds = time.monotonic() - self._started
        return (self._done + len(self._failures) + more) / seconds if seconds else 0.0

    def _tell(self, done: int, claimed: int) -> None:
        self._heard = time.monotonic()
        total, seconds = self._done + len(self._failures), time.monotonic() - self._started
        left = max(self._left, claimed)
        self._progress(Progress(total + left, total + done, self._done, 0, len(self._failures), seconds))

    @contextmanager
    def _keep_lease(self) -> Iterator[None]:
        """Extend the lease within a block, from a thread of its own."""
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(self._lease / RENEWALS):
                if time.monotonic() - self._heard < MAX_SILENCE * self._lease:
                    with suppress(NearkinError), self._catalogue.work_rows() as rows:
                        rows.renew(self._id, self._lease)

        thread = threading.Thread(target=renew, name="nearkin-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(self._lease)
