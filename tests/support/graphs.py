"""Clustered vectors for the tests of graphs, and the tests that every graph of rounded vectors has to pass."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import BadQuery, BadSetting, MissingPackage, StoredFileDamaged
from indexers.followers import stored_file as storage
from indexers.testing import VectorIndexContract
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.base import VectorIndex, check_k
from indexers.vectors.exact import Exact
from indexers.vectors.searcher import Searcher
from indexers.vectors.small_world import RoundedSmallWorld


def make_clusters(count: int, dimension: int = 32, seed: int = 0) -> Vectors:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((30, dimension))
    return (centres[rng.integers(0, 30, count)] + 0.6 * rng.standard_normal((count, dimension))).astype(np.float32)


def measure_recall(index: VectorIndex | Searcher, flat: Exact, queries: Vectors, k: int = 10) -> float:
    true = flat.search(queries, k).scores
    return float(np.mean(index.search(queries, k).scores >= true[:, -1:] - 1e-5))


class SearchedIndex(VectorIndex):
    """A rounded index behind the shared layer, as a collection uses it."""

    metrics = RoundedSmallWorld.metrics

    def __init__(self, index: RoundedSmallWorld) -> None:
        super().__init__(index.dimension, index.metric)
        self.members = (Exact(index.dimension, index.metric), index)

    def __len__(self) -> int:
        assert len(self.members[0]) == len(self.members[1])
        return len(self.members[1])

    def ids(self) -> Ids:
        return self.members[1].ids()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        for member in self.members:
            member.add(ids, vectors)

    def remove(self, ids: Ids) -> None:
        for member in self.members:
            member.remove(ids)

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> Neighbours:
        for member in self.members:
            member.position = self.position
        return Searcher(*self.members, small=0).search(self.prepare(queries), check_k(k), allowed)

    def save(self, path: Path) -> None:
        self.members[0].save(path)
        self.members[1].save(path.with_suffix(".graph"))

    def load(self, path: Path) -> None:
        self.members[0].load(path)
        self.members[1].load(path.with_suffix(".graph"))


class RoundedContract(VectorIndexContract):
    """The contract of an index, with the recall and the error of scores that rounding allows."""

    kind: type[RoundedSmallWorld]
    precision = "bf16"
    score_error = 0.15
    least_recall = 0.97

    def index(self) -> VectorIndex:
        return self.kind(self.dimension, self.metric, precision=self.precision, threads=1)


class RoundedTests:
    """The tests of a rounded member. Inherit them and set `kind`."""

    kind: type[RoundedSmallWorld]

    def make_pair(self, metric: Metric = "cosine", **settings: object) -> tuple[RoundedSmallWorld, Exact]:
        return self.kind(32, metric, threads=1, **settings), Exact(32, metric)

    @pytest.mark.parametrize(
        ("metric", "precision", "least"),
        # the inner product is no distance, and every graph suffers from that (hnswlib's here: .985)
        [("cosine", "bf16", 0.98), ("cosine", "i8", 0.98), ("ip", "bf16", 0.96), ("l2", "bf16", 0.98)],
    )
    def test_recall_survives_churn(self, metric: Metric, precision: str, least: float, tmp_path: Path) -> None:
        index, flat = self.make_pair(metric, precision=precision)
        for member in (index, flat):
            member.add(np.arange(5000), make_clusters(5000))
        rng = np.random.default_rng(3)
        for turn in range(5):
            removed = rng.choice(flat.ids(), 1000, replace=False)
            added = np.concatenate([removed[:250], np.arange(750) + 10_000 * (turn + 1)])
            for member in (index, flat):
                member.remove(removed)
                member.add(added, make_clusters(1000, seed=turn + 1))
            index.save(tmp_path / f"{turn}")
            index.load(tmp_path / f"{turn}")
            assert (index.ids() == flat.ids()).all()
        assert measure_recall(Searcher(flat, index), flat, make_clusters(100, seed=50)) >= least

    def test_exact_copies_make_no_islands(self) -> None:
        index, flat = self.make_pair()
        vectors, copies = make_clusters(2000), np.repeat(make_clusters(4, seed=8), 300, axis=0)
        rows = np.random.default_rng(1).permutation(3200)
        for member in (index, flat):
            member.add(np.arange(3200), np.concatenate([vectors, copies])[rows])
        searcher = Searcher(flat, index)
        assert measure_recall(searcher, flat, np.concatenate([make_clusters(200, seed=9), copies[::300]])) >= 0.99
        assert (searcher.search(copies[::300], 200).ids == flat.search(copies[::300], 200).ids).all()

    def test_copies_survive_the_one_that_stands_for_them(self, tmp_path: Path) -> None:
        index, flat = self.make_pair()
        vectors = make_clusters(60)
        vectors[10:40] = vectors[10]
        searcher = Searcher(flat, index, small=0)
        for member in (index, flat):
            member.add(np.arange(60), vectors)
        for removed in ([10], [12, 11, 13], [30, 3], [14, 39], list(range(15, 38))):
            for member in (index, flat):
                member.remove(np.array(removed))
            index.save(tmp_path / f"{removed[0]}")
            assert (searcher.search(vectors, 60).ids == flat.search(vectors, 60).ids).all()
            index.load(tmp_path / f"{removed[0]}")
            assert (searcher.search(vectors, 60).ids == flat.search(vectors, 60).ids).all()

    def test_scores_behind_the_shared_layer_are_exact(self) -> None:
        for precision in ("bf16", "i8"):
            index, flat = self.make_pair(precision=precision)
            for member in (index, flat):
                member.add(np.arange(3000), make_clusters(3000))
            queries = make_clusters(50, seed=1)
            for allowed in (None, np.arange(0, 3000, 2)):
                answer, exact = Searcher(flat, index).search(queries, 10, allowed), flat.search(queries, 10, allowed)
                same = answer.ids == exact.ids
                assert same.mean() >= 0.99
                np.testing.assert_allclose(answer.scores[same], exact.scores[same], rtol=0, atol=1e-6)

    def test_searches_run_beside_each_other(self, tmp_path: Path) -> None:
        index = self.kind(32)
        index.add(np.arange(3000), make_clusters(3000))
        index.save(tmp_path / "file")
        index.load(tmp_path / "file")
        queries = make_clusters(200, seed=1)
        true = index.search(queries, 5).ids

        def work(turn: int) -> bool:
            rows = slice(turn % 100, turn % 100 + 1 + turn % 7)
            return np.array_equal(index.search(queries[rows], 5).ids, true[rows])

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(400)))

    def test_settings_are_kept_in_a_loaded_file(self, tmp_path: Path) -> None:
        index, flat = self.make_pair(M=8)
        for member in (index, flat):
            member.add(np.arange(1024), make_clusters(1024))
        index.save(tmp_path / "file")
        loaded = self.kind(32, M=8, ef=77)
        loaded.load(tmp_path / "file")
        assert loaded.ef == 77
        for member in (loaded, flat):
            member.add(np.arange(1024, 2048), make_clusters(1024, seed=1))
        assert measure_recall(Searcher(flat, loaded), flat, make_clusters(100, seed=2)) >= 0.99

    def test_files_that_do_not_belong_together_are_noticed(self, tmp_path: Path) -> None:
        for name, count in (("a", 50), ("b", 60)):
            index = self.kind(32)
            index.add(np.arange(count), make_clusters(count))
            index.save(tmp_path / name)
        (tmp_path / "b.ids").replace(tmp_path / "a.ids")
        with pytest.raises(StoredFileDamaged, match="belong together"):
            self.kind(32).load(tmp_path / "a")

    def test_damage_is_found_before_the_library_sees_it(self, tmp_path: Path) -> None:
        index = self.kind(32)
        index.add(np.arange(300), make_clusters(300))
        index.remove(np.arange(20))
        header = storage.Header(self.kind.name, "c", 1, 1, 1)
        storage.write(tmp_path, header, index.save)
        storage.verify(tmp_path)
        rng = np.random.default_rng(0)
        for part in sorted(tmp_path.glob("payload-*")):
            whole = part.read_bytes()
            spot = int(rng.integers(len(whole)))
            for data in (
                whole[:spot],
                whole[:spot] + bytes([whole[spot] ^ 64]) + whole[spot + 1 :],
                whole + b"\0",
                b"",
            ):
                part.write_bytes(data)
                with pytest.raises(StoredFileDamaged):
                    storage.verify(tmp_path)
            part.write_bytes(whole)
        self.kind(32).load(storage.verify(tmp_path)[1])

    def test_any_folder_will_do(self, tmp_path: Path) -> None:
        """Save and load in a folder whose name is not UTF-8, and search after its files are deleted."""
        if sys.platform in ("win32", "darwin"):
            pytest.skip("this system's file names are Unicode")
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
        folder.mkdir()
        index, loaded = self.kind(32), self.kind(32)
        index.add(np.arange(300), make_clusters(300))
        index.save(folder / "file")
        loaded.load(folder / "file")
        for part in folder.iterdir():
            part.unlink()
        assert (loaded.search(make_clusters(20, seed=1), 5).ids == index.search(make_clusters(20, seed=1), 5).ids).all()

    def test_a_full_disk_is_an_error_of_ours(self, tmp_path: Path) -> None:
        pytest.importorskip("resource", reason="this system can't limit the size of files")
        code = f"""
            import resource, signal
            from pathlib import Path
            import numpy as np
            from indexers.errors import WriteFailed
            from indexers.followers import stored_file as storage
            from {self.kind.__module__} import {self.kind.__name__} as Kind
            made, folder = Kind(64), Path({str(tmp_path)!r})
            made.add(np.arange(60), np.random.default_rng(0).standard_normal((60, 64)))
            storage.write(folder, storage.Header("m", "c", 1, 1, 1), made.save)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            for limit in (5000, 2000, 100):
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
                try:
                    storage.write(folder, storage.Header("m", "c", 1, 2, 2), made.save)
                except WriteFailed as error:
                    assert "make room" in str(error), error
                    assert storage.verify(folder)[0].generation == 1
                    print("refused", sorted(path.name for path in folder.iterdir() if "2" in path.name))
        """
        run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
        assert run.stdout == "refused []\n" * 3, run.stderr

    def test_settings_uses_and_metrics_that_do_not_fit_are_refused(self) -> None:
        name = self.kind.name
        for setting in ({"M": 1}, {"ef": 0}, {"threads": -1}, {"ef_construction": 4.5}, {"precision": "f12"}):
            with pytest.raises(BadSetting, match=f"{name}'s {next(iter(setting))} is"):
                self.kind(3, **setting)
        with pytest.raises(BadSetting, match="no setting 'm'; it has: M, ef, ef_construction, precision, threads"):
            self.kind(3, m=3)
        with pytest.raises(BadSetting, match="l1"):
            self.kind(3, "l1")
        with pytest.raises(BadSetting, match="for the cosine; for 'l2' take 'bf16'"):
            self.kind(3, "l2", precision="i8")
        with pytest.raises(BadQuery, match=f"{name} can't restrict .* shared layer"):
            self.kind(3).search(np.ones((1, 3)), 1, allowed=np.array([1]))

    def test_a_missing_package_is_named_with_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, self.kind.name, None)
        with pytest.raises(MissingPackage, match=rf"pip install 'nearkin\[{self.kind.name}\]'"):
            self.kind(3)
