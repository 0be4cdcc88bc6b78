"""What all records share: plain dictionaries, sequences of rows, tables, and how they show themselves in a notebook."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, TypeVar, overload

from indexers.errors import MissingPackage
from indexers.types import Json
from retrieval.records.notebook import render_fields, render_rows

Row = TypeVar("Row", bound="Record", covariant=True)
SHOWN = 50
"""Rows of a listing that a notebook shows."""
HANDLE = {"handle": True}
"""The metadata of a field that leads back into an open collection, and is left out of pickles; its default is None."""


class Record:
    """Shared by all records: `to_dict` gives JSON values only, of nested records too; pickles leave out handles.

    Records are equal if their fields are. Those with dictionaries have a hash too, which leaves the dictionaries out.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return _restore, (type(self), {f.name: getattr(self, f.name) for f in fields if f.metadata != HANDLE})

    def __copy__(self) -> Self:
        return self  # records are frozen; by way of `__reduce__` it would lose its handles

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        values = {f.name: getattr(self, f.name) for f in fields}
        copies = {f.name: copy.deepcopy(values[f.name], memo) for f in fields if f.metadata != HANDLE}
        return type(self)(**values | copies)

    def to_dict(self) -> Json:
        """Return the record as JSON values."""
        return {name: _to_plain(getattr(self, name)) for name in self._list_fields()}

    def _list_fields(self) -> list[str]:
        return [field.name for field in dataclasses.fields(self) if field.name[0] != "_"]  # type: ignore[arg-type]

    def _repr_html_(self) -> str:
        return render_fields(self.to_dict())


class Listing(Record, Sequence[Row]):
    """Shared by answers that are sequences of records: length, index, iteration, and a table of the rows."""

    __slots__ = ()

    def _rows(self) -> tuple[Row, ...]:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._rows())

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows())

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        return self._rows()[index]

    def to_pandas(self) -> Any:
        """Return a pandas.DataFrame with one row a record. Raises MissingPackage."""
        return frame(self)

    def _repr_html_(self) -> str:
        return render_rows([row.to_dict() for row in self._rows()[:SHOWN]], len(self))


def frame(records: Iterable[Record]) -> Any:
    """Return records, such as those of `cluster_events`, as a pandas.DataFrame. Raises MissingPackage."""
    return table(record.to_dict() for record in records)


def table(rows: Iterable[Json], columns: Sequence[str] = ()) -> Any:
    """Return dictionaries as a pandas.DataFrame that has these columns first, even if empty. Raises MissingPackage."""
    try:
        import pandas
    except ImportError as error:
        raise MissingPackage("tables need pandas: pip install 'nearkin[pandas]'; `to_dict()` does without") from error
    rows = list(rows)
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    return pandas.DataFrame(rows, columns=list(names))


def _restore(kind: type[Record], values: Json) -> Record:
    return kind(**values)


def _to_plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return [_to_plain(element) for element in value] if isinstance(value, tuple) else value
