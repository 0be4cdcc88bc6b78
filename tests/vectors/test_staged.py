"""What staged indexes share: where vectors lie, what is stored, and settings."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from indexers.errors import BadSetting, StoredFileDamaged
from indexers.types import Neighbours, Vectors
from indexers.vectors.exact import Exact
from indexers.vectors.rows import FrozenRows
from indexers.vectors.staged import SCANNED, Layout, Staged
from tests.support.graphs import make_clusters


class Plain(Staged):
    """A staged index whose layout is an exact one, from 50 vectors on; built anew when asked."""

    name = "plain"
    metrics = Exact.metrics
    setting_ranges: ClassVar[dict[str, tuple[int, int]]] = {"threads": (0, 8)}
    outgrown = False

    def _choose_kind(self) -> str:
        return "exact" if len(self) >= 50 else SCANNED

    def _is_outgrown(self) -> bool:
        return self.outgrown

    def _build(self, kind: str, frozen: FrozenRows) -> Layout:
        layout = Exact(self.dimension)
        layout.add(frozen.ids, frozen.take(np.arange(len(frozen.ids))))
        return layout

    def _load_layout(self, kind: str, path: Path) -> Layout:
        layout = Exact(self.dimension)
        layout.load(path)
        return layout

    def search(self, queries: Vectors, k: int, allowed: Any = None) -> Neighbours:
        return (self._layout if self._layout is not None else self.flat).search(queries, k, allowed)


def make_bound(count: int) -> tuple[Exact, Plain]:
    flat, index = Exact(8), Plain(8)
    index.bind(lambda: flat)
    for member in (flat, index):
        member.add(np.arange(count), make_clusters(count, 8))
    return flat, index


def test_it_is_scanned_until_a_layout_is_due() -> None:
    flat, index = make_bound(49)
    assert index.plan_rebuild() is None
    for member in (flat, index):
        member.add(np.array([60]), make_clusters(1, 8))
    index.rebuild()
    assert index.kind == "exact"
    assert index.plan_rebuild() is None
    index.outgrown = True
    assert index.plan_rebuild() is not None


def test_changes_while_it_is_built_are_carried_in() -> None:
    flat, index = make_bound(100)
    plan = index.plan_rebuild()
    assert plan is not None
    new = make_clusters(3, 8, seed=5)
    for member in (flat, index):
        member.remove(np.array([3, 4]))
        member.add(np.array([4, 7, 500]), new)
    plan()()
    assert index.kind == "exact"
    assert np.array_equal(index.ids(), flat.ids())
    assert index.search(new, 1).ids[:, 0].tolist() == [4, 7, 500]


def test_a_layout_is_not_taken_where_the_flat_file_is_at_another_moment() -> None:
    flat, index = make_bound(100)
    plan = index.plan_rebuild()
    assert plan is not None
    index.add(np.array([200]), make_clusters(1, 8))
    plan()()
    assert index.kind == SCANNED
    flat.add(np.array([200]), make_clusters(1, 8))
    index.rebuild()
    assert index.kind == "exact"


@pytest.mark.parametrize("count", [10, 100])
@pytest.mark.parametrize("is_bound", [True, False])
def test_what_is_saved_is_loaded(tmp_path: Path, count: int, is_bound: bool) -> None:
    flat, index = make_bound(count)
    again = Plain(8)
    if is_bound:
        again.bind(lambda: flat)
    else:
        index = Plain(8)
        index.add(np.arange(count), make_clusters(count, 8))
    index.rebuild()
    index.save(tmp_path / "index")
    again.load(tmp_path / "index")
    assert again.kind == index.kind
    assert np.array_equal(again.ids(), index.ids())
    assert np.array_equal(again.search(make_clusters(9, 8), 5).ids, flat.search(make_clusters(9, 8), 5).ids)
    assert (tmp_path / "index.flat").exists() != is_bound


def test_a_table_of_ids_that_was_cut_is_refused(tmp_path: Path) -> None:
    flat, index = make_bound(10)
    index.save(tmp_path / "index")
    np.array([10, 1, 2]).tofile(tmp_path / "index")
    again = Plain(8)
    again.bind(lambda: flat)
    with pytest.raises(StoredFileDamaged, match="as many ids"):
        again.load(tmp_path / "index")


def test_settings_are_checked() -> None:
    with pytest.raises(BadSetting, match="no setting 'M'; it has: threads"):
        Plain(8, M=3)
    with pytest.raises(BadSetting, match="threads is 9; it must be a whole number from 0 to 8"):
        Plain(8, threads=9)
