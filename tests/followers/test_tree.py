"""Graph, tree and public clusters of a collection: equal to a full run, kept, caught up, and what lasts."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from indexers.errors import WriterBusy
from indexers.followers.tree import TreeFollower
from indexers.tree import neighbour_graph
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.level_parameters import LevelParameters
from indexers.types import LEVELS, Ids, Level, TreeLevels, Vectors
from retrieval import Collection
from tests.support.trees import build_at_once, describe_tree, is_clean


def check(collection: Collection) -> None:
    """The tree is that of a full run over the same graph, node for node and round for round; the catalogue's clusters
    are its cuts."""
    collection.catch_up()
    view = collection._spaces.view()
    assert view
    assert view.tree
    tree, flat = view.tree, view.flat.index
    ids = flat.ids()
    assert tree.graph.items().tolist() == tree.tree.items.ids().tolist() == ids.tolist()
    edges = {(int(a), int(b)) for a, b in tree.graph.edges()}
    vectors = dict(zip(ids.tolist(), flat.take(ids), strict=True))
    whole = describe_tree(build_at_once(vectors, edges, flat.dimension, tree.limit))
    if not tree.tree.crown.steps:  # taken up from a file: the steps come with the next change
        whole["steps"] = []
    assert describe_tree(tree.tree) == whole
    assert is_clean(tree.tree)
    with collection._catalogue.snapshot() as snapshot:
        clustering = snapshot.clusters.tree_levels(view.space.id)
        member = snapshot.clusters.item_clusters(view.space.id)
        known = snapshot.clusters.rows(np.unique(member.cluster_ids[member.cluster_ids > 0]).tolist())
        assert clustering
        cut = tree.cut_levels(clustering.levels, snapshot)
        assert clustering.corrections == snapshot.corrections.version()
    assert clustering.position == tree.position
    assert member.item_ids.tolist() == ids.tolist()
    for place, (level, nodes) in enumerate(zip(LEVELS, cut, strict=True)):
        labels = member.cluster_ids[:, place]
        pairs = set(zip(nodes.tolist(), labels.tolist(), strict=True)) - {(0, 0)}
        assert len(pairs) == len({a for a, _ in pairs} - {0}) == len({b for _, b in pairs} - {0})
        assert all(np.count_nonzero(labels == cluster) >= 5 for _, cluster in pairs)
        assert all(known[cluster].level == level for _, cluster in pairs)


class Kept(RuleBasedStateMachine):
    """A collection of ready-made vectors: everything that changes its tree, in batches of any size."""

    folder: Path
    serial = 0

    @initialize(seed=st.integers(0, 2**32 - 1), limit=st.sampled_from([4, 12, 1000]))
    def begin(self, seed: int, limit: int) -> None:
        Kept.serial += 1
        TreeFollower.limit = limit
        self.path = self.folder / str(Kept.serial)
        self.random = np.random.default_rng(seed)
        self.centres = self.random.standard_normal((6, 5))
        self.keys: dict[str, np.ndarray] = {}
        self.collection = Collection.open(self.path, create=True)
        self.put(self.random.integers(1, 40))

    def draw_vector(self) -> np.ndarray:
        kind = self.random.random()
        if self.keys and kind < 0.3:
            known = self.keys[str(self.random.choice(list(self.keys)))]
            return known * 2 if kind < 0.15 else known + 1e-3 * self.random.standard_normal(5)
        return self.centres[self.random.integers(6)] + 0.3 * self.random.standard_normal(5)

    @rule(count=st.integers(1, 30))
    def put(self, count: int) -> None:
        """New keys, and known ones whose vectors are replaced."""
        names = [f"k{number}" for number in self.random.choice(80, count, replace=False)]
        rows = [self.draw_vector() for _ in names]
        self.collection.add_vectors(np.stack(rows), keys=names, catch_up=bool(self.random.random() < 0.7))
        self.keys.update(zip(names, rows, strict=True))

    @precondition(lambda self: len(self.keys) > 1)
    @rule(count=st.integers(1, 30))
    def take(self, count: int) -> None:
        names = [str(key) for key in self.random.choice(list(self.keys), min(count, len(self.keys) - 1), replace=False)]
        self.collection.remove(names)
        for name in names:
            del self.keys[name]

    @rule(close=st.booleans(), lost=st.booleans())
    def reopen(self, close: bool, lost: bool) -> None:
        self.collection.close() if close else self.collection._catalogue.close()
        before = self.members()
        if lost:
            shutil.rmtree(self.path / "spaces", ignore_errors=True)
        self.collection = Collection.open(self.path)
        self.collection.catch_up()
        if close and not lost:
            assert self.members().keys() == before.keys()

    def members(self) -> dict[int, set[int]]:
        with Collection.open(self.path) as other, other._catalogue.snapshot() as snapshot:
            member = snapshot.clusters.item_clusters(1)
        items_of: dict[int, set[int]] = {}
        for item, labels in zip(member.item_ids.tolist(), member.cluster_ids.tolist(), strict=True):
            for cluster in labels:
                items_of.setdefault(cluster, set()).add(item)
        return items_of

    @precondition(lambda self: len(self.keys) > 1)
    @rule(kind=st.sampled_from(["merge", "split", "move", "together", "apart", "hide"]), level=st.sampled_from(LEVELS))
    def correct(self, kind: str, level: Level) -> None:
        """Say something of clusters as they are, which then holds, and sometimes take back an earlier one."""
        clusters = self.collection.clusters(level, hidden=True)
        items = self.random.permutation([item.id for item in self.collection.walk()]).tolist()
        whole = [cluster.id for cluster in clusters if cluster.id is not None]
        if kind == "merge" and len(whole) > 1:
            self.collection.merge_clusters(*self.random.permutation(whole)[:2].tolist())
        elif kind == "split" and whole:
            members = self.random.permutation(clusters[0].members).tolist()
            self.collection.split_cluster(whole[0], [members[:3], members[3:5]][: 1 + int(self.random.integers(2))])
        elif kind == "move" and whole and len(items) > 7:
            self.collection.move_to_cluster(
                [item for item in items if item not in clusters[0].members[:5]][:2], whole[0]
            )
        elif kind == "hide" and whole:
            self.collection.hide(whole[0])
        elif kind == "apart":
            self.collection.keep_apart(*items[:2])
        else:
            self.collection.keep_together(items[:2])
        last = self.collection.corrections()[-1]
        assert "loose" in last.exception or not last.exception
        if self.random.random() < 0.3:
            self.collection.undo(int(self.random.choice([row.decision for row in self.collection.corrections()])))

    @rule()
    def recluster(self) -> None:
        view = self.collection._spaces.view()
        assert view
        assert view.tree
        view.tree.restart()
        self.collection.catch_up()

    @invariant()
    def equals_a_full_run(self) -> None:
        if hasattr(self, "collection"):
            check(self.collection)

    def teardown(self) -> None:
        if hasattr(self, "collection"):
            self.collection.close()


def test_after_any_changes_the_tree_is_that_of_a_full_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TreeFollower, "limit", 1000)
    Kept.folder = tmp_path
    Kept.TestCase.settings = settings(
        max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
    )
    case = Kept.TestCase()
    case.runTest()


def blobs(groups: int, size: int, seed: int = 0, spread: float = 0.15) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((groups, 16))
    return (np.repeat(centres, size, axis=0) + spread * random.standard_normal((groups * size, 16))).astype(np.float32)


def clusters_of(collection: Collection, place: int = 1) -> dict[int, set[int]]:
    with collection._catalogue.snapshot() as snapshot:
        member = snapshot.clusters.item_clusters(1)
    return {
        cluster: set(member.item_ids[member.cluster_ids[:, place] == cluster].tolist())
        for cluster in set(member.cluster_ids[:, place])
    }


def test_clusters_keep_their_ids_while_members_come_and_go(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(blobs(30, 40))
        before = clusters_of(collection)
        collection.remove([1, 2, 3])
        collection.add_vectors(blobs(30, 40, spread=0.1)[:5])
        after = clusters_of(collection)
        assert before.keys() == after.keys()
        changed = next(cluster for cluster, items in before.items() if 4 in items)
        assert len(after[changed]) == len(before[changed]) + 2
        check(collection)


def test_losing_every_derived_file_changes_no_public_id(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(blobs(30, 40))
        collection.remove(list(range(1, 100, 3)))
        before = [clusters_of(collection, place) for place in range(3)]
    shutil.rmtree(tmp_path / "c" / "spaces")
    with Collection.open(tmp_path / "c") as collection:
        collection.catch_up()
        assert [clusters_of(collection, place) for place in range(3)] == before
        check(collection)


def test_another_writer_is_not_waited_for_and_the_clusters_follow_later(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, wait=0.05) as collection:
        collection.add_vectors(blobs(5, 20))
        collection.add_vectors(blobs(5, 4, seed=1), catch_up=False)
        with Collection.open(tmp_path / "c", wait=0.05) as other, other._catalogue.transaction():
            collection.catch_up()
            with pytest.raises(WriterBusy):
                collection.remove(1)
        with collection._catalogue.snapshot() as snapshot:
            levels = snapshot.clusters.tree_levels(1)
            assert levels
            assert levels.position < snapshot.number
        check(collection)


def test_a_second_process_takes_up_what_the_first_has_written(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as first:
        first.add_vectors(blobs(6, 20))
        with Collection.open(tmp_path / "c") as second:
            check(second)
            first.add_vectors(blobs(6, 5, seed=3))
            check(second)
            second.remove([5, 6, 7])
            check(first)


def test_the_order_of_additions_does_not_matter(tmp_path: Path) -> None:
    """Over the same final graph: so few items that the graph is exact."""
    rows, trees = blobs(8, 15), []
    for seed in range(3):
        with Collection.open(tmp_path / str(seed), create=True) as collection:
            order = np.random.default_rng(seed).permutation(len(rows))
            for part in np.array_split(order, 4 + seed):
                collection.add_vectors(rows[part], keys=[f"k{row}" for row in part])
            check(collection)
            view = collection._spaces.view()
            assert view
            assert view.tree
            trees.append(describe_tree(view.tree.tree))
    assert trees[0] == trees[1] == trees[2]


def read_levels(collection: Collection) -> TreeLevels:
    with collection._catalogue.snapshot() as snapshot:
        levels = snapshot.clusters.tree_levels(1)
    assert levels
    return levels


def test_levels_are_chosen_again_when_a_collection_of_any_size_has_doubled(tmp_path: Path) -> None:
    rows = blobs(25, 90)
    order = np.random.default_rng(0).permutation(len(rows))
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(rows[order[:1100]])
        assert read_levels(collection).item_count == 1100
        collection.add_vectors(rows[order[1100:2199]])
        assert read_levels(collection).item_count == 1100
        before = clusters_of(collection)
        collection.add_vectors(rows[order[2199:]])
        assert read_levels(collection).item_count == 2250
        assert clusters_of(collection).keys() == before.keys()  # chosen anew, the same clusters keep their ids
        check(collection)


def test_levels_of_an_earlier_version_stay_until_they_are_chosen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, Collection.open(tmp_path / "c", create=True) as collection:
        patch.setattr(ClusterTree, "choose_levels", lambda tree, links: LevelParameters(0.1, 0.6, 0.97))
        collection.add_vectors(blobs(6, 30))
        before = [clusters_of(collection, place) for place in range(3)]
    with Collection.open(tmp_path / "c") as collection:
        assert collection.verify().problems == ()
        assert [clusters_of(collection, place) for place in range(3)] == before
        assert read_levels(collection).levels == (0.1, 0.6, 0.97)
        check(collection)
        collection.add_vectors(blobs(6, 31)[::6])
        assert read_levels(collection).levels == (0.1, 0.6, 0.97)
        collection.recluster()
        assert read_levels(collection).levels[0] >= 2
        assert clusters_of(collection).keys() == before[1].keys()
        check(collection)


def miss_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a graph that is made from now on be another one, as an approximate index makes it."""
    search = TreeFollower._find_neighbours

    def find_fewer(self: TreeFollower, items: Ids, count: int) -> tuple[Ids, Vectors]:
        ids, scores = search(self, items, count)
        missed = (ids * 7 + items[:, None]) % 29 == 0
        missed[:, 0] = False
        return np.where(missed, -1, ids), np.where(missed, np.float32(-np.inf), scores)

    monkeypatch.setattr(TreeFollower, "_find_neighbours", find_fewer)
    monkeypatch.setattr(neighbour_graph, "EXACT", 10)


