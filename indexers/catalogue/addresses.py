"""Where a collection is: in a folder, or in a database of PostgreSQL, whose address may hold a password.

No message, log or file ever holds that: what is shown of an address is its `str`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from indexers.errors import UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/|(postgres\w*):", re.IGNORECASE)
"""How an address begins. (A letter alone is a drive; and a path that was made of an address has lost a slash.)"""
_PASSWORD = re.compile(r"(\w://[^\s/@:]*):[^\s/@]*@|(password=)[^&\s]*", re.IGNORECASE)
POSTGRESQL = "postgresql", "postgres"
EXAMPLE = "postgresql://user@host/database"
SHOWN_OPTIONS = "host", "port", "sslmode", "options"


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """The address of a database.

    folder: what follows the catalogue lies there; None: in the user's cache.
    """

    url: sa.URL
    folder: Path | None = None

    def __str__(self) -> str:
        """Return the address without its password."""
        options = {key: value for key, value in self.url.query.items() if key in SHOWN_OPTIONS}
        return self.url.set(query=options)._replace(password=None).render_as_string()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


Address = Path | DatabaseAddress


def parse_address(address: str | os.PathLike[str]) -> Address:
    """Return what an address names: a folder, as an absolute path, or a database.

    Raises UsageError for one of another kind: a folder of that name would otherwise be made without a word.
    """
    text = os.fsdecode(address)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(text).expanduser().resolve()
    name = scheme[1] or scheme[2]
    if name.lower() not in POSTGRESQL or not text[len(name) :].startswith("://"):
        raise UsageError(
            f"a collection lies in a folder or at an address such as {EXAMPLE}, and {name}: begins neither (a folder "
            f"called '{name}:' would be made; if that is meant, begin with ./)"
        )
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise UsageError(f"{hide_passwords(text)} is no address of a database, such as {EXAMPLE}") from error
    if not url.database or "/" in url.database:
        raise UsageError(f"{hide_passwords(text)} names no database; give an address such as {EXAMPLE}")
    return DatabaseAddress(url.set(drivername="postgresql"))


def hide_passwords(text: str) -> str:
    """Return a text, such as a command line, with every address in it without its password."""
    return _PASSWORD.sub(lambda match: f"{match[1]}@" if match[1] else f"{match[2]}...", text)
