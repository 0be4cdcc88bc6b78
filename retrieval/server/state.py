"""What the routes work with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from indexers.types import Limits
from retrieval import Collection
from retrieval.server.job_kinds import doers
from retrieval.server.job_queue import Jobs
from retrieval.server.metrics import Metrics
from retrieval.server.pictures import Added, Decoder, Thumbnails, Uploads
from retrieval.server.settings import Served
from retrieval.server.watch import watch


@dataclass(frozen=True, slots=True)
class State:
    """Of one application. `leaving`: the server is about to end."""

    collection: Collection
    served: Served
    metrics: Metrics
    decoder: Decoder
    uploads: Uploads
    added: Added
    thumbnails: Thumbnails
    jobs: Jobs
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, collection: Collection, served: Served, metrics: Metrics) -> State:
        collection.isolate()
        limits = Limits(served.max_pixels, served.max_upload)
        decoder = Decoder(limits)
        uploads, added = Uploads(collection.path / "uploads", decoder), Added(collection.path / "pictures", decoder)
        jobs = Jobs(collection.path / "jobs", doers(collection), partial(watch, served.watch))
        return cls(collection, served, metrics, decoder, uploads, added, Thumbnails(collection, decoder), jobs)

    def close(self) -> None:
        self.jobs.close()
        self.decoder.close()


async def _state(request: Request) -> State:  # (what is not async costs a hop to another thread)
    found: State = request.app.state.nearkin
    return found


async def _collection(request: Request) -> Collection:
    found: Collection = request.app.state.nearkin.collection
    return found


With = Annotated[State, Depends(_state)]
Ours = Annotated[Collection, Depends(_collection)]
