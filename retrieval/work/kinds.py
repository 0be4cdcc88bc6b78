"""What a kind of work is: how it is queued, and how it is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from indexers.catalogue.work import WorkRow
from indexers.errors import UsageError
from indexers.types import Json

Beat = Callable[[int], object]
"""Called with the number of rows of the present part that are done."""


class WorkKind(ABC):
    """A kind of work. Doing a row twice must do no harm: what is done is known by the content of the picture."""

    name: ClassVar[str]

    def list_missing(self) -> dict[str, Json]:
        """Return by target what is to be done for the items of the collection. Raises UsageError for a kind that can't
        tell."""
        raise UsageError(f"work of the kind {self.name!r} needs pictures to queue: files, folders or URLs")

    def prepare(self) -> None:  # noqa: B027  most kinds load what they need with the first rows
        """Load what the work needs, before any is claimed. Raises Unavailable."""

    @abstractmethod
    def perform(self, rows: Sequence[WorkRow], beat: Beat) -> dict[str, str]:
        """Do these rows; return by target why some could not be done."""

    def complete(self) -> None:  # noqa: B027  most kinds are done when their rows are
        """Settle what could not be settled before all rows were done. It may be called at any time, by any worker."""


def choose_kinds(names: object, kinds: Mapping[str, WorkKind], default: Sequence[str]) -> list[str]:
    """Return the names of kinds, or those that are meant if none are named. Raises UsageError."""
    if names is None:
        return list(default)
    chosen = [names] if isinstance(names, str) else names
    if not isinstance(chosen, list | tuple | set | frozenset) or not chosen:
        raise UsageError(f"kinds takes one or several of {', '.join(kinds)}; got {names!r:.120}")
    for name in chosen:
        if not isinstance(name, str) or name not in kinds:
            raise UsageError(f"there is no work of the kind {name!r:.120}; there are: {', '.join(kinds)}")
    return list(dict.fromkeys(chosen))
