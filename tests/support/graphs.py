"""What graphs are tried on: clustered vectors; and the tests of those that keep vectors rounded."""

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


def clustered(count: int, dimension: int = 32, seed: int = 0) -> Vectors:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((30, dimension))
    return (centres[rng.integers(0, 30, count)] + 0.6 * rng.standard_normal((count, dimension))).astype(np.float32)


def recall(index: VectorIndex | Searcher, flat: Exact, queries: Vectors, k: int = 10) -> float:
    true = flat.search(queries, k).scores
    return float(np.mean(index.search(queries, k).scores >= true[:, -1:] - 1e-5))


class Behind(VectorIndex):
    """A rounded index behind the shared layer, as a collection uses it."""

    metrics = RoundedSmallWorld.metrics

    def __init__(self, index: RoundedSmallWorld) -> None:
        super().__init__(index.dimension, index.metric)
        self.both = (Exact(index.dimension, index.metric), index)

    def __len__(self) -> int:
        assert len(self.both[0]) == len(self.both[1])
        return len(self.both[1])

    def ids(self) -> Ids:
        return self.both[1].ids()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        for one in self.both:
            one.add(ids, vectors)

    def remove(self, ids: Ids) -> None:
        for one in self.both:
            one.remove(ids)

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> Neighbours:
        for one in self.both:
            one.position = self.position
        return Searcher(*self.both, small=0).search(self.prepare(queries), check_k(k), allowed)

    def save(self, path: Path) -> None:
        self.both[0].save(path)
        self.both[1].save(path.with_suffix(".graph"))

    def load(self, path: Path) -> None:
        self.both[0].load(path)
        self.both[1].load(path.with_suffix(".graph"))


class RoundedContract(VectorIndexContract):
    """The contract with what rounding costs; and the tests that every rounded member has to pass."""

    kind: type[RoundedSmallWorld]
    precision = "bf16"
    score_error = 0.15
    least_recall = 0.97

    def index(self) -> VectorIndex:
        return self.kind(self.dimension, self.metric, precision=self.precision, threads=1)


