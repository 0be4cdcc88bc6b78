"""The contract of a finder: a picture in, parts of it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers import plugins
from indexers.errors import BadSetting
from indexers.types import Json

Box = tuple[int, int, int, int]
"""x and y of the upper left corner, width and height, in pixels of the upright picture."""
GROUP = "nearkin.finders"


class FoundPart(NamedTuple):
    """Something that a finder has found in a picture.

    mask: bool (rows, columns), a grid over the box that says where in it the part is. page: from 1 on. start, end:
    seconds in a film. score: how sure the finder is, 0 to 1. text: what it says.
    """

    box: Box | None = None
    mask: NDArray[np.bool_] | None = None
    page: int | None = None
    start: float | None = None
    end: float | None = None
    score: float | None = None
    text: str | None = None


class Finder(ABC):
    """Finds parts of one kind in pictures.

    The constructor is cheap: it checks the settings and loads nothing. Weights load on first use. The same picture and
    settings give the same parts. `find` may be called from several threads at once.
    """

    name: str
    """The name in a collection. It may have an argument after a colon, which follows from the settings."""
    kind: ClassVar[str]
    """What its parts are called. Parts of one kind replace those that another finder of that kind has found."""
    version: ClassVar[str] = "1"
    """It differs wherever the parts do: pictures are looked at again by a new version."""
    edge: ClassVar[int] = 1024
    """The longer edge in pixels of what is looked at, about; 0: pictures in full."""
    reads: ClassVar[tuple[str, ...]] = ()
    """The formats of the files whose own pages or frames are the parts, see `indexers.finders.stills`. (): parts are
    found in any picture."""
    asks_with_part: ClassVar[bool] = False
    """Whether a picture that asks for such parts asks with its own best part, rather than as a whole."""
    licence: ClassVar[str] = "Apache-2.0"
    """Of the weights, or of the code."""

    def __init__(self, **settings: Any) -> None:
        unknown = set(settings) - set(self.defaults())
        if unknown:
            known = ", ".join(sorted(self.defaults())) or "none"
            raise BadSetting(f"the finder {self.name!r} has no setting {sorted(unknown)[0]!r}; it has: {known}")
        self.settings: Json = self.defaults() | settings

    @classmethod
    def defaults(cls) -> Json:
        """Return the settings that change the parts, with their defaults; JSON values only."""
        return {}

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Return the settings that the argument of a name stands for: in `tiles:3`, `3`. Raises BadSetting."""
        raise BadSetting(f"the finder {cls.name!r} takes no argument after a colon; got {argument!r}")

    @abstractmethod
    def find(self, picture: Image.Image) -> Sequence[FoundPart]:
        """Return the parts of an upright RGB picture, the surest first, with boxes in its pixels."""

    def cut(self, picture: Image.Image, part: FoundPart) -> Image.Image:
        """Return what is embedded of a part: by default its box."""
        return crop(picture, part.box)

    def missing(self) -> str:
        """Return what has to be done before this finder can be used here, in one sentence; "" if nothing.

        Downloads nothing.
        """
        return ""


def load_finder(name: str) -> Finder:
    """Return the finder of that name. Raises UnknownPlugin, MissingPackage, BadSetting."""
    finder: Finder = plugins.load_member(GROUP, name)()
    finder.name = name
    return finder


def crop(picture: Image.Image, box: Box | None) -> Image.Image:
    """Return the part of a picture in a box, which is at least one pixel wide and high; all of it for None."""
    if box is None:
        return picture
    x, y, width, height = box
    return picture.crop((x, y, x + max(width, 1), y + max(height, 1)))


def scale_box(box: Box, before: tuple[int, int], after: tuple[int, int]) -> Box:
    """Return the box in a picture of another size (width, height), inside it and not empty."""
    x, y, width, height = box
    across, down = after[0] / before[0], after[1] / before[1]
    left, top = min(round(x * across), after[0] - 1), min(round(y * down), after[1] - 1)
    right, bottom = min(round((x + width) * across), after[0]), min(round((y + height) * down), after[1])
    return left, top, max(right - left, 1), max(bottom - top, 1)
