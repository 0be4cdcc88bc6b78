"""The application: a collection, what serves it, and its routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware

from retrieval import Collection, __version__
from retrieval.server import problems
from retrieval.server.guard import MARK, Guard
from retrieval.server.metrics import Metrics
from retrieval.server.openapi import document
from retrieval.server.routes import clusters, duplicates, health, items, jobs, page, search
from retrieval.server.settings import STATIC, Served
from retrieval.server.state import State

DESCRIPTION = "Similar pictures, families of pictures, copies. Errors are problem documents (RFC 9457)."


def application(collection: Collection, served: Served | None = None, *, close: bool = False) -> FastAPI:
    """The app that serves an open collection, which stays yours to close (`close`: it is closed with the app). From
    then on the collection decodes pictures in processes of their own. Raises BadSetting."""
    served = served or Served()
    served.check(collection.path)
    metrics = Metrics()
    state = State.of(collection, served, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        state.jobs.start()
        try:
            yield {"leaving": state.leaving}
        finally:
            state.leaving.set()
            await run_in_threadpool(state.close)
            if close:
                await run_in_threadpool(collection.close)

    app = FastAPI(
        title="nearkin",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.nearkin = state
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    problems.install(app)
    for part in (search, items, clusters, duplicates, jobs, health, page):
        app.include_router(part.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    if served.origins:
        headers = ["Authorization", "Content-Type", MARK]
        app.add_middleware(CORSMiddleware, allow_origins=served.origins, allow_methods=["*"], allow_headers=headers)
    app.add_middleware(Guard, served=served, metrics=metrics)
    return app
