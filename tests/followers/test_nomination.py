"""The index of compact features follows the catalogue, and survives the loss of its files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from indexers.catalogue.catalogue import Catalogue
from indexers.followers import nomination
from indexers.followers.base import Followers
from indexers.followers.nomination import NominationFollower
from indexers.matching.compact import pack_compact
from indexers.types import Arrival, Sketch, Space
from tests.matching.test_nomination import points


@pytest.fixture
def folder(catalogue: Catalogue, space: Space) -> Path:
    return catalogue.folder / "spaces" / str(space.id) / "nomination"


def put(catalogue: Catalogue, *seeds: int, key: str = "k{}") -> list[int]:
    with catalogue.transaction() as transaction:
        sketches = [Sketch((seed,) * 8, pack_compact(points(seed))) for seed in seeds]
        arrivals = [
            Arrival(key.format(seed), hash=seed.to_bytes(20, "little"), uri=f"/{seed}", sketch=sketch)
            for seed, sketch in zip(seeds, sketches, strict=True)
        ]
        return [stored.item_id for stored in transaction.put(arrivals)]


def follow(catalogue: Catalogue, space: Space, folder: Path) -> tuple[Followers, NominationFollower]:
    follower = NominationFollower(space, folder, catalogue.identity)
    return Followers(catalogue, [follower]), follower


def find(followers: Followers, follower: NominationFollower, seed: int) -> list[int]:
    with followers.complete_snapshot():
        return follower.index.find([points(seed)], 1).item_ids.tolist()


def test_pictures_that_come_change_and_go_are_followed(catalogue: Catalogue, space: Space, folder: Path) -> None:
    followers, follower = follow(catalogue, space, folder)
    assert find(followers, follower, 1) == []
    first, second = put(catalogue, 1, 2)
    assert (find(followers, follower, 1), find(followers, follower, 2)) == ([first], [second])
    assert put(catalogue, 3, key="k1") == [first]  # another picture under the same key
    assert (find(followers, follower, 3), find(followers, follower, 1)) == ([first], [])
    with catalogue.transaction() as transaction:
        transaction.update(second, {"a": 1})
        transaction.remove([first])
    assert (find(followers, follower, 3), find(followers, follower, 2)) == ([], [second])


def test_what_was_saved_is_loaded_and_what_is_lost_or_damaged_is_made_again(
    catalogue: Catalogue, space: Space, folder: Path
) -> None:
    [first, *_] = put(catalogue, *range(1, 20))
    followers, follower = follow(catalogue, space, folder)
    find(followers, follower, 1)
    assert followers.save(force=True)
    loaded, again = follow(catalogue, space, folder)
    with catalogue.snapshot() as snapshot:
        assert again.load(snapshot) is None
    assert len(again.index) == 19
    [last] = put(catalogue, 30)
    assert find(loaded, again, 30) == [last]
    [keys] = folder.glob("*.keys")
    keys.write_bytes(keys.read_bytes()[:-7])
    damaged, third = follow(catalogue, space, folder)
    assert find(damaged, third, 1) == [first]
    assert "can't be used" in damaged.repairs[0]
    shutil.rmtree(folder)
    lost, fourth = follow(catalogue, space, folder)
    assert find(lost, fourth, 30) == [last]


def test_the_more_it_holds_the_more_changes_a_new_file_is_worth(
    catalogue: Catalogue, space: Space, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nomination, "LEAST_WORTH_SAVING", 2)
    monkeypatch.setattr(nomination, "SHARE_WORTH_SAVING", 5)
    put(catalogue, *range(1, 20))
    followers, follower = follow(catalogue, space, folder)
    find(followers, follower, 1)
    followers.save(force=True)
    saved = []
    for seed in range(20, 30):
        put(catalogue, seed)
        find(followers, follower, seed)
        followers.save()
        saved.append(follower.generation)
    assert saved == [1, 1, 1, 2, 2, 2, 2, 2, 3, 3], "at the fourth change among 23, and at the fifth among 28"
