"""Pages of PDFs and frames of films: parts that their files bring along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from PIL.Image import Image

from indexers.errors import BadSetting
from indexers.finders.base import Finder, FoundPart
from indexers.pictures.media import FILMS, PDF, explain_missing
from indexers.pictures.stills import Sampling, Still
from indexers.types import Json

MIN_RATE, MAX_RATE = 0.01, 10.0


class StillFinder(Finder):
    """A finder that takes what the file of an item holds, in place of looking at its picture."""

    def find(self, picture: Image) -> Sequence[FoundPart]:
        """Return the picture as a whole: a single page, or a frame without a time."""
        return [FoundPart()]

    def sample(self) -> Sampling:
        """Return which pictures of a file are taken."""
        return Sampling(self.edge)

    def take(self, still: Still) -> FoundPart:
        """Return the part that a page or a frame is."""
        return FoundPart(page=still.page, start=still.start, end=still.end, text=still.text)

    def missing(self) -> str:
        """Return the command that brings what reads the files, if it is not here."""
        return explain_missing(self.reads[0]).replace(", then add it again", "")


class Pages(StillFinder):
    """The pages of PDFs, each with its text."""

    name = kind = "pages"
    edge = 1024
    reads = (PDF,)


class Frames(StillFinder):
    """Frames of films, at a steady rate and at cuts."""

    name = kind = "frames"
    edge = 480
    reads: ClassVar[tuple[str, ...]] = FILMS

    @classmethod
    def defaults(cls) -> Json:
        """Return the number of frames a second."""
        return {"rate": 1.0}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        rate = self.settings["rate"]
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not MIN_RATE <= rate <= MAX_RATE:
            raise BadSetting(f"frames are taken at {MIN_RATE:g} to {MAX_RATE:g} a second; got {rate!r}")

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Return the settings of `frames:2`, two a second. Raises BadSetting."""
        try:
            return {"rate": float(argument)}
        except ValueError:
            message = f"frames takes a number a second after a colon, such as frames:2; got {argument!r}"
            raise BadSetting(message) from None

    def sample(self) -> Sampling:
        """Return the rate and size of frames."""
        return Sampling(self.edge, float(self.settings["rate"]))
