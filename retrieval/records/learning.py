"""What a collection learns to tell apart, and what it suggests."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Json
from retrieval.records.base import Listing, Record
from retrieval.records.search import Hit, render_hits


@dataclass(frozen=True, slots=True)
class Lesson(Record):
    """What is learned under a name, and how well."""

    name: str
    """Its name."""
    method: str
    """The classifier that was asked for, or auto."""
    chosen: str
    """The classifier that serves."""
    source: str | None
    """Where labels come from beside those that people gave: a metadata key, a level, a clustering, or "folder"."""
    classes: Json = field(hash=False)
    """The number of labels by class."""
    labels: int
    """The number of labels of people, metadata, clusters or folders."""
    accuracy: float
    """The share of right answers to labelled pictures by classifiers that had not seen them."""
    macro_f1: float
    """The mean of the classes' F1 of these answers."""
    calibration_error: float
    """How far the confidence of these answers is from the share that is right, on average."""
    tried: Json = field(hash=False)
    """The accuracy by method, of those that were compared."""
    note: str
    """What of the labels is left out or made up, in words; "" if nothing is."""
    as_of: int
    """The change number of the catalogue that it belongs to."""


@dataclass(frozen=True, slots=True)
class Suggestion(Record):
    """A picture, and what it may be."""

    hit: Hit
    """The picture; its score is the confidence."""
    value: str
    """The class that it is most likely of; "yes" for lessons about one thing."""
    confidence: float
    """The probability that it is of this class."""
    label: str | None = None
    """The label that it has, which is in doubt; None of pictures without one."""

    def __repr__(self) -> str:
        return f"<{self.value}: {self.confidence:.3f} {self.hit.item} {self.hit.uri or self.hit.key}>"


@dataclass(frozen=True, slots=True, repr=False)
class Suggestions(Listing[Suggestion]):
    """Pictures that a lesson suggests, the surest first, and those that would teach it most."""

    lesson: str
    """The name of what is learned."""
    suggestions: tuple[Suggestion, ...]
    """Pictures without a label, the surest first."""
    questions: tuple[Suggestion, ...]
    """Pictures whose answer would teach most, the first most of all."""
    total: int
    """All pictures that would be suggested if `k` was larger."""
    at_most_wrong: float | None
    """The share of `total` that may be wrong, on average, if that was asked for."""
    threshold: float | None
    """The confidence from which on that holds; None if nothing can be promised, or was asked for."""
    tested: int
    """The number of labelled pictures that confidence was tested on."""
    as_of: int
    """The change number of the catalogue that it belongs to."""

    def _rows(self) -> tuple[Suggestion, ...]:
        return self.suggestions

    def __repr__(self) -> str:
        rows = "".join(f"\n  {row.confidence:.3f} {row.value}  {row.hit.item:>7}" for row in self.suggestions[:5])
        return f"<{self.total} suggestions of {self.lesson}{rows}>"

    def _repr_html_(self) -> str:
        return render_hits(f"{self.total} suggestions of {self.lesson}", tuple(row.hit for row in self.suggestions))
