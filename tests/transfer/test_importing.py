"""Files of ready-made vectors, read into a collection; exports come back whole."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.errors import BadMetadata, BadVector, NearkinError, UsageError
from indexers.progress import Progress
from retrieval import Collection
from tests.conftest import vectors

arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
EXPORTS = ("items.parquet", "items.npz")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "fresh", create=True) as empty:
        yield empty


@pytest.fixture
def full(filled: Collection, folder: Path) -> Collection:
    """Return pictures with places, texts and odd metadata: one in two places, one vanished, one a mere vector."""
    (folder / "again.png").write_bytes((folder / "red.png").read_bytes())
    filled.add(folder)
    (folder / "blue.png").unlink()
    filled.sync(folder)
    filled.update(1, {"text": 'a "b", c;\nd\té\u2028', "deep": {"list": [1, None, True, {"x": 1.5}]}}, text="words\n")
    filled.add_vectors(np.ones((1, 13)), keys=["no place"], metadata={"year": 2024})
    return filled


def content(collection: Collection) -> dict[str, Any]:
    """Return all that an export carries, by key."""
    items = collection.items().items
    held = collection._spaces.current
    assert held is not None
    with collection._catalogue.snapshot() as snapshot:
        ids, rows = snapshot.vectors(held.space.id, [item.id for item in items])
    vector = dict(zip(ids.tolist(), rows.tolist(), strict=True))
    return {
        item.key: {name: value for name, value in item.to_dict().items() if name not in ("id", "added_at", "clusters")}
        | {"vector": vector[item.id]}
        for item in items
    }


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_comes_back_whole(full: Collection, fresh: Collection, tmp_path: Path, name: str) -> None:
    assert full.export(tmp_path / name, vectors=True) == 6
    report = fresh.import_from(tmp_path / name)
    assert (report.added, report.replaced, report.failed, len(report.items)) == (6, 0, 0, 6)
    assert content(fresh) == content(full)
    assert (fresh.info().embedder, fresh.info().metric) == ("tiny", "cosine")
    again = fresh.import_from([tmp_path / name])
    assert (again.added, again.replaced) == (0, 6)
    assert content(fresh) == content(full)


@pytest.mark.parametrize("name", EXPORTS)
def test_a_picture_in_the_place_of_one_that_vanished_is_not_missing(
    full: Collection, fresh: Collection, folder: Path, tmp_path: Path, name: str
) -> None:
    Image.new("RGB", (30, 20), "purple").save(folder / "blue.png")
    assert full.add(folder).added == 1
    full.export(tmp_path / name, vectors=True)
    for _ in range(2):
        fresh.import_from(tmp_path / name)
        assert content(fresh) == content(full)
        assert [item.missing for item in fresh.items() if item.uri == str(folder / "blue.png")] == [True, False]


@pytest.mark.parametrize("name", EXPORTS)
def test_pictures_go_on_from_there(
    full: Collection, fresh: Collection, folder: Path, tmp_path: Path, name: str
) -> None:
    full.export(tmp_path / name, vectors=True)
    fresh.import_from(tmp_path / name)
    report = fresh.add(folder)
    assert (report.added, report.known) == (0, 5)
    assert fresh.search(folder / "red.png", k=1)[0].key == full.search(folder / "red.png", k=1)[0].key
    assert fresh.verify().ok


@pytest.mark.parametrize("name", EXPORTS)
def test_the_metric_comes_along(tmp_path: Path, name: str) -> None:
    with (
        Collection.open(tmp_path / "a", create=True, metric="l2") as source,
        Collection.open(tmp_path / "b", create=True) as target,
    ):
        source.add_vectors(vectors(5))
        source.export(tmp_path / name, vectors=True)
        target.import_from(tmp_path / name)
        assert (target.info().metric, target.info().embedder) == ("l2", None)
        assert content(target) == content(source)


@pytest.mark.parametrize("name", EXPORTS)
def test_vectors_of_another_embedder_are_refused(full: Collection, folder: Path, tmp_path: Path, name: str) -> None:
    full.export(tmp_path / name, vectors=True)
    with Collection.open(tmp_path / "other", create=True, embedder="classic") as target:
        for _ in range(2):
            with pytest.raises(UsageError, match="made by the embedder 'tiny'"):
                target.import_from(tmp_path / name)
            target.add(folder / "red.png")


def test_an_item_without_a_vector_is_told(full: Collection, fresh: Collection, tmp_path: Path) -> None:
    full.fill("classic")
    full.use("classic", partial=True)
    full.export(tmp_path / "items.parquet", vectors=True)
    report = fresh.import_from(tmp_path / "items.parquet")
    assert (report.added, report.failed) == (4, 2)
    assert {failure.reason for failure in report.failures} == {"it has no vector"}


# ---- files of others


def test_parquet_of_others(fresh: Collection, tmp_path: Path) -> None:
    rows = vectors(4)
    columns = {
        "key": [7, 8, 9, 10],
        "uri": ["/a.jpg", None, "/c.jpg", "/d.jpg"],
        "caption": ["a boat", None, "snow", ""],
        "year": [2020.0, float("nan"), None, 2.5],
        "day": arrow.array([0, 1, 2, None], arrow.date32()),
        "tags": [["a", "b"], [], None, ["c"]],
        "emb": arrow.array(rows.astype(np.float64).tolist()),
    }
    parquet.write_table(arrow.table(columns), tmp_path / "theirs.parquet")
    assert fresh.import_from(tmp_path / "theirs.parquet", vector="emb").added == 4
    first, second, third, _ = fresh.items().items
    assert (first.key, first.uri, first.text) == ("7", "/a.jpg", "a boat")
    assert first.metadata == {"year": 2020.0, "day": "1970-01-01", "tags": ["a", "b"]}
    assert (second.uri, second.text, second.metadata) == (None, None, {"day": "1970-01-02", "tags": []})
    assert third.metadata == {"day": "1970-01-03"}
    assert [hit.key for hit in fresh.search(vector=rows[2], k=1)] == ["9"]


def test_numpy_of_others(fresh: Collection, tmp_path: Path) -> None:
    rows = vectors(3).astype(np.float16)
    np.savez(tmp_path / "theirs.npz", vectors=rows, keys=["a", "b", "c"], texts=["boat", "snow", "cat"])
    assert fresh.import_from(tmp_path / "theirs.npz").added == 3
    np.savez(tmp_path / "bare.npz", vectors=rows)
    assert fresh.import_from(tmp_path / "bare.npz").added == 3
    assert [(item.key, item.text) for item in fresh.items().items[:3]] == [("a", "boat"), ("b", "snow"), ("c", "cat")]


@pytest.fixture
def clip_retrieval_folder(tmp_path: Path) -> Path:
    """Return a folder as clip-retrieval leaves it, of 5 pictures in two parts."""
    place, stored = tmp_path / "retrieved", vectors(5).astype(np.float16)
    for name in ("img_emb", "text_emb", "metadata"):
        (place / name).mkdir(parents=True)
    for part, rows in enumerate((range(3), range(3, 5))):
        np.save(place / "img_emb" / f"img_emb_{part}.npy", stored[rows])
        np.save(place / "text_emb" / f"text_emb_{part}.npy", stored[rows])
        columns = {
            "image_path": [f"/pictures/{row}.jpg" for row in rows],
            "caption": [f"picture {row}" for row in rows],
            "original_width": [100 * row for row in rows],
        }
        parquet.write_table(arrow.table(columns), place / "metadata" / f"metadata_{part}.parquet")
    return place


def test_what_clip_retrieval_leaves(fresh: Collection, clip_retrieval_folder: Path) -> None:
    seen: list[Progress] = []
    assert fresh.import_from(clip_retrieval_folder, progress=seen.append).added == 5
    assert [(progress.done, progress.total) for progress in seen] == [(3, 5), (5, 5)]
    item = fresh.get("/pictures/4.jpg")
    assert (item.key, item.text, item.metadata) == ("/pictures/4.jpg", "picture 4", {"original_width": 400})
    assert fresh.search(vector=vectors(5)[4], k=1)[0].item == item.id
    assert fresh.import_from(str(clip_retrieval_folder)).replaced == 5


def test_parts_that_do_not_fit_are_named(fresh: Collection, clip_retrieval_folder: Path) -> None:
    np.save(clip_retrieval_folder / "img_emb" / "img_emb_1.npy", vectors(7))
    with pytest.raises(UsageError, match=r"img_emb_1\.npy has 7 vectors, .*metadata_1\.parquet 2 rows"):
        fresh.import_from(clip_retrieval_folder)
    (clip_retrieval_folder / "metadata" / "metadata_1.parquet").unlink()
    with pytest.raises(UsageError, match=r"img_emb_1\.npy has no metadata_1\.parquet beside it"):
        fresh.import_from(clip_retrieval_folder)
    assert fresh.count() == 0


# ---- bad files


def test_what_can_not_be_read_is_named(fresh: Collection, ready_made: Collection, tmp_path: Path) -> None:
    (tmp_path / "items.txt").write_text("x")
    for name in ("no.parquet", "no.npz"):
        (tmp_path / name).write_bytes(b"x" * 100)
    np.savez(tmp_path / "other.npz", rows=vectors(2))
    np.savez(tmp_path / "objects.npz", vectors=np.array([{}, {}]))
    np.savez(tmp_path / "uneven.npz", vectors=vectors(2), keys=["a"])
    ready_made.export(tmp_path / "without.parquet")
    for name, message in {
        "nowhere.parquet": "is no file",
        "items.txt": "can't import from 'items.txt'; the formats are: .parquet, .npz",
        "no.parquet": "can't be read as Parquet",
        "no.npz": "can't be read as NumPy's archive",
        "other.npz": "no array 'vectors'; it has: rows",
        "objects.npz": "can't be read as NumPy's archive",
        "uneven.npz": "2 vectors and 1 items",
        "without.parquet": "no column 'vector'; export it with vectors",
    }.items():
        with pytest.raises(UsageError, match=message):
            fresh.import_from(tmp_path / name)
    assert fresh.count() == 0


@pytest.mark.parametrize("bad", [[1.0, float("nan")], [0.0, 0.0], [1.0, 2.0, 3.0]])
def test_bad_vectors_are_refused(fresh: Collection, tmp_path: Path, bad: list[float]) -> None:
    parquet.write_table(arrow.table({"vector": [[1.0, 2.0], bad]}), tmp_path / "bad.parquet")
    with pytest.raises(BadVector):
        fresh.import_from(tmp_path / "bad.parquet")
    assert fresh.count() == 0


def test_metadata_that_is_none_is_refused(fresh: Collection, tmp_path: Path) -> None:
    parquet.write_table(arrow.table({"vector": [[1.0, 2.0]], "data": [b"\0"]}), tmp_path / "bytes.parquet")
    with pytest.raises(BadMetadata, match="data"):
        fresh.import_from(tmp_path / "bytes.parquet")


# ---- damaged and foreign files

ROWS = [{"key": f"z{number}", "uris": [], "hash": None, "text": None, "metadata": {}} for number in range(3)]
SPACE = {"id": 1, "name": "x", "embedder": None, "settings": {}, "fingerprint": "", "dimension": 8, "metric": "cosine"}


def write_export(path: Path, space: object, rows: list[Any], count: int = 3) -> None:
    lines = "\n".join(map(json.dumps, rows)).encode()
    arrays = {
        "vectors": vectors(count),
        "nearkin": np.array(json.dumps(space)),
        "items": np.frombuffer(lines, np.uint8),
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]


def is_refused(path: Path, folder: Path) -> bool:
    """Return whether a file is refused by an error of ours, and nothing is left of it."""
    with Collection.open(folder, create=True) as target:
        with suppress(NearkinError):
            target.import_from(path)
        is_empty = target.count() == 0 and target.spaces() == ()
    Collection.open(folder).close()
    return is_empty


@pytest.mark.parametrize("name", EXPORTS)
def test_a_damaged_export_is_refused_as_a_whole_or_sound(ready_made: Collection, tmp_path: Path, name: str) -> None:
    ready_made.export(tmp_path / name, vectors=True)
    sound, draw = (tmp_path / name).read_bytes(), random.Random(1)
    cuts = [b"", sound[:1], sound[: len(sound) // 2], sound[:-1], sound[:-30], sound + b"x" * 9]
    flips = [bytearray(sound) for _ in range(14)]
    for data in flips:
        for _ in range(4):
            data[draw.randrange(len(data))] = draw.randrange(256)
    refused = []
    for number, content in enumerate([*cuts, *flips]):
        (tmp_path / f"{number}{name}").write_bytes(content)
        refused.append(is_refused(tmp_path / f"{number}{name}", tmp_path / f"c{number}"))
    assert all(refused[:4])


@pytest.mark.parametrize("ending", [".npz", ".parquet", ".csv", ".jsonl", ".npy", ".zip", ""])
@pytest.mark.parametrize("kind", ["npy", "npz", "parquet", "csv", "text", "objects", "pickle", "folder"])
def test_a_file_of_another_kind_is_refused(ready_made: Collection, tmp_path: Path, kind: str, ending: str) -> None:
    path, made = tmp_path / f"file{ending}", tmp_path / "made"
    if kind == "folder":
        path.mkdir()
    elif kind in ("npz", "parquet", "csv"):
        ready_made.export(made.with_suffix(f".{kind}"), vectors=kind == "parquet")
        path.write_bytes(made.with_suffix(f".{kind}").read_bytes())
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"vectors": [1.0]}))
    elif kind == "text":
        path.write_text("no vectors")
    else:
        with path.open("wb") as file:
            np.save(file, np.eye(3) if kind == "npy" else np.array([{}]), allow_pickle=True)
    assert is_refused(path, tmp_path / "c") is (ending != f".{kind}" or kind not in ("npz", "parquet"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"vectors": vectors(2).astype("U")}, "the type <U"),
        ({"vectors": vectors(1)[0]}, r"shape \(\d+,\)"),
        ({"vectors": vectors(2)[None]}, r"shape \(1, 2, \d+\)"),
        ({"vectors": np.array(1.0)}, "shape"),
        ({"vectors": np.zeros((2, 0), np.float32)}, "shape"),
        ({"vectors": vectors(2).astype(complex)}, "the type complex"),
        ({"vectors": vectors(3), "keys": ["a", "b", "c"], "uris": ["a"]}, "differ in length"),
        ({"vectors": vectors(1), "keys": np.array("a")}, "."),
        ({"vectors": vectors(2), "keys": [["a"], ["b"]]}, "differ in length"),
        ({"vectors": vectors(1), "keys": ["a\x01"]}, "control characters"),
        ({"vectors": np.full((1, 4), np.nan, np.float32)}, "."),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "odd.npz", **arrays)
    with Collection.open(tmp_path / "c", create=True) as target:
        with pytest.raises(UsageError, match=message) as raised:
            target.import_from(tmp_path / "odd.npz")
        assert "odd.npz" in str(raised.value)
        assert (target.count(), target.spaces()) == (0, ())


@pytest.mark.parametrize(
    ("space", "rows", "message"),
    [
        (SPACE | {"metric": "bogus"}, ROWS, "there is no metric 'bogus'"),
        (SPACE | {"metric": 3}, ROWS, "there is no metric 3"),
        (SPACE | {"dimension": 9}, ROWS, "8 coordinates"),
        (SPACE | {"dimension": "8"}, ROWS, "the dimension '8'"),
        (SPACE | {"name": None}, ROWS, "the name None"),
        (SPACE | {"colour": 1}, ROWS, "another version of nearkin"),
        ([1], ROWS, "another version of nearkin"),
        (SPACE, ROWS[:2], "3 vectors and 2 items"),
        (SPACE, [*ROWS[:2], [1]], "a row of it is no object"),
        (SPACE, [*ROWS[:2], ROWS[0] | {"uris": "abc"}], "has the uris 'abc'"),
        (SPACE, [*ROWS[:2], ROWS[0] | {"uris": [1]}], "has the places"),
        (SPACE, [*ROWS[:2], ROWS[0] | {"metadata": [1]}], r"has the metadata \[1\]"),
        (SPACE, [*ROWS[:2], ROWS[0] | {"hash": "xyz"}], "can't be read"),
        (SPACE, [*ROWS[:2], ROWS[0] | {"key": 3}], "has the key 3"),
    ],
)
def test_an_export_that_says_odd_things_is_refused(
    fresh: Collection, tmp_path: Path, space: Any, rows: list[Any], message: str
) -> None:
    write_export(tmp_path / "odd.npz", space | {"current": True} if isinstance(space, dict) else space, rows)
    with pytest.raises(UsageError, match=message):
        fresh.import_from(tmp_path / "odd.npz")
    assert (fresh.count(), fresh.spaces()) == (0, ())


def test_what_is_no_archive_is_not_taken_for_a_pickle(fresh: Collection, tmp_path: Path) -> None:
    for name, content in (("text.npz", b"hello"), ("empty.npz", b""), ("array.npz", b"\x93NUMPY\x01\0v\0")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match=r"can't be read as NumPy's archive \(File is not a zip file\)"):
            fresh.import_from(tmp_path / name)


def test_of_several_files_nothing_is_stored_if_one_is_damaged(fresh: Collection, tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", vectors=vectors(3))
    np.savez(tmp_path / "other.npz", vectors=vectors(3, dimension=5))
    (tmp_path / "bad.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:-40])
    for name in ("bad.npz", "other.npz"):
        with pytest.raises(UsageError, match=name):
            fresh.import_from([tmp_path / "good.npz", tmp_path / name])
        assert (fresh.count(), fresh.spaces()) == (0, ())
    assert fresh.import_from(tmp_path / "good.npz").added == 3


def test_a_damaged_part_of_clip_retrieval_is_named(fresh: Collection, clip_retrieval_folder: Path) -> None:
    array = clip_retrieval_folder / "img_emb" / "img_emb_1.npy"
    array.write_bytes(array.read_bytes()[:-10])
    with pytest.raises(UsageError, match=r"img_emb_1\.npy can't be read as NumPy's array"):
        fresh.import_from(clip_retrieval_folder)
    assert fresh.count() == 0
