"""Signing the derived files of a collection that somebody else has made."""

from __future__ import annotations

from pathlib import Path

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.links import check_links
from indexers.catalogue.owners import sign_identity
from indexers.catalogue.writer_lock import WriterLock
from indexers.errors import StoredFileDamaged
from indexers.followers import stored_file


def trust_collection(folder: Path, wait: float = 5.0) -> tuple[int, list[str]]:
    """Sign a collection and all its derived files as if this user had made them.

    Returns how many were signed, and why others were not: damaged ones, which are derived anew. The settings in the
    collection's folder hold from now on, and whoever made the files can run code in the processes that load them.
    Raises CollectionNotFound, LeadsOutside, WriterBusy, WriteFailed, and what else opening a collection raises.
    """
    signed, damaged = 0, []
    catalogue = Catalogue.open(folder, wait)
    try:
        with catalogue.transaction() as transaction:
            for key, value in sign_identity(catalogue.identity).items():
                transaction.set_setting(key, value)
    finally:
        catalogue.close()
    with WriterLock(folder, wait).hold():
        for header in sorted(folder.glob(f"spaces/*/*/{stored_file.NAME}")):
            check_links(folder, [header])
            try:
                signed += stored_file.trust(header.parent)
            except StoredFileDamaged as error:
                damaged.append(str(error))
    return signed, damaged
