"""The index of codes: scanned while small, trained when it has grown, and right while it is trained again."""

import importlib.util
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.errors import BadSetting, MissingPackage, StoredFileDamaged, WriteFailed
from indexers.testing import VectorIndexContract
from indexers.types import Metric, Vectors
from indexers.vectors import rabitq
from indexers.vectors.exact import Exact
from indexers.vectors.rabitq import Rabitq
from indexers.vectors.searcher import Searcher
from tests.support.graphs import make_clusters, measure_recall

pytest.importorskip("rabitqlib", reason="needs the extra rabitq")


class TestContract(VectorIndexContract):
    bits = 1
    least_recall = 0.98  # 16 bits of a vector, turned at random, say little

    @pytest.fixture(autouse=True)
    def _train_early(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rabitq, "SMALL", 100)

    def index(self) -> Rabitq:
        return Rabitq(self.dimension, self.metric, bits=self.bits, threads=1)


class TestInnerProducts(TestContract):
    metric = "ip"


class TestDistances(TestContract):
    metric = "l2"


class TestFourBits(TestContract):
    bits = 4
    least_recall = 0.99


def make_bound(vectors: Vectors, metric: Metric = "cosine", **settings: Any) -> tuple[Exact, Rabitq]:
    """Return a flat file and a trained index that reads it, both of vectors with the ids 0, 1, 2 ..."""
    flat, index = Exact(vectors.shape[1], metric), Rabitq(vectors.shape[1], metric, threads=1, **settings)
    index.bind(lambda: flat)
    for member in (flat, index):
        member.add(np.arange(len(vectors)), vectors)
    index.rebuild()
    return flat, index


def mix(vectors: Vectors, count: int = 40) -> Vectors:
    """Return sums of two vectors each, which lie between clusters."""
    rng = np.random.default_rng(3)
    mixes: Vectors = vectors[rng.integers(0, len(vectors), count)] + vectors[rng.integers(0, len(vectors), count)]
    return mixes


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("k", [1, 10, 100, 1000])
def test_recall_holds_inside_clusters_between_them_and_anywhere(metric: Metric, k: int) -> None:
    vectors = make_clusters(9200, 64)
    flat, index = make_bound(vectors[:9000], metric)
    assert index.serving
    anywhere = np.random.default_rng(4).standard_normal((200, 64), dtype=np.float32)
    for queries in (vectors[9000:], mix(vectors, 200), anywhere):
        places = len(queries) * min(k, 10)  # those of one question share its luck: the library turns rows at random
        assert measure_recall(index, flat, queries, k) >= 0.99 - 2 * (0.99 * 0.01 / places) ** 0.5


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.9])
@pytest.mark.parametrize("shape", ["random", "by place"])
def test_restrictions_keep_recall(share: float, shape: str) -> None:
    vectors = make_clusters(8000, 64)
    flat, index = make_bound(vectors)
    order = np.argsort(vectors[:, 0]) if shape == "by place" else np.random.default_rng(1).permutation(8000)
    allowed = flat.prepare_allowed(order[: int(share * 8000)])
    for queries in (vectors[:40], mix(vectors)):
        true, answer = flat.search(queries, 10, allowed), Searcher(flat, index).search(queries, 10, allowed)
        direct = index.search(queries, 10, allowed)
        count = min(10, len(allowed))
        for each in (answer, direct):
            assert np.mean(each.scores[:, :count] >= true.scores[:, count - 1 : count] - 1e-6) >= 0.99
            assert np.isin(each.ids[each.ids >= 0], allowed.ids).all()
            assert (each.ids[:, count:] == -1).all()


def test_ten_turnovers_leave_recall_as_it_was() -> None:
    vectors = make_clusters(66_000, 32)
    flat, index = make_bound(vectors[:6000])
    for turn in range(1, 11):
        for first in range(0, 6000, 1500):
            start = turn * 6000 + first
            for member in (flat, index):
                member.remove(np.arange(start - 6000, start - 4500))
                member.add(np.arange(start, start + 1500), vectors[start : start + 1500])
            index.rebuild()
    assert np.array_equal(index.ids(), flat.ids())
    assert index._layout is not None
    assert index._layout.stored <= 3 * len(index)
    fresh = make_bound(vectors[60_000:])
    queries = make_clusters(200, 32, seed=8)
    assert measure_recall(index, flat, queries) >= measure_recall(*fresh[::-1], queries) - 0.002


def test_what_changes_during_a_rebuild_is_in_it() -> None:
    vectors = make_clusters(7000, 64)
    flat, index = Exact(64), Rabitq(64, threads=1)
    index.bind(lambda: flat)
    for member in (flat, index):
        member.add(np.arange(6000), vectors[:6000])
    plan = index.plan_rebuild()
    assert plan is not None
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(plan)
        for member in (flat, index):
            member.remove(np.arange(0, 500))
            member.add(np.arange(6000, 6500), vectors[6000:6500])
            member.add(np.arange(500, 1000), vectors[6500:])
        assert np.array_equal(index.search(vectors[6000:6500], 1).ids[:, 0], np.arange(6000, 6500))
        training.result()()
    assert index.serving
    assert np.array_equal(index.search(vectors[6000:6500], 1).ids[:, 0], np.arange(6000, 6500))
    assert np.array_equal(index.search(vectors[6500:], 1).ids[:, 0], np.arange(500, 1000))
    assert (index.search(vectors[:500], 10).ids >= 500).all()
    assert index.plan_rebuild() is None


