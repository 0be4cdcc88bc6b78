"""Clusters of parts: ids and names that last, members that are parts, and the pictures that hold them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers.embedders.tiny import Tiny
from indexers.errors import BadQuery, ClusterNotFound, ItemNotFound, UsageError
from indexers.finders.regions import Regions
from indexers.types import Vectors
from retrieval import Collection
from retrieval.clusters.members import check_page
from tests.conftest import open_collection
from tests.support.discs import COLOURS, place_disc, write_discs

COUNT = 32


class Hue(Tiny):
    """Tells colours apart by the direction of vectors."""

    name = "hue"

    def forward(self, batch: Sequence[Any]) -> Vectors:
        return np.asarray(super().forward(batch) - np.float32(0.45), np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of discs in `discs`, whose regions are in clusters of four colours and of grounds."""
    place = tmp_path_factory.mktemp("parts")
    paths = write_discs(place / "discs", COUNT)
    with Collection.open(place / "c", create=True, embedder=Hue()) as made:
        made.add(paths, metadata=[{"what": f"a {path.stem.split()[1]} thing"} for path in paths])
        made.find_parts("regions")
    return place


@pytest.fixture
def discs(folder: Path, tmp_path: Path) -> Iterator[Collection]:
    """Yield a copy of it, for the test alone."""
    with Collection.open(folder / "c", embedder=Hue()) as made:
        made.backup(tmp_path / "copy")
    with open_collection(tmp_path / "copy", embedder=Hue()) as copy:
        yield copy


def find_colour(collection: Collection, colour: str, level: str = "medium") -> int:
    """Return the cluster that holds most discs of a colour."""
    names = {item.id: Path(str(item.uri)).stem.split() for item in collection.items(limit=1000)}
    best = Counter[int]()
    for cluster in collection.clusters(level, of="regions"):
        for part in cluster.parts(size=1000):
            number, own = names[part.item]
            disc = place_disc(int(number))[2]
            is_disc = part.box is not None and max(abs(a - b) for a, b in zip(part.box, disc, strict=True)) <= 6
            best[cluster.id or 0] += is_disc and colour == own
    return best.most_common(1)[0][0]


def test_members_are_parts_and_items_the_pictures_that_hold_them(discs: Collection) -> None:
    clusters = discs.clusters(of="regions")
    assert (clusters.of, {cluster.of for cluster in clusters}) == ("regions", {"regions"})
    everything = {part.id: part for item in discs.items() for part in discs.parts(item.id, "regions")}
    assert sum(cluster.size for cluster in clusters) + clusters.loose == len(everything)
    red = discs.cluster(find_colour(discs, "red"))
    parts = red.parts(size=1000)
    assert sorted(part.id for part in parts) == list(red.members)
    assert all(everything[part.id] == part for part in parts)
    assert {red.medoid, *red.representatives} <= set(red.members)
    pages = [red.items(page, 3) for page in (1, 2, 3)]
    listed = [item.id for page in pages for item in page]
    assert len(set(listed)) == len(listed)
    assert [item.id for item in red.walk(3)] == list(dict.fromkeys(part.item for part in parts))
    assert [part.id for page in (1, 2) for part in red.parts(page, 4)] == [part.id for part in parts][:8]
    assert red.items(99).cursor is None
    assert not set(red.members) & {item.id for item in discs.items()}
    assert red._repr_html_().count("<img") == len(red.representatives)
    with pytest.raises(UsageError, match="holds items"):
        discs.clusters()[0].parts()
    with pytest.raises(BadQuery):
        check_page(0, 1)


def test_names_come_from_the_items_that_hold_the_parts(discs: Collection) -> None:
    for colour in COLOURS:
        assert discs.cluster(find_colour(discs, colour, "fine")).name == colour
    named = discs.rename(find_colour(discs, "red"), "mine")
    assert (named.name, named.of) == ("mine", "regions")
    assert discs.cluster("MINE").id == named.id
    assert discs.rename("mine", None).given is False