def cut_sizes(collection: Collection) -> list[list[int]]:
    """Return the sizes of the clusters of each level, as they are recorded and as the tree has them."""
    collection.cut(threshold=0.9)
    sizes = [[cluster.size for cluster in collection.clusters(level)] for level in LEVELS]
    tree = collection._spaces.view().tree  # type: ignore[union-attr]
    with collection._catalogue.snapshot() as snapshot:
        levels = snapshot.clusters.tree_levels(tree.space.id).levels  # type: ignore[union-attr]
        cut = tree.cut_levels(levels, snapshot)  # type: ignore[union-attr]
    for labels in cut:
        sizes.append(sorted(np.unique(labels[labels > 0], return_counts=True)[1].tolist(), reverse=True))
    return sizes


LOSSES = {
    "everything": lambda place: shutil.rmtree(place / "spaces"),
    "the tree": lambda place: shutil.rmtree(place / "spaces" / "1" / "tree"),
    "damaged": lambda place: next(place.glob("spaces/1/tree/payload-*")).write_bytes(b"x"),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("first", ["verify", "cut", "clusters", "metadata", "nothing"])
def test_a_tree_that_is_made_again_is_recorded_before_it_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss: str, first: str
) -> None:
    monkeypatch.setattr(TreeFollower, "limit", 12)
    rng = np.random.default_rng(0)
    with Collection.open(tmp_path / "c", create=True) as collection:
        rows = rng.standard_normal((300, 4)) ** 3  # clusters, and many items between them
        collection.add_vectors(rows, keys=[f"k{row}" for row in range(300)])
        change = collection.change()
        if first == "metadata":
            collection.update("k1", {"a": 1})
    LOSSES[loss](tmp_path / "c")
    miss_neighbours(monkeypatch)
    for turn in range(2):
        with Collection.open(tmp_path / "c") as collection:
            if turn == 0 and first == "cut":
                collection.cut(threshold=0.5)
            elif turn == 0 and first == "clusters":
                collection.clusters("fine")
            if turn or first != "nothing":
                problems = collection.verify().problems
                assert not [problem for problem in problems if "stored file" not in problem]
                assert not problems or (loss == "damaged" and (turn == 0 or first == "nothing"))
                sizes = cut_sizes(collection)
                assert sizes[:3] == sizes[3:]
            told = [event.what for event in collection.cluster_events(change - 1)]
            assert told.count("rebuilt") == (1 if turn or first != "nothing" else 0)
    with Collection.open(tmp_path / "c") as collection:
        assert not collection.info().repairs
        assert [event.what for event in collection.cluster_events(change - 1)].count("rebuilt") == 1


