"""Links in the folder of a collection. Somebody who hands over a collection may lay some that lead to files elsewhere,
which would then be read, written or deleted in the name of whoever opens it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from indexers.errors import LeadsOutside
from indexers.files import leads_outside

FOLDERS = ("spaces", "jobs", "uploads", "pictures", "thumbnails")
SETTINGS = "nearkin.toml"
STEMS = ("catalogue.sqlite", "writer.", "rescue.")
"""What the names of all other files begin with that lie beside the database."""


def check_folder(folder: Path) -> None:
    """Check the files and folders that a collection reads and writes. Raises LeadsOutside."""
    if folder.is_dir():
        names = [name for name in os.listdir(folder) if name in FOLDERS or name == SETTINGS or name.startswith(STEMS)]
        check_links(folder, [folder / name for name in names])


def check_links(folder: Path, paths: Iterable[Path]) -> None:
    """Check paths below the folder of a collection, which need not exist. Raises LeadsOutside."""
    for path in paths:
        if leads_outside(path, folder):
            raise LeadsOutside(
                f"{path} leads out of the collection, to {os.path.realpath(path)}: whoever made that link could have "
                "files elsewhere read, written and deleted. Put the file or folder itself in its place (a mount, if it "
                "has to lie on another disk)"
            )