def test_ids_and_names_last_over_adding_removing_finding_again_and_rebuilding(
    discs: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {colour: discs.rename(find_colour(discs, colour), f"my {colour}").id for colour in COLOURS}

    def check() -> None:
        assert {name: discs.cluster(f"my {name}").id for name in COLOURS} == named
        assert {name: find_colour(discs, name) for name in COLOURS} == named

    new = [place_disc(number)[0] for number in range(COUNT, COUNT + 12)]
    paths = [tmp_path / f"{number} {list(COLOURS)[number % 4]}.png" for number in range(len(new))]
    for path, picture in zip(paths, new, strict=True):
        picture.save(path)
    discs.add(paths)
    before = discs.cluster(named["red"] or 0).size
    assert discs.find_parts("regions").items == len(new)
    red = discs.cluster(named["red"] or 0)
    assert red.size - before == red.new >= 3
    check()
    discs.remove([item.id for item in discs.items()][::5])
    check()
    monkeypatch.setattr(Regions, "version", "again")
    assert discs.find_parts("regions").items == discs.count()
    check()
    discs.recluster()
    check()
    everything = [item.id for item in discs.items()]
    discs.remove(everything)
    assert len(discs.clusters(of="regions")) == 0
    discs.restore(everything)
    check()
    assert discs.verify().ok
    path = discs.path
    discs.close()
    for folder in path.glob("spaces/*/tree"):
        shutil.rmtree(folder)
    with open_collection(path, embedder=Hue()) as again:
        assert {name: again.cluster(f"my {name}").id for name in COLOURS} == named
        events = again.cluster_events(of="regions")
        assert {event.what for event in events if event.cluster in named.values()} >= {"born", "grew", "shrank"}
        assert not {event.cluster for event in again.cluster_events()} & set(named.values())


def test_loose_outliers_and_cuts_of_parts_say_where_they_are(discs: Collection, tmp_path: Path) -> None:
    loose, outliers = discs.loose(of="regions"), discs.outliers(5, of="regions")
    assert len(outliers) == 5
    assert len(loose) == discs.clusters(of="regions").loose
    for row in (*loose, *outliers):
        assert row.part is not None
        assert (row.part.item, row.part.kind) == (row.item, "regions")
        assert row.uri == discs.get(row.item).uri
    assert f"the nearest part (in {tmp_path.parent}" in outliers[0].reason
    assert all(row.part is None for row in (*discs.loose(), *discs.outliers(3)))
    cut = discs.cut(count=2, of="regions")
    assert (len(cut), cut.of) == (2, "regions")
    assert sum(cluster.size for cluster in cut) + cut.loose == sum(
        len(discs.parts(item.id, "regions")) for item in discs.items()
    )
    assert len(discs.cut(threshold=0.9, of="regions")) >= 2


def test_a_search_within_a_cluster_of_parts_is_within_the_pictures_that_hold_them(discs: Collection) -> None:
    red = discs.rename(find_colour(discs, "red"), "my red")
    holding = {item.id for item in red.items(size=1000)}
    for within in (red, red.id, "my red"):
        assert {hit.item for hit in discs.search(item=1, within=within, k=COUNT)} == holding - {1}
        assert {hit.item for hit in discs.search(item=1, within=within, by="regions", k=COUNT)} == holding - {1}
    assert not {hit.item for hit in discs.search(item=1, exclude="my red", k=COUNT)} & holding
    name = discs.clusters()[0].name
    discs.rename(red.id or 0, name)
    assert {hit.item for hit in discs.search(vector=[1.0] * 13, within=name, k=COUNT)} == set(
        discs.clusters()[0].members
    ), "a cluster of pictures comes before one of parts"


def test_clusters_of_parts_are_corrected_by_the_ids_of_parts(discs: Collection) -> None:
    red, blue = find_colour(discs, "red"), find_colour(discs, "blue")
    wrong = discs.cluster(red).parts(size=1)[0]
    moved = discs.move_to_cluster(wrong.id, blue)
    assert wrong.id in discs.cluster(blue).members
    (told,) = discs.corrections()
    assert (told.of, told.kind, told.exception) == ("regions", "move", "")
    discs.recluster()
    assert wrong.id in discs.cluster(blue).members
    discs.undo(moved)
    assert wrong.id in discs.cluster(red).members
    merged = discs.merge_clusters(red, blue)
    alive = [cluster.id for cluster in discs.clusters(of="regions") if cluster.id in (red, blue)]
    assert len(alive) == 1
    with pytest.raises(ClusterNotFound, match=f"see {alive[0]}"):
        discs.cluster(red + blue - (alive[0] or 0))
    discs.undo(merged)
    assert {discs.cluster(red).id, discs.cluster(blue).id} == {red, blue}
    group = discs.cluster(red).members[:5]
    split = discs.split_cluster(red, [group])
    assert not set(group) <= set(discs.cluster(red).members) or len(discs.cluster(red).members) == 5
    discs.undo(split)
    first, second = discs.cluster(red).members[:2]
    apart = discs.keep_apart(first, second)
    assert not {first, second} <= set(discs.cluster(red).members)
    discs.undo(apart)
    hidden = discs.hide(red)
    assert red not in [cluster.id for cluster in discs.clusters(of="regions")]
    assert red in [cluster.id for cluster in discs.clusters(of="regions", hidden=True)]
    discs.undo(hidden)
    assert red in [cluster.id for cluster in discs.clusters(of="regions")]
    with pytest.raises(UsageError, match="1 is none of the regions"):
        discs.move_to_cluster(1, red)
    with pytest.raises(UsageError, match=r"of regions and cluster .* of pictures"):
        discs.merge_clusters(red, discs.clusters()[0].id or 0)
    with pytest.raises(ItemNotFound):
        discs.move_to_cluster(first, discs.clusters()[0].id or 0)


def test_what_was_not_looked_for_is_told_in_a_sentence(discs: Collection) -> None:
    with pytest.raises(UsageError, match="no parts of the kind 'subject' were looked for"):
        discs.clusters(of="subject")
    with pytest.raises(BadQuery, match="no parts of the kind 'people'; kinds are: frames, pages, regions"):
        discs.outliers(of="people")
    discs.make_clustering("mine", k=2)
    with pytest.raises(BadQuery, match="the clustering 'mine' is of pictures; clusters of regions have the levels"):
        discs.clusters("mine", of="regions")
    with pytest.raises(BadQuery, match="there is no level 'x'"):
        discs.loose("x", of="regions")
