"""What the routes work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from indexers.isolation import Isolated
from indexers.types import Limits
from retrieval import Collection
from retrieval.server.doing import doers
from retrieval.server.metrics import Metrics
from retrieval.server.pictures import Thumbnails, Uploads
from retrieval.server.settings import Served
from retrieval.server.work import Jobs


@dataclass(frozen=True, slots=True)
class State:
    """Of one application."""

    collection: Collection
    served: Served
    metrics: Metrics
    isolated: Isolated
    uploads: Uploads
    thumbnails: Thumbnails
    jobs: Jobs

    @classmethod
    def of(cls, collection: Collection, served: Served, metrics: Metrics) -> State:
        limits = Limits(served.max_pixels, served.max_upload)
        isolated = Isolated(limits, workers=2)
        thumbnails = Thumbnails(collection, isolated, limits)
        jobs = Jobs(collection.path / "jobs", doers(collection))
        return cls(collection, served, metrics, isolated, Uploads(isolated), thumbnails, jobs)

    def close(self) -> None:
        self.jobs.close()
        self.isolated.close()


def _state(request: Request) -> State:
    found: State = request.app.state.nearkin
    return found


def _collection(request: Request) -> Collection:
    return _state(request).collection


With = Annotated[State, Depends(_state)]
Ours = Annotated[Collection, Depends(_collection)]
