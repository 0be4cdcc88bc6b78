"""Where a collection is: a folder, and nothing that looks like the address of something else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from indexers.errors import UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
"""How an address begins. (A letter alone is a drive; and a path that was made of an address has lost a slash.)"""


def parse_address(address: str | os.PathLike[str]) -> Path:
    """Return the folder, as an absolute path, that an address names.

    Raises UsageError for one of another kind: a folder of that name would otherwise be made without a word.
    """
    scheme = _SCHEME.match(os.fsdecode(address))
    if scheme:
        raise UsageError(
            f"a collection lies in a folder, and {scheme[1]}: names none (the collection would be kept in a folder "
            f"called '{scheme[1]}:'; if that is meant, begin with ./)"
        )
    return Path(os.fsdecode(address)).expanduser().resolve()
