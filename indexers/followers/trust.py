"""Signing the derived files of a collection that somebody else has made."""

from __future__ import annotations

from pathlib import Path

from indexers.catalogue import sqlite
from indexers.catalogue.links import check_folder, check_links
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import CollectionNotFound, StoredFileDamaged
from indexers.followers import stored_file


def trust_collection(folder: Path, wait: float = 5.0) -> tuple[int, list[str]]:
    """Sign all derived files of a collection as if this user had written them.

    Returns how many were signed, and why others were not: damaged ones, which are derived anew. Whoever made the files
    can from now on run code in the processes that load them. Raises CollectionNotFound, LeadsOutside, WriterBusy,
    WriteFailed.
    """
    check_folder(folder)
    if not (folder / sqlite.FILE).is_file():
        raise CollectionNotFound(f"there is no collection in {folder}")
    signed, damaged = 0, []
    with WriterLock(folder, wait).hold():
        for header in sorted(folder.glob(f"spaces/*/*/{stored_file.NAME}")):
            check_links(folder, [header])
            try:
                signed += stored_file.trust(header.parent)
            except StoredFileDamaged as error:
                damaged.append(str(error))
    return signed, damaged
