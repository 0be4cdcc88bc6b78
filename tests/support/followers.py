"""A catalogue with vectors of eight dimensions, and the followers of its space without a collection around them."""

from __future__ import annotations

from typing import Any

from indexers.catalogue.catalogue import Catalogue
from indexers.followers.base import Followers
from indexers.followers.stored import FlatFollower, IndexFollower
from indexers.types import Arrival, Space
from indexers.vectors.exact import Exact
from indexers.vectors.hnsw import Hnsw
from tests.conftest import vectors


def add_space(catalogue: Catalogue, name: str = "s") -> Space:
    with catalogue.transaction() as transaction:
        return transaction.add_space(name, None, {}, "", 8, "cosine")


def put_vectors(catalogue: Catalogue, space: Space, *keys: str, seed: int = 0) -> None:
    """Add items with random vectors; known keys get another vector."""
    with catalogue.transaction() as transaction:
        rows = vectors(len(keys), seed)
        transaction.put([Arrival(key, vector=row) for key, row in zip(keys, rows, strict=True)], space.id)


def remove_items(catalogue: Catalogue, *keys: str) -> None:
    with catalogue.transaction() as transaction:
        transaction.remove(transaction.resolve(keys))


def make_flat(catalogue: Catalogue, space: Space) -> FlatFollower:
    folder = catalogue.folder / "spaces" / str(space.id) / "flat"
    return FlatFollower(space, lambda: Exact(8, "cosine"), "exact", folder, catalogue.identity)


def open_followers(catalogue: Catalogue, space: Space, build: Any = None) -> Followers:
    """Open the flat file and the index of a space."""
    folder = catalogue.folder / "spaces" / str(space.id) / "index"
    index = IndexFollower(space, lambda: Hnsw(8, "cosine"), "hnsw", folder, catalogue.identity, build)
    followers = Followers(catalogue, [make_flat(catalogue, space), index])
    followers.open()
    return followers


def list_ids(followers: Followers) -> list[list[int]]:
    """Return the items that each follower holds once it is at the newest change."""
    with followers.current_snapshot():
        return [sorted(follower.index.ids().tolist()) for follower in followers.members]  # type: ignore[attr-defined]


def list_positions(followers: Followers) -> list[int]:
    return [follower.position for follower in followers.members]
