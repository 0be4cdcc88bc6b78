"""The contracts of the plug-in families as test classes: inherit one, and every promise is tried on your member."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.arrays import scale_to_unit
from indexers.classifiers.contract import ClassifierContract
from indexers.clusterers.contract import ClustererContract
from indexers.embedders.base import Embedder
from indexers.embedders.tiny import Tiny
from indexers.errors import BadQuery, BadSetting, BadVector, NoTextTower
from indexers.finders.contract import FinderContract
from indexers.types import Ids, Metric, Neighbours, Vectors
from indexers.vectors.base import VectorIndex

__all__ = [
    "ClassifierContract",
    "ClustererContract",
    "EmbedderContract",
    "FinderContract",
    "Tiny",
    "VectorIndexContract",
]


class VectorIndexContract:
    """The promises of every VectorIndex. Override `index` to return yours, empty, of 16 dimensions and for `metric`.

    metric: the cosine, unless you override it with "ip" or "l2".
    least_recall: the recall, compared with brute force, that an approximate member has to reach here.
    score_error: the largest error of a score; it may be larger only if the member's `exact_scores` is False.
    """

    dimension = 16
    metric: Metric = "cosine"
    least_recall = 0.99
    score_error = 1e-5

    def index(self) -> VectorIndex:
        """Return a new, empty index of `dimension` dimensions for `metric`."""
        raise NotImplementedError("return a new, empty index of `self.dimension` dimensions for `self.metric`")

    def vectors(self, count: int, seed: int = 0) -> Vectors:
        """Return random directions, float32 (count, dimension), not of unit length."""
        return np.random.default_rng(seed).standard_normal((count, self.dimension), dtype=np.float32)

    def check(self, index: VectorIndex, expected: dict[int, Vectors], k: int = 10) -> Neighbours:
        """Compare answers with brute force over `expected` (id -> vector), and return the answer to 20 queries."""
        index.flush()
        assert len(index) == len(expected)
        assert index.ids().tolist() == sorted(expected)
        queries = self.vectors(20, seed=99)
        answer = index.search(queries, k)
        assert answer.ids.shape == answer.scores.shape == (20, k)
        assert answer.ids.dtype == np.int64
        assert answer.scores.dtype == np.float32
        rows = zip(answer.ids, answer.scores, strict=True)
        recalls = [self._check_row(query, row, expected) for query, row in zip(queries, rows, strict=True)]
        assert np.mean(recalls) >= self.least_recall
        return answer

    def _check_row(self, query: Vectors, row: tuple[Ids, Vectors], expected: dict[int, Vectors]) -> float:
        """Return the recall of one answer, whose order, scores and ids must be right."""
        ids, scores = row
        count = min(len(ids), len(expected))
        assert (ids[count:] == -1).all()
        assert np.isneginf(scores[count:]).all()
        ids, scores = ids[:count], scores[:count]
        assert len(set(ids.tolist())) == count
        assert list(zip(-scores, ids, strict=True)) == sorted(zip(-scores, ids, strict=True))
        if not count:
            return 1.0
        exact_scores = self._compute_scores(query, [expected[item_id] for item_id in ids.tolist()])
        np.testing.assert_allclose(scores, exact_scores, atol=self.score_error)
        best = np.sort(self._compute_scores(query, list(expected.values())))[::-1]
        return float(np.mean(exact_scores >= best[count - 1] - 1e-5))

    def _compute_scores(self, query: Vectors, vectors: list[Vectors]) -> Vectors:
        table = np.stack(vectors)
        if self.metric == "l2":
            return -np.asarray(np.linalg.norm(table - query, axis=1))
        return scale_to_unit(table) @ scale_to_unit(query[None])[0] if self.metric == "cosine" else table @ query

    def make_filled(self, count: int = 300) -> tuple[VectorIndex, dict[int, Vectors]]:
        """Return an index of `count` vectors, and these vectors by id."""
        index, vectors = self.index(), self.vectors(count)
        ids = np.arange(count, dtype=np.int64) * 3 + 1
        index.add(ids, vectors)
        return index, dict(zip(ids.tolist(), vectors, strict=True))

    def test_finds_what_brute_force_finds(self) -> None:
        self.check(*self.make_filled())

    def test_an_empty_index_answers_with_nothing(self) -> None:
        self.check(self.index(), {})

    def test_k_may_be_larger_than_what_exists(self) -> None:
        self.check(*self.make_filled(7), k=20)

    def test_k_below_one_is_refused(self) -> None:
        index, _ = self.make_filled(5)
        with pytest.raises(BadQuery, match="k is 0"):
            index.search(self.vectors(1), 0)

    def test_a_single_query_may_be_one_row(self) -> None:
        index, expected = self.make_filled(5)
        assert index.search(expected[4], 1).ids.tolist() == [[4]]

    def test_no_queries_give_no_answers(self) -> None:
        index, _ = self.make_filled(5)
        assert index.search(self.vectors(0), 3).ids.shape == (0, 3)

    def test_adding_nothing_changes_nothing(self) -> None:
        index, expected = self.make_filled(5)
        index.add(np.empty(0, np.int64), self.vectors(0))
        index.remove(np.empty(0, np.int64))
        self.check(index, expected)

    def test_replaces_a_known_id(self) -> None:
        index, expected = self.make_filled()
        ids = list(expected)[:150:3]
        vectors = self.vectors(len(ids), seed=1)
        index.add(np.array(ids), vectors)
        self.check(index, expected | dict(zip(ids, vectors, strict=True)))

    def test_the_last_of_two_vectors_for_one_id_counts(self) -> None:
        index, vectors = self.index(), self.vectors(3)
        index.add(np.array([5, 9, 5]), vectors)
        self.check(index, {5: vectors[2], 9: vectors[1]})

    def test_forgets_what_is_removed(self) -> None:
        index, expected = self.make_filled()
        removed = list(expected)[::2]
        index.remove(np.array([*removed, 10**9]))  # an unknown id is passed over
        self.check(index, {item: vector for item, vector in expected.items() if item not in set(removed)})

    def test_an_id_may_come_back_with_another_vector(self) -> None:
        index, expected = self.make_filled()
        removed = list(expected)[::2]
        index.remove(np.array(removed))
        back = dict(zip(removed[::-1], self.vectors(len(removed), seed=2), strict=True))
        index.add(np.array(list(back)), np.stack(list(back.values())))
        self.check(index, expected | back)

    def test_new_ids_after_removals(self) -> None:
        index, expected = self.make_filled()
        removed = list(expected)[:100]
        index.remove(np.array(removed))
        new = dict(zip(range(5000, 5050), self.vectors(50, seed=3), strict=True))
        index.add(np.array(list(new)), np.stack(list(new.values())))
        # some of these have lost their slots to the new ones
        again = dict(zip(removed[:80], self.vectors(80, seed=4), strict=True))
        index.add(np.array(list(again)), np.stack(list(again.values())))
        self.check(index, {item: v for item, v in expected.items() if item not in set(removed)} | new | again)

    def test_everything_may_go_and_come_back(self) -> None:
        index, expected = self.make_filled(50)
        index.remove(np.array(list(expected)))
        self.check(index, {})
        index.add(np.array(list(expected)), np.stack(list(expected.values())))
        self.check(index, expected)

    def test_grows(self) -> None:
        index, vectors = self.index(), self.vectors(3000)
        for first in range(0, 3000, 700):
            batch = vectors[first : first + 700]
            index.add(np.arange(first, first + len(batch)), batch)
        self.check(index, dict(enumerate(vectors)))

    def test_equal_vectors_come_by_id(self) -> None:
        index, vectors = self.index(), self.vectors(40)
        vectors[::2] = vectors[0]
        ids = np.random.default_rng(0).permutation(40)
        index.add(ids, vectors)
        index.flush()
        answer = index.search(vectors[0], 12)
        assert answer.ids[0].tolist() == sorted(ids[::2].tolist())[:12]
        self.check(index, dict(zip(ids.tolist(), vectors, strict=True)))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 0.0])
    def test_bad_vectors_are_refused_and_nothing_is_written(self, bad: float) -> None:
        if bad == 0 and self.metric != "cosine":
            pytest.skip("zeros lack a direction only")
        index, expected = self.make_filled(20)
        vectors = self.vectors(3, seed=5)
        vectors[1] = bad
        with pytest.raises(BadVector, match="vector 1"):
            index.add(np.array([1, 2, 4]), vectors)
        with pytest.raises(BadVector):
            index.search(vectors, 3)
        self.check(index, expected)

    @pytest.mark.parametrize(("ids", "wider"), [([1, 2, 3], 0), ([1, 2], 1), ([1, -2], 0)])
    def test_what_does_not_fit_is_refused(self, ids: list[int], wider: int) -> None:
        """Another number of ids than vectors, another dimension, a negative id."""
        index, expected = self.make_filled(20)
        with pytest.raises(BadVector):
            index.add(np.array(ids), np.ones((2, self.dimension + wider), np.float32))
        self.check(index, expected)

    def test_answers_carry_the_position(self) -> None:
        index, _ = self.make_filled(20)
        index.position = 4711
        assert index.search(self.vectors(1), 1).position == 4711

    def test_is_the_same_after_saving_and_loading(self, tmp_path: Path) -> None:
        index, expected = self.make_filled()
        index.remove(np.array(list(expected)[:60]))
        expected = dict(list(expected.items())[60:])
        before = self.check(index, expected)
        index.save(tmp_path / "first")
        loaded = self.index()
        loaded.load(tmp_path / "first")
        after = self.check(loaded, expected)
        assert (before.ids == after.ids).mean() >= self.least_recall
        more = dict(zip(range(1, 200, 3), self.vectors(67, seed=6), strict=True))  # old ids, new and live ones
        for same in (index, loaded):
            same.add(np.array(list(more)), np.stack(list(more.values())))
            same.remove(np.array([200, 400]))
        expected = {item: v for item, v in (expected | more).items() if item not in (200, 400)}
        self.check(index, expected)
        self.check(loaded, expected)
        loaded.save(tmp_path / "second")
        index.load(tmp_path / "second")
        self.check(index, expected)

    def test_an_empty_index_can_be_saved_and_loaded(self, tmp_path: Path) -> None:
        index = self.index()
        index.save(tmp_path / "empty")
        index.load(tmp_path / "empty")
        self.check(index, {})
        index.add(np.array([3]), self.vectors(1))
        self.check(index, {3: self.vectors(1)[0]})


class EmbedderContract:
    """The promises of every Embedder. Override `embedder` to return yours with its default settings.

    tolerance: the largest distance between two computations of one vector, relative to its length.
    """

    tolerance = 1e-5

    def embedder(self) -> Embedder:
        """Return a new embedder with its default settings."""
        raise NotImplementedError("return a new embedder with its default settings")

    def pictures(self, count: int = 6) -> list[Image.Image]:
        """Return RGB pictures of many shapes, down to one pixel: smooth noise, and one of a flat colour."""
        random = np.random.default_rng(7)
        sizes = [(320, 240), (97, 411), (1, 1), (33, 32), (800, 11), (224, 224)]
        pictures = []
        for i in range(count):
            noise = Image.fromarray(random.integers(0, 256, (7, 5, 3), dtype=np.uint8))
            pictures.append(noise.resize(sizes[i % len(sizes)], Image.Resampling.BICUBIC))
        pictures[-1] = Image.new("RGB", pictures[-1].size, (40, 90, 160))
        return pictures

    def check_equal(self, vectors: Vectors, expected: Vectors) -> None:
        """Check that vectors agree within the tolerance."""
        assert vectors.shape == expected.shape
        distances = np.linalg.norm(vectors - expected, axis=1)
        assert (distances <= self.tolerance * np.linalg.norm(expected, axis=1)).all()

    def test_gives_finite_float32_vectors_of_its_dimension(self) -> None:
        embedder, pictures = self.embedder(), self.pictures()
        vectors = embedder.embed(pictures)
        assert vectors.shape == (len(pictures), embedder.dimension)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()

    def test_no_picture_gives_the_zero_vector(self) -> None:
        flat = [Image.new("RGB", (64, 48), colour) for colour in ("black", "white", "grey", "red")]
        assert np.linalg.norm(self.embedder().embed(flat), axis=1).min() > 1e-3

    def test_different_pictures_give_different_vectors(self) -> None:
        vectors = self.embedder().embed(self.pictures())
        assert len(np.unique(vectors.round(6), axis=0)) == len(vectors)

    def test_is_deterministic_across_instances(self) -> None:
        pictures = self.pictures()
        self.check_equal(self.embedder().embed(pictures), self.embedder().embed(pictures))

    def test_a_vector_does_not_depend_on_its_batch(self) -> None:
        embedder, pictures = self.embedder(), self.pictures()
        together = embedder.embed(pictures * 4)  # larger than the batches below which libraries take other paths
        alone = np.concatenate([embedder.embed([picture]) for picture in pictures])
        self.check_equal(together, np.concatenate([alone] * 4))
        self.check_equal(embedder.embed(pictures[::-1]), alone[::-1])

    def test_embed_is_prepare_and_forward(self) -> None:
        embedder, pictures = self.embedder(), self.pictures()
        self.check_equal(
            embedder.forward([embedder.prepare(picture) for picture in pictures]), embedder.embed(pictures)
        )

    def test_no_pictures_give_no_vectors(self) -> None:
        embedder = self.embedder()
        vectors = embedder.embed([])
        assert vectors.shape == (0, embedder.dimension)
        assert vectors.dtype == np.float32

    def test_leaves_the_picture_as_it_was(self) -> None:
        picture = self.pictures(1)[0]
        before = picture.tobytes()
        self.embedder().embed([picture])
        assert picture.tobytes() == before

    def test_threads_may_share_it(self) -> None:
        embedder, pictures = self.embedder(), self.pictures()

        def embed_from(turn: int) -> Vectors:
            embedder.limit_threads(1)
            return embedder.embed(pictures[turn % 3 :])

        with ThreadPoolExecutor(4) as pool:  # all threads begin at once, so that they share the first use too
            answers = list(pool.map(embed_from, range(12)))
        expected = self.embedder().embed(pictures)
        for turn, vectors in enumerate(answers):
            self.check_equal(vectors, expected[turn % 3 :])

    def test_an_unknown_setting_is_refused_by_name(self) -> None:
        with pytest.raises(BadSetting, match="no_such_setting"):
            type(self.embedder())(no_such_setting=1)

    def test_settings_are_json_and_make_the_same_embedder_again(self) -> None:
        embedder, pictures = self.embedder(), self.pictures(2)
        settings = json.loads(json.dumps(embedder.settings))
        assert settings == embedder.settings
        again = type(embedder)(**settings)
        assert again.settings == settings
        assert again.fingerprint() == embedder.fingerprint()
        self.check_equal(again.embed(pictures), embedder.embed(pictures))

    def test_the_fingerprint_does_not_change_with_use(self) -> None:
        embedder = self.embedder()
        before = embedder.fingerprint()
        embedder.embed(self.pictures(1))
        assert before
        assert before == embedder.fingerprint() == self.embedder().fingerprint()

    def test_states_its_facts(self) -> None:
        embedder = self.embedder()
        assert embedder.name.partition(":")[0].isidentifier()
        assert embedder.dimension > 0
        assert embedder.input_size > 0
        assert embedder.batch_size > 0
        assert embedder.licence != "unknown"

    def test_words_give_vectors_or_a_clear_no(self) -> None:
        embedder = self.embedder()
        if embedder.supports_text:
            assert embedder.embed_texts(["a red boat", "snow"]).shape == (2, embedder.dimension)
        else:
            with pytest.raises(NoTextTower, match="a red boat"):
                embedder.embed_texts(["a red boat"])
