"""Proposals of a collection: nothing comes of them before somebody accepts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.errors import BadQuery, ClusterNotFound, ItemNotFound, UsageError
from retrieval import Collection
from retrieval.proposals import book


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    """Two clusters of ten pictures each, red and blue."""
    draw = np.random.default_rng(0)
    pictures = []
    for colour in ((220, 20, 20), (20, 20, 220)):
        for _ in range(10):
            noise = draw.integers(0, 30, (24, 24, 3))
            pictures.append(Image.fromarray(np.clip(np.array(colour) + noise - 15, 0, 255).astype(np.uint8)))
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as opened:
        opened.add(pictures, keys=[f"k{number}" for number in range(20)])
        yield opened


def test_accepted_proposals_are_carried_out(collection: Collection) -> None:
    first, second = (cluster.id or 0 for cluster in collection.clusters("fine"))
    name = collection.propose("rename", clusters=first, name="boats", reason="they float", source="a test")
    values = collection.propose("metadata", items=["k0", 2], metadata={"tags": ["sea"]})
    bin_ = collection.propose("remove", items="k5")
    merge = collection.propose("merge", clusters=[first, second])
    assert [row.id for row in collection.proposals()] == [merge.id, bin_.id, values.id, name.id]
    assert collection.count() == 20
    assert collection.get("k0").metadata == {}
    assert (name.reason, name.source, name.state, name.clusters) == ("they float", "a test", "open", (first,))
    count = len(collection.clusters("fine"))
    [decision] = collection.accept_proposal(merge.id).decisions
    assert len(collection.clusters("fine")) == count - 1
    collection.undo(decision)
    assert len(collection.clusters("fine")) == count
    for row in (name, values, bin_):
        assert collection.accept_proposal(row.id).decisions == ()
    assert "boats" in [cluster.name for cluster in collection.clusters("fine")]
    assert collection.get(2).metadata == {"tags": ["sea"]}
    assert [item.key for item in collection.trash()] == ["k5"]
    with pytest.raises(UsageError, match="is not open any more: accepted"):
        collection.reject_proposal(name.id)
    assert collection.proposals() == ()
    assert {row.state for row in collection.proposals(None)} == {"accepted"}


def test_rejected_proposals_change_nothing(collection: Collection) -> None:
    row = collection.propose("remove", items=[1, 2, 3])
    assert collection.reject_proposal(row.id).state == "rejected"
    assert collection.count() == 20
    with pytest.raises(UsageError, match="is not open any more: rejected"):
        collection.accept_proposal(row.id)


def test_one_that_can_not_be_carried_out_stays_open(collection: Collection) -> None:
    row = collection.propose("metadata", items=[1, 2], metadata={"a": 1})
    keep = collection.propose("keep", items=[3, 4])
    collection.remove(2)
    with pytest.raises(UsageError, match="can't be carried out any more: there is no item"):
        collection.accept_proposal(row.id)
    with pytest.raises(UsageError, match="3, 4 are not duplicates of each other"):
        collection.accept_proposal(keep.id)
    assert collection.get(1).metadata == {}
    assert {row.state for row in collection.proposals()} == {"open"}


def test_corrections_and_decisions_are_carried_out(collection: Collection) -> None:
    first, second = collection.clusters("fine")
    for kind, items, clusters in (
        ("apart", first.members[:2], ()),
        ("together", first.members[2:4], ()),
        ("move", first.members[5:6], (second.id,)),
        ("hide", (), (second.id,)),
        ("not duplicates", first.members[:2], ()),
        ("keep both", first.members[2:4], ()),
    ):
        row = collection.propose(kind, items=items, clusters=clusters)
        assert len(collection.accept_proposal(row.id).decisions) == 1
    assert {row.kind for row in collection.corrections()} == {"apart", "together", "move", "hide"}


def test_what_does_not_exist_can_not_be_proposed(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ItemNotFound):
        collection.propose("remove", items=999)
    with pytest.raises(ClusterNotFound):
        collection.propose("hide", clusters=10**6)
    with pytest.raises(UsageError, match="reason is at most 1,000 characters long; got 1,001"):
        collection.propose("remove", items=1, reason="x" * 1001)
    with pytest.raises(BadQuery, match="state is one of open, accepted, rejected; got 'done'"):
        collection.proposals("done")
    with pytest.raises(UsageError, match="there is no proposal 7"):
        collection.accept_proposal(7)
    monkeypatch.setattr(book, "MAX_OPEN", 1)
    collection.propose("remove", items=1)
    with pytest.raises(UsageError, match="1 proposals are open; accept or reject some first"):
        collection.propose("remove", items=2)
