"""A collection that was created in vain is deleted again, so that a command that failed leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from indexers.catalogue import sqlite
from indexers.catalogue.addresses import Address
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.read_only import list_files
from indexers.errors import NearkinError


@contextmanager
def discard_on_failure(address: Address) -> Iterator[None]:
    """Delete the collection in a folder if the block creates it, raises, and leaves nothing in it.

    The folder goes with it, and those above, as far as they were not there before. Of a database the empty tables stay.
    """
    if isinstance(address, Path):
        with _discard_folder(address):
            yield
    else:
        yield


@contextmanager
def _discard_folder(folder: Path) -> Iterator[None]:
    is_there = (folder / sqlite.FILE).exists()
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    except BaseException:
        if not is_there and (folder / sqlite.FILE).is_file():
            with suppress(NearkinError, OSError):  # what counts is why the block failed
                _discard_empty(folder, missing)
        raise


def _discard_empty(folder: Path, missing: list[Path]) -> None:
    catalogue = Catalogue.open(folder)
    with catalogue.lock.hold():
        with catalogue.snapshot() as snapshot:
            is_empty = not snapshot.number and not snapshot.count() and not snapshot.failures()
        with catalogue.work_rows(writing=False) as rows:
            is_empty = is_empty and not rows.read_state().counts
        catalogue.close()  # the last one to close a database takes its log away
        database, *others = list_files(folder / sqlite.FILE)
        if not is_empty or any(file.exists() for file in others):
            return
        database.unlink()
        shutil.rmtree(folder / "spaces", ignore_errors=True)
    for name in ("writer.lock", "writer.json"):
        (folder / name).unlink(missing_ok=True)
    for place in missing:
        place.rmdir()
