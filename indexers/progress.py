"""How far a run is, and what has become of its pictures so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Failure


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run: pictures in all, done so far, and of these added, known before and failed; seconds spent."""

    total: int
    done: int
    added: int
    known: int
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Pictures a second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float | None:
        """The estimated number of seconds to the end; None before anything is done."""
        return (self.total - self.done) / self.rate if self.rate else None


@dataclass(slots=True)
class Tally:
    """The outcome of a run so far.

    known: pictures that were in the collection before.
    replaced: items with a key of their own that were given another picture.
    returned: files that had vanished and exist again.
    failed_before: files that were not tried again.
    added: ids of new items.
    item_ids: ids of the items of all pictures that were read, in their order.
    """

    known: int = 0
    replaced: int = 0
    returned: int = 0
    failed_before: int = 0
    added: list[int] = field(default_factory=list)
    item_ids: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
