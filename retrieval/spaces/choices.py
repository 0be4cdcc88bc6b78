"""Which space is meant, whether vectors belong into it, and the index that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from indexers import plugins
from indexers.embedders.base import Embedder
from indexers.errors import BadQuery, BadSetting, SpaceNotFound, UsageError
from indexers.finders.base import GROUP
from indexers.followers.remote import RemoteFollower
from indexers.followers.stored import IndexFollower
from indexers.types import Metric, Space
from indexers.vectors.base import VectorIndex
from indexers.vectors.metrics import PRODUCT_METRICS
from retrieval.checks import show_value
from retrieval.config import Config


def make_index(config: Config, dimension: int, metric: Metric) -> VectorIndex:
    """Return an empty index.

    An index that does not take a distance is made for the Euclidean one, by which it finds candidates; these are then
    scored by the distance itself.
    """
    kind: type[VectorIndex] = plugins.load_member("nearkin.vectors", config.index)
    distance = metric not in PRODUCT_METRICS and not kind.supports_metric(metric)
    return kind(dimension, "l2" if distance else metric, **config.index_settings)


def make_index_follower(
    config: Config, space: Space, fresh: Callable[[], Any], folder: Path, collection: str, private: Path
) -> IndexFollower:
    """Return the follower of the index of a space: of one on a server, or one that is stored in a folder."""
    kind: type[VectorIndex] = plugins.load_member("nearkin.vectors", config.index)
    if kind.is_remote:
        return RemoteFollower(space, fresh)
    return IndexFollower(space, fresh, config.serving_index, folder, collection, config.index_build, private)


def check_same_weights(origin: Space, space: Space) -> None:
    """Raise UsageError if vectors of `origin`, of another collection, were made with other weights than the space's."""
    theirs, ours = ((of.embedder, of.fingerprint) for of in (origin, space))
    if theirs != ours and None not in (origin.embedder, space.embedder):
        raise UsageError(
            f"these vectors were made by the embedder {origin.embedder!r} ({origin.fingerprint[:12]}), those of "
            f"the space {space.name!r} by {space.embedder!r} ({space.fingerprint[:12]}), so their vectors can't be "
            "compared; import them into another collection"
        )


def check_made_by(embedder: Embedder, space: Space) -> None:
    """Raise BadSetting if this embedder gives other vectors than those of the space."""
    if (embedder.fingerprint(), embedder.dimension) == (space.fingerprint, space.dimension):
        return
    stored = embedder.complete_settings(space.settings)
    if differing := [key for key, value in embedder.settings.items() if value != stored.get(key, value)]:
        texts = [", ".join(f"{key} {of[key]}" for key in differing) for of in (stored, embedder.settings)]
        raise BadSetting(
            f"the vectors of the space {space.name!r} were made with the setting {texts[0]}, not {texts[1]}, so they "
            "can't be compared; leave that out, or create another collection"
        )
    raise BadSetting(
        f"the embedder {embedder.name!r} has other weights here than those that made these vectors "
        f"({embedder.fingerprint()[:12]} instead of {space.fingerprint[:12]}), so their vectors can't be "
        "compared; install those weights, or create another collection"
    )


def find_space(spaces: list[Space], name: str) -> Space:
    """Return the space of that name. Raises SpaceNotFound."""
    for space in spaces:
        if space.name == name:
            return space
    names = ", ".join(space.name for space in spaces) or "none"
    raise SpaceNotFound(f"there is no space {name!r}; there are: {names}")


def find_part_space(spaces: Sequence[Space], beside: Space, kind: str) -> Space:
    """Return the space of parts of a kind, of those beside a space of items.

    Raises BadQuery for what is no kind of parts, UsageError for one that was never looked for.
    """
    for space in spaces:
        if space.parts == kind:
            return space
    finders = sorted(plugins.find_members(GROUP))
    if not isinstance(kind, str) or kind not in finders:
        known = ", ".join(sorted({*finders, *(str(space.parts) for space in spaces)}))
        raise BadQuery(f"there are no parts of the kind {show_value(kind)}; kinds are: {known}")
    raise UsageError(
        f"no parts of the kind {kind!r} were looked for in the space {beside.name!r}; look for them: nearkin parts "
        f"find {kind}"
    )
