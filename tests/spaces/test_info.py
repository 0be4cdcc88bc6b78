"""What a collection holds, and how much room it takes."""

from __future__ import annotations

from pathlib import Path

from retrieval import Collection
from retrieval.config import Config
from retrieval.spaces.info import describe_index, measure_folder, would_pay
from tests.conftest import vectors
from tests.support.discs import place_disc, write_discs


def test_info_counts_bytes_on_disk(filled: Collection) -> None:
    info = filled.info()
    assert info.bytes >= (filled.path / "catalogue.sqlite").stat().st_size
    assert (info.items, info.vectors, info.locations, info.dimension, info.metric) == (5, 5, 5, 13, "cosine")
    assert info.to_dict()["items"] == 5


def test_the_files_of_a_folder_are_measured_at_any_depth(tmp_path: Path) -> None:
    assert measure_folder(tmp_path) == 0
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b").write_bytes(b"123")
    assert measure_folder(tmp_path) == 8
    assert measure_folder(tmp_path / "nothing") == 0


def test_an_empty_collection_has_neither_space_nor_dimension(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True) as collection:
        info = collection.info()
        assert (info.space, info.dimension, info.embedder, info.metric, info.words) == (None, None, None, None, False)
        assert (info.items, info.vectors, info.change, info.repairs) == (0, 0, 0, ())
        assert info.path == str(tmp_path / "c")
        collection.add_vectors(vectors(3), uris=["/a.jpg", None, "/b.jpg"])
        info = collection.info()
        assert (info.space, info.dimension, info.items, info.vectors, info.locations) == ("vectors", 8, 3, 3, 2)


def test_a_large_collection_is_told_that_another_index_would_pay() -> None:
    assert describe_index(Config(), 49_999).partition(",")[0] == "hnsw"
    assert "for 50,000 vectors, the index auto takes a tenth of the memory" in describe_index(Config(), 50_000)
    assert describe_index(Config(index="auto"), 50_000, "rabitq") == "auto, now rabitq"
    assert describe_index(Config(index="auto"), 0) == "auto, now a scan"
    paying = [name for name in ("hnsw", "auto", "rabitq", "exact") if would_pay(Config(index=name), 10**6)]
    assert paying == ["hnsw"]


def test_parts_are_told_by_kind_with_what_was_not_looked_at_yet(collection: Collection, tmp_path: Path) -> None:
    assert collection.info().parts == ()
    collection.add(write_discs(tmp_path / "discs", 4))
    collection.add_vectors(vectors(1, dimension=13), uris=["/elsewhere.jpg"])
    (tmp_path / "discs" / "001 green.png").unlink()
    collection.find_parts(["tiles:2", "regions"])
    place_disc(9)[0].save(tmp_path / "new.png")
    collection.add(tmp_path / "new.png")
    regions, tiles = collection.info().parts
    assert (regions.kind, tiles.kind, tiles.finders) == ("regions", "tiles", ("tiles:2",))
    assert (tiles.looked, tiles.waiting, tiles.failed) == (4, 1, 1)
    assert tiles.parts == sum(len(collection.parts(item.id, "tiles")) for item in collection.items())
    assert tiles.bytes >= tiles.parts * 13 * 4
    collection.find_parts("tiles:3")
    (tiles,) = [row for row in collection.info().parts if row.kind == "tiles"]
    assert (tiles.looked, tiles.waiting) == (5, 0)
    place_disc(10)[0].save(tmp_path / "discs" / "000 red.png")
    collection.sync(tmp_path / "discs")
    assert [row.waiting for row in collection.info().parts] == [2, 1]