class RoundedTests:
    """Inherit and name your `kind`."""

    kind: type[RoundedSmallWorld]

    def pair(self, metric: Metric = "cosine", **settings: object) -> tuple[RoundedSmallWorld, Exact]:
        return self.kind(32, metric, threads=1, **settings), Exact(32, metric)

    @pytest.mark.parametrize(
        ("metric", "precision", "least"),
        # the inner product is no distance, and every graph suffers from that (hnswlib's here: .985)
        [("cosine", "bf16", 0.98), ("cosine", "i8", 0.98), ("ip", "bf16", 0.96), ("l2", "bf16", 0.98)],
    )
    def test_recall_survives_churn(self, metric: Metric, precision: str, least: float, tmp_path: Path) -> None:
        index, flat = self.pair(metric, precision=precision)
        for one in (index, flat):
            one.add(np.arange(5000), clustered(5000))
        rng = np.random.default_rng(3)
        for turn in range(5):
            gone = rng.choice(flat.ids(), 1000, replace=False)
            back = np.concatenate([gone[:250], np.arange(750) + 10_000 * (turn + 1)])
            for one in (index, flat):
                one.remove(gone)
                one.add(back, clustered(1000, seed=turn + 1))
            index.save(tmp_path / f"{turn}")
            index.load(tmp_path / f"{turn}")
            assert (index.ids() == flat.ids()).all()
        assert recall(Searcher(flat, index), flat, clustered(100, seed=50)) >= least

    def test_exact_copies_make_no_islands(self) -> None:
        index, flat = self.pair()
        vectors, copies = clustered(2000), np.repeat(clustered(4, seed=8), 300, axis=0)
        rows = np.random.default_rng(1).permutation(3200)
        for one in (index, flat):
            one.add(np.arange(3200), np.concatenate([vectors, copies])[rows])
        searcher = Searcher(flat, index)
        assert recall(searcher, flat, np.concatenate([clustered(200, seed=9), copies[::300]])) >= 0.99
        assert (searcher.search(copies[::300], 200).ids == flat.search(copies[::300], 200).ids).all()

    def test_copies_survive_the_one_that_stands_for_them(self, tmp_path: Path) -> None:
        index, flat = self.pair()
        vectors = clustered(60)
        vectors[10:40] = vectors[10]
        searcher = Searcher(flat, index, small=0)
        for one in (index, flat):
            one.add(np.arange(60), vectors)
        for gone in ([10], [12, 11, 13], [30, 3], [14, 39], list(range(15, 38))):
            for one in (index, flat):
                one.remove(np.array(gone))
            index.save(tmp_path / f"{gone[0]}")
            assert (searcher.search(vectors, 60).ids == flat.search(vectors, 60).ids).all()
            index.load(tmp_path / f"{gone[0]}")
            assert (searcher.search(vectors, 60).ids == flat.search(vectors, 60).ids).all()

    def test_scores_behind_the_shared_layer_are_exact(self) -> None:
        for precision in ("bf16", "i8"):
            index, flat = self.pair(precision=precision)
            for one in (index, flat):
                one.add(np.arange(3000), clustered(3000))
            queries = clustered(50, seed=1)
            for allowed in (None, np.arange(0, 3000, 2)):
                mine, true = Searcher(flat, index).search(queries, 10, allowed), flat.search(queries, 10, allowed)
                same = mine.ids == true.ids
                assert same.mean() >= 0.99
                np.testing.assert_allclose(mine.scores[same], true.scores[same], rtol=0, atol=1e-6)

    def test_searches_run_beside_each_other(self, tmp_path: Path) -> None:
        index = self.kind(32)
        index.add(np.arange(3000), clustered(3000))
        index.save(tmp_path / "file")
        index.load(tmp_path / "file")
        queries = clustered(200, seed=1)
        true = index.search(queries, 5).ids

        def work(turn: int) -> bool:
            some = slice(turn % 100, turn % 100 + 1 + turn % 7)
            return np.array_equal(index.search(queries[some], 5).ids, true[some])

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(400)))

    def test_settings_are_kept_in_a_loaded_file(self, tmp_path: Path) -> None:
        index, flat = self.pair(M=8)
        for one in (index, flat):
            one.add(np.arange(1024), clustered(1024))
        index.save(tmp_path / "file")
        loaded = self.kind(32, M=8, ef=77)
        loaded.load(tmp_path / "file")
        assert loaded.ef == 77
        for one in (loaded, flat):
            one.add(np.arange(1024, 2048), clustered(1024, seed=1))
        assert recall(Searcher(flat, loaded), flat, clustered(100, seed=2)) >= 0.99

    def test_files_that_do_not_belong_together_are_noticed(self, tmp_path: Path) -> None:
        for name, count in (("a", 50), ("b", 60)):
            index = self.kind(32)
            index.add(np.arange(count), clustered(count))
            index.save(tmp_path / name)
        (tmp_path / "b.ids").replace(tmp_path / "a.ids")
        with pytest.raises(StoredFileDamaged, match="belong together"):
            self.kind(32).load(tmp_path / "a")

    def test_damage_is_found_before_the_library_sees_it(self, tmp_path: Path) -> None:
        index = self.kind(32)
        index.add(np.arange(300), clustered(300))
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
        """Also one whose name is not UTF-8; and the file may go once it is loaded."""
        folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
        folder.mkdir()
        index, loaded = self.kind(32), self.kind(32)
        index.add(np.arange(300), clustered(300))
        index.save(folder / "file")
        loaded.load(folder / "file")
        for part in folder.iterdir():
            part.unlink()
        assert (loaded.search(clustered(20, seed=1), 5).ids == index.search(clustered(20, seed=1), 5).ids).all()

    def test_a_full_disk_is_an_error_of_ours(self, tmp_path: Path) -> None:
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
