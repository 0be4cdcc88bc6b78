"""What all records share"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from indexers.errors import MissingPackage
from indexers.types import Json


class Record:
    """Shared by all records: `to_dict` with JSON values only, nested records too."""

    __slots__ = ()

    def to_dict(self) -> Json:
        fields = [one.name for one in dataclasses.fields(self) if one.name[0] != "_"]  # type: ignore[arg-type]
        return {name: _plain(getattr(self, name)) for name in fields}


class Table:
    """Shared by answers that are sequences of records: as a table."""

    __slots__ = ()

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with a row a record. Raises MissingPackage."""
        return frame(self)  # type: ignore[arg-type]


def frame(records: Iterable[Record]) -> Any:
    """Records, such as `cluster_events` and `outliers` give, as a pandas.DataFrame. Raises MissingPackage."""
    return table(one.to_dict() for one in records)


def table(rows: Iterable[Json], columns: Sequence[str] = ()) -> Any:
    """Dictionaries as a pandas.DataFrame, which has these columns first, whatever they hold. Raises MissingPackage."""
    try:
        import pandas
    except ImportError as error:
        raise MissingPackage("tables need pandas: pip install 'nearkin[pandas]'; `to_dict()` does without") from error
    found = list(rows)
    names = dict.fromkeys([*columns, *(name for row in found for name in row)])
    return pandas.DataFrame(found, columns=list(names))


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