def test_a_rebuild_that_was_overtaken_changes_nothing() -> None:
    vectors = make_clusters(6000, 64)
    flat, index = Exact(64), Rabitq(64, threads=1)
    index.bind(lambda: flat)
    for member in (flat, index):
        member.add(np.arange(6000), vectors)
    plan = index.plan_rebuild()
    assert plan is not None
    take_over = plan()
    for member in (flat, index):
        member.remove(np.arange(6000))
    take_over()
    assert index.serving is None
    assert len(index) == 0


def test_it_keeps_no_vectors(tmp_path: Path) -> None:
    _, index = make_bound(make_clusters(6000, 64))
    index.save(tmp_path / "index")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 6000 * 64 * 4 / 2
    assert not (tmp_path / "index.flat").exists()


def test_removed_vectors_leave_no_code() -> None:
    vectors = make_clusters(6000, 64)
    flat, index = make_bound(vectors)
    for member in (flat, index):
        member.remove(np.arange(100))
    index.erase_removed()
    assert index._layout is not None
    assert index._layout.stored == len(index) == 5900


@pytest.mark.parametrize("scale", [1e-18, 1e15])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_lengths_of_any_size_are_told_apart(metric: Metric, scale: float) -> None:
    vectors = (make_clusters(6000, 64) * scale).astype(np.float32)
    flat, index = make_bound(vectors, metric)
    assert measure_recall(index, flat, vectors[:100]) >= 0.99


def test_a_file_of_another_table_is_refused(tmp_path: Path) -> None:
    flat, index = make_bound(make_clusters(6000, 64))
    index.save(tmp_path / "index")
    np.arange(1, 6000).tofile(tmp_path / "index.labels")
    again = Rabitq(64)
    again.bind(lambda: flat)
    with pytest.raises(StoredFileDamaged, match="do not belong together"):
        again.load(tmp_path / "index")


def test_500_damaged_files_end_no_process(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        import numpy as np
        from indexers.errors import StoredFileDamaged
        from indexers.followers import stored_file as storage
        from indexers.vectors import rabitq
        from tests.support.graphs import make_clusters
        rabitq.SMALL, folder, rng = 100, Path({str(tmp_path)!r}), np.random.default_rng(0)
        index = rabitq.Rabitq(64, threads=1)
        index.add(np.arange(400), make_clusters(400, 64))
        index.flush()
        assert index.serving
        storage.write(folder, storage.Header("rabitq", "c", 1, 1, 1), index.save)
        parts, noticed = sorted(folder.glob("payload-*")), 0
        assert len(parts) == 7, parts
        for turn in range(500):
            part = parts[turn % len(parts)]
            whole = part.read_bytes()
            spot = int(rng.integers(len(whole)))
            flipped = whole[:spot] + bytes([whole[spot] ^ 1 << int(rng.integers(8))]) + whole[spot + 1 :]
            part.write_bytes((whole[:spot], flipped, whole + b"x", b"")[turn % 4])
            try:
                index.load(storage.verify(folder)[1])
            except StoredFileDamaged:
                noticed += 1
            part.write_bytes(whole)
        index.load(storage.verify(folder)[1])
        print(noticed, len(index.search(make_clusters(1, 64), 5).ids[0]))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert run.stdout == "500 5\n", run.stderr


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_of_more_equal_vectors_than_candidates_the_first_are_found(metric: Metric) -> None:
    random = np.random.default_rng(5)
    vectors = np.repeat(random.standard_normal((3, 768)), [3000, 1500, 700], axis=0).astype(np.float32)
    vectors[-300:] = random.standard_normal((300, 768))
    _, index = make_bound(vectors, metric)
    for k in (1, 10, 300):
        assert index.search(vectors[0], k).ids.tolist() == [list(range(k))]
        assert index.search(vectors[3000], k).ids.tolist() == [list(range(3000, 3000 + k))]


def test_a_full_disk_is_an_error_of_ours(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no full device")
    _, index = make_bound(make_clusters(6000, 64))
    (tmp_path / "index").symlink_to(full)
    with pytest.raises(WriteFailed, match="make room"):
        index.save(tmp_path / "index")


@pytest.mark.parametrize("settings", [{"bits": 0}, {"bits": 9}, {"ef": 0}, {"threads": -1}, {"bits": "1"}])
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=next(iter(settings))):
        Rabitq(64, **settings)


def test_unknown_settings_are_refused_by_name() -> None:
    with pytest.raises(BadSetting, match="no setting 'M'; it has: bits, ef, threads"):
        Rabitq(64, M=16)


def test_a_missing_package_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def find_others(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "rabitqlib" else find(name, package)

    monkeypatch.setattr(rabitq, "find_spec", find_others)
    with pytest.raises(MissingPackage, match=r"pip install 'nearkin\[rabitq\]'"):
        Rabitq(64)
