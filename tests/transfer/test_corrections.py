"""What people say of clusters goes with the items into another collection."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import UsageError
from retrieval import Collection
from retrieval.transfer.corrections import parse_corrections
from tests.clusters.test_browse import families, of

__all__ = ["families"]
EXPORTS = ("items.parquet", "items.npz")


def name_groups(collection: Collection) -> list[tuple[str, str, list[list[str]]]]:
    """Return kind, level and the keys of the groups of all corrections."""
    return [
        (row.kind, row.level, [sorted(item.key for item in collection.get(list(group))) for group in row.groups])
        for row in collection.corrections()
    ]


@pytest.mark.parametrize("name", EXPORTS)
def test_corrections_go_with_the_items(families: Collection, tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    families.merge_clusters(of(families, "f0-0"), of(families, "f1-0"))
    families.keep_apart("f2-0", "f2-1")
    families.keep_together(["f2-2", "f2-3"])
    families.hide(of(families, "f3-0"))
    families.undo(families.keep_apart("f2-4", "f2-5"))
    families.export(tmp_path / name, vectors=True)
    with Collection.open(tmp_path / "fresh", create=True) as fresh:
        fresh.import_from(tmp_path / name)
        assert name_groups(fresh) == name_groups(families)
        assert of(fresh, "f0-0") == of(fresh, "f1-0")
        hidden = fresh.get("f3-0").id
        assert not any(hidden in cluster.members for cluster in fresh.clusters())
        fresh.import_from(tmp_path / name)
        assert len(fresh.corrections()) == 4, "the same is said once"
        assert fresh.verify().ok


def test_a_part_of_the_items_takes_what_is_said_of_them(families: Collection, tmp_path: Path) -> None:
    families.keep_apart("f0-0", "f0-1")
    families.keep_together(["f0-1", "f0-2", "f0-3"])
    families.export(tmp_path / "some.npz", where={"key": {"$in": ["f0-1", "f0-2", "f1-0"]}})
    with Collection.open(tmp_path / "fresh", create=True) as fresh:
        fresh.import_from(tmp_path / "some.npz")
        assert name_groups(fresh) == [("together", "medium", [["f0-1", "f0-2"]])]


@pytest.mark.parametrize(
    "said", [{"a": 1}, [1], [{"kind": "eat"}], [{"kind": "apart", "level": "medium", "groups": [["a"], [1]]}]]
)
def test_what_is_no_correction_is_refused(families: Collection, tmp_path: Path, said: object) -> None:
    families.export(tmp_path / "items.npz")
    arrays = {**np.load(tmp_path / "items.npz")} | {"corrections": np.array(json.dumps(said))}
    np.savez(tmp_path / "other.npz", **arrays)
    with Collection.open(tmp_path / "fresh", create=True) as fresh:
        with pytest.raises(UsageError, match=r"corrections of clusters are none"):
            fresh.import_from(tmp_path / "other.npz")
        assert fresh.count() == 0


def test_exports_of_earlier_versions_say_nothing() -> None:
    assert parse_corrections(None) == []
