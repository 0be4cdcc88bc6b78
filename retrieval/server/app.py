"""The application: a collection, what serves it, and the routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware

from retrieval import Collection, __version__
from retrieval.server import problems
from retrieval.server.guard import CLIENT_HEADER, Guard
from retrieval.server.metrics import Metrics
from retrieval.server.openapi import build_document, name_operation
from retrieval.server.routes import (
    clusters,
    corrections,
    duplicates,
    evaluation,
    health,
    items,
    jobs,
    learning,
    maintenance,
    maps,
    page,
    parts,
    proposals,
    search,
    spaces,
    stacks,
    structure,
    transfer,
    trash,
    vectors,
)
from retrieval.server.settings import STATIC, ServerSettings
from retrieval.server.state import State

DESCRIPTION = "Similar pictures, clusters of pictures, duplicates. Errors are problem documents (RFC 9457)."


def create_app(collection: Collection, settings: ServerSettings | None = None, *, close: bool = False) -> FastAPI:
    """Return the app that serves an open collection, which stays yours to close unless `close` is set: then it is
    closed with the app. The collection decodes pictures in processes of their own from now on. Raises BadSetting."""
    settings = settings or ServerSettings()
    settings.check(collection.path)
    metrics = Metrics()
    state = State.create(collection, settings, metrics)

    @asynccontextmanager
    async def run_lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        state.begin()
        try:
            yield {"stop": state.stop, "stopping": state.stopping}
        finally:
            state.stop()
            await asyncio.to_thread(state.close)  # the threads of requests may all be at work
            if close:
                await asyncio.to_thread(collection.close)

    app = FastAPI(
        title="nearkin",
        version=__version__,
        description=DESCRIPTION,
        lifespan=run_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        generate_unique_id_function=name_operation,
    )
    app.state.nearkin = state
    app.openapi = lambda: build_document(app)  # type: ignore[method-assign]
    problems.install_handlers(app)
    topics = (
        *(
            search,
            items,
            parts,
            trash,
            vectors,
            clusters,
            corrections,
            duplicates,
            stacks,
            structure,
            maps,
            proposals,
            learning,
            spaces,
            evaluation,
            transfer,
            maintenance,
            jobs,
        ),
        health,
    )
    app.openapi_tags = [{"name": str(topic.router.tags[0]), "description": topic.__doc__} for topic in topics]
    for topic in (*topics, page):
        app.include_router(topic.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    if settings.origins:
        headers = ["Authorization", "Content-Type", CLIENT_HEADER]
        app.add_middleware(CORSMiddleware, allow_origins=settings.origins, allow_methods=["*"], allow_headers=headers)
    app.add_middleware(Guard, settings=settings, metrics=metrics)
    return app