def test_what_a_killed_process_had_recorded_is_met_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TreeFollower, "limit", 12)
    rng = np.random.default_rng(0)
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(rng.standard_normal((200, 4)) ** 3)
    shutil.copytree(tmp_path / "c" / "spaces", tmp_path / "saved")
    with Collection.open(tmp_path / "c") as collection:
        collection.add_vectors(rng.standard_normal((100, 4)) ** 3)
    shutil.rmtree(tmp_path / "c" / "spaces" / "1" / "tree")
    shutil.move(tmp_path / "saved" / "1" / "tree", tmp_path / "c" / "spaces" / "1" / "tree")
    with sqlite3.connect(tmp_path / "c" / "catalogue.sqlite") as connection:
        connection.execute("UPDATE follower SET generation = 1 WHERE name = 'tree'")
    miss_neighbours(monkeypatch)
    for _ in range(2):
        with Collection.open(tmp_path / "c") as collection:
            assert collection.verify().problems == ()
            sizes = cut_sizes(collection)
            assert sizes[:3] == sizes[3:]
            assert not collection.info().repairs


def test_levels_chosen_for_few_items_are_chosen_again_among_more(tmp_path: Path) -> None:
    """The rule for few items takes round groups of more than three hundred apart."""
    with Collection.open(tmp_path / "c", create=True) as collection:
        collection.add_vectors(blobs(6, 40, spread=0.4))
        before = read_levels(collection)
        collection.add_vectors(blobs(6, 60, spread=0.4)[180:])
        after = read_levels(collection)
        assert after.item_count == 420 < 2 * before.item_count
        assert [len(collection.clusters(level)) for level in LEVELS] == [6, 6, 6]
