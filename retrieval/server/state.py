"""The objects that the routes share."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from indexers.pictures.isolation import can_isolate
from indexers.types import Limits
from retrieval import Collection
from retrieval.server.budget import Budget
from retrieval.server.job_kinds import build_job_functions
from retrieval.server.job_queue import JobQueue
from retrieval.server.metrics import Metrics
from retrieval.server.pictures import AddedFiles, Decoder, Thumbnails, Uploads
from retrieval.server.settings import ServerSettings
from retrieval.server.watch import watch_folders

log = logging.getLogger("nearkin")
MAX_STREAMS = 128
"""Streams of events that are open at once."""
LARGE_SECONDS = 30.0
"""Time that a request that works on pictures in full size, or on a large answer, waits for those before it."""
MAX_TABLES = 2
"""Large answers that are made at once."""


@dataclass(frozen=True, slots=True)
class State:
    """What one application works with. `stopping` is set when the server is about to end."""

    collection: Collection
    settings: ServerSettings
    metrics: Metrics
    decoder: Decoder
    uploads: Uploads
    added_files: AddedFiles
    thumbnails: Thumbnails
    jobs: JobQueue
    large: Budget = field(default_factory=lambda: Budget(1, LARGE_SECONDS))
    """Held by the one request that works on pictures in full size."""
    tables: Budget = field(default_factory=lambda: Budget(MAX_TABLES, LARGE_SECONDS, "large answers are being made"))
    """Held by requests whose answers are as long as the collection."""
    streams: Budget = field(default_factory=lambda: Budget(MAX_STREAMS, 0.0))
    """Streams of events that are open."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set with `stopping`, for threads."""

    @classmethod
    def create(cls, collection: Collection, settings: ServerSettings, metrics: Metrics) -> State:
        """Put the parts together. From here on the collection decodes pictures in processes of their own, where the
        system can."""
        if can_isolate():
            collection.isolate()
        else:
            log.warning("on this system pictures are decoded in the server's own process: accept none from strangers")
        decoder = Decoder(Limits(settings.max_pixels, settings.max_upload))
        functions = build_job_functions(collection, settings.roots)
        watch = partial(watch_folders, settings.watch, collection=collection.path)
        jobs = JobQueue(collection.path / "jobs", functions, watch, takes_up=collection.is_own)
        return cls(
            collection,
            settings,
            metrics,
            decoder,
            Uploads(collection.path / "uploads", decoder),
            AddedFiles(collection.path / "pictures", decoder),
            Thumbnails(collection, decoder),
            jobs,
        )

    def begin(self) -> None:
        """Begin to run jobs, and to watch folders. The app does so when it starts, or at the first request where it is
        mounted in another app, which tells it nothing of its start and its end."""
        if self.jobs.start():
            atexit.register(self.close)

    def stop(self) -> None:
        """Let nothing wait any more, since the server is about to end: streams, requests in a queue, the next step of a
        job. What is being worked on goes on."""
        self.stopping.set()
        self.stopped.set()
        for budget in (self.large, self.tables, self.streams, self.decoder.memory):
            budget.end()
        self.jobs.stop()

    def close(self) -> None:
        """End the jobs and the processes that decode. The collection stays open."""
        atexit.unregister(self.close)
        self.jobs.close()
        self.decoder.close()


async def _get_state(request: Request) -> State:  # (async, since FastAPI runs other dependencies in a thread)
    state: State = request.app.state.nearkin
    state.begin()
    return state


async def _get_collection(request: Request) -> Collection:
    return (await _get_state(request)).collection


StateDep = Annotated[State, Depends(_get_state)]
CollectionDep = Annotated[Collection, Depends(_get_collection)]
