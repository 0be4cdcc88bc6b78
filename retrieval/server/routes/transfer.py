"""Items as a file to take along."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from indexers.errors import BadFilter
from retrieval import Item
from retrieval.server.responses import Responses, document_errors
from retrieval.server.routes.items import Where, parse_json
from retrieval.server.state import State, StateDep
from retrieval.transfer.archive import write_archive

router = APIRouter(prefix="/v1", tags=["transfer"])

MEDIA_TYPES = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "npz": "application/zip",
}
COUNT_HEADER = "X-Nearkin-Items"
"""The header of an export that tells the number of its items."""
CHUNK = 2**18
"""Bytes that are sent at a time."""
FILE_RESPONSE: Responses = {
    200: {
        "description": "The file.",
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES.values()
        },
        "headers": {COUNT_HEADER: {"description": "The number of items.", "schema": {"type": "integer"}}},
    }
}


ARCHIVE_RESPONSE: Responses = {
    200: {
        "description": "The zip file.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/export", response_class=Response, responses={**FILE_RESPONSE, **document_errors(400, 503)})
def export_items(
    state: StateDep,
    format: Annotated[Literal["csv", "jsonl", "parquet", "npz"], Query(description="The kind of file.")] = "csv",
    where: Where = None,
    vectors: Annotated[
        bool, Query(description="With the vectors of the current space: .parquet; .npz always has them.")
    ] = False,
) -> Response:
    """Download items with their metadata and clusters as a file. `import_from` reads one with vectors back."""
    condition = parse_json(where, BadFilter, "where")
    with tempfile.TemporaryDirectory(prefix="nearkin-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / f"items.{format}"
        with state.tables.take(1):
            count = state.collection.export(path, where=condition, vectors=vectors)
        file = path.open("rb")  # which keeps its content when the folder is gone
    headers = {
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": f'attachment; filename="items.{format}"',
        "Cache-Control": "no-store",
        COUNT_HEADER: str(count),
    }
    return StreamingResponse(read_chunks(file), headers=headers, media_type=MEDIA_TYPES[format])


@router.get("/archive", response_class=Response, responses={**ARCHIVE_RESPONSE, **document_errors(400, 503)})
def download_archive(state: StateDep, where: Where = None) -> Response:
    """Download pictures as a zip file, with what is known of them; it is made while it is sent."""
    condition = parse_json(where, BadFilter, "where")
    items = state.collection.walk(where=condition)
    headers = {"Content-Disposition": 'attachment; filename="pictures.zip"', "Cache-Control": "no-store"}
    archive = write_archive(items, lambda item: _read_original(state, item))
    return StreamingResponse(archive, headers=headers, media_type="application/zip")


def _read_original(state: State, item: Item) -> bytes:
    with state.thumbnails.hold(item):
        return state.thumbnails.get_original(item).content


def read_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a file, and close it."""
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
