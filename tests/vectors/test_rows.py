"""The table of vectors: a mapped base, a tail in memory, dead rows, and the file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from indexers.errors import ItemNotFound, StoredFileDamaged
from indexers.vectors.rows import HEAD, MAGIC, PAGE, Rows


def make_vectors(*values: float) -> np.ndarray:
    """Return vectors of two coordinates: the value and its double."""
    return np.array([(value, 2 * value) for value in values], np.float32).reshape(-1, 2)


def upsert(rows: Rows, ids: list[int], *values: float) -> int:
    return rows.upsert(np.array(ids, np.int64), make_vectors(*values), np.array(values, np.float32))


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Ids 10, 20, 30 in the mapped base (values 1, 2, 3), and 15 and 5 in the tail (4 and 5)."""
    written = Rows(2)
    upsert(written, [30, 10, 20], 3, 1, 2)
    written.save(tmp_path / "base")
    loaded = Rows(2)
    loaded.load(tmp_path / "base")
    upsert(loaded, [15, 5], 4, 5)
    return loaded


def test_base_and_tail_are_one_table(rows: Rows) -> None:
    assert rows.ids.tolist() == [5, 10, 15, 20, 30]
    assert (len(rows), rows.count, rows.dead_count, rows.tail_count) == (5, 5, 0, 2)
    assert rows.row_ids[: rows.count].tolist() == [10, 20, 30, 15, 5]
    assert rows.row_numbers.tolist() == [4, 0, 3, 1, 2]
    assert rows.take(np.array([5, 30, 10])).tolist() == [[5, 10], [3, 6], [1, 2]]
    assert rows.gather_rows(np.array([1, 2, 3])).tolist() == [[2, 4], [3, 6], [4, 8]]


def test_locate_tells_where_an_id_is_or_would_be(rows: Rows) -> None:
    places, known = rows.locate(np.array([10, 12, 99, 5]))
    assert places.tolist() == [1, 2, 5, 0]
    assert known.tolist() == [True, False, False, True]
    assert Rows(2).locate(np.array([1]))[1].tolist() == [False]


def test_gathering_into_a_buffer_uses_its_first_rows(rows: Rows) -> None:
    buffer = np.full((3, 2), -1, np.float32)
    block = rows.gather_rows(np.array([0, 4]), buffer)
    assert block.tolist() == [[1, 2], [5, 10]]
    assert buffer.tolist() == [[1, 2], [5, 10], [-1, -1]]


def test_a_replaced_row_of_the_base_dies_and_one_of_the_tail_is_overwritten(rows: Rows) -> None:
    upsert(rows, [20, 15], 20, 40)
    assert rows.count == 6
    assert rows.row_ids[: rows.count].tolist() == [10, -1, 30, 15, 5, 20]
    assert rows.dead_count == 1
    assert rows.take(np.array([20, 15])).tolist() == [[20, 40], [40, 80]]
    assert rows.lengths.tolist() == [1, 2, 3, 40, 5, 20]


def test_removed_ids_are_gone_and_unknown_ones_ignored(rows: Rows) -> None:
    rows.remove(np.array([10, 5, 77, 10]))
    assert rows.ids.tolist() == [15, 20, 30]
    assert rows.dead_count == 2
    with pytest.raises(ItemNotFound, match="item 5 has no vector here"):
        rows.take(np.array([15, 5, 10]))


def test_every_change_makes_a_version(rows: Rows, tmp_path: Path) -> None:
    versions = [rows.version]
    upsert(rows, [1], 1)
    versions.append(rows.version)
    rows.remove(np.array([1]))
    versions.append(rows.version)
    rows.load(tmp_path / "base")
    versions.append(rows.version)
    assert len(set(versions)) == 4


def test_writing_tells_how_many_leading_rows_stay(rows: Rows) -> None:
    count, base = rows.count, len(rows.base)
    assert upsert(rows, [1000, 1001], 1, 2) == count
    assert upsert(rows, [1001, 1000, 7], 3, 2, 1) == count  # what lies in the tail is overwritten
    assert upsert(rows, [10], 2) == count + 3  # a row of the base dies, and a new one is appended
    assert rows.remove(np.array([1001])) == count + 4
    upsert(rows, list(range(2000, 5000)), *[1.0] * 3000)
    assert rows.remove(np.arange(2000, 5000)) == base


def test_dead_rows_of_the_tail_are_dropped_when_they_are_many() -> None:
    rows = Rows(2)
    upsert(rows, list(range(2000)), *range(2000))
    rows.remove(np.arange(0, 1600))
    assert rows.count == 400
    assert rows.tail_count == 400
    assert rows.dead_count == 0
    assert rows.take(np.array([1999, 1600])).tolist() == [[1999, 3998], [1600, 3200]]
    assert rows.lengths.tolist() == list(range(1600, 2000))


def test_the_file_is_the_live_rows_by_id_from_a_page_on(rows: Rows, tmp_path: Path) -> None:
    rows.remove(np.array([20]))
    rows.save(tmp_path / "file")
    content = (tmp_path / "file").read_bytes()
    assert HEAD.unpack_from(content)[:3] == (MAGIC, 4, 2)
    assert np.frombuffer(content, np.int64, 4, HEAD.size).tolist() == [5, 10, 15, 30]
    assert np.frombuffer(content, np.float32, 4, HEAD.size + 32).tolist() == [5, 1, 4, 3]
    assert np.frombuffer(content[PAGE:], np.float32).reshape(-1, 2).tolist() == make_vectors(5, 1, 4, 3).tolist()
    loaded = Rows(2)
    loaded.load(tmp_path / "file")
    assert loaded.ids.tolist() == [5, 10, 15, 30]
    assert loaded.tail_count == 0
    assert loaded.lengths.tolist() == [5, 1, 4, 3]


def test_a_file_is_never_overwritten(rows: Rows, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        rows.save(tmp_path / "base")


def test_an_empty_table_can_be_saved_and_loaded(tmp_path: Path) -> None:
    Rows(2).save(tmp_path / "empty")
    loaded = Rows(2)
    loaded.load(tmp_path / "empty")
    assert len(loaded) == loaded.count == 0
    upsert(loaded, [3], 1)
    assert loaded.take(np.array([3])).tolist() == [[1, 2]]


@pytest.mark.parametrize("damage", ["cut", "longer", "magic", "count", "empty"])
def test_a_damaged_file_is_refused(rows: Rows, tmp_path: Path, damage: str) -> None:
    whole = (tmp_path / "base").read_bytes()
    content = {
        "cut": whole[:-1],
        "longer": whole + b"x",
        "magic": b"nearkin1" + whole[8:],
        "count": MAGIC + struct.pack("<q", -1) + whole[16:],
        "empty": b"",
    }[damage]
    (tmp_path / "damaged").write_bytes(content)
    with pytest.raises(StoredFileDamaged, match=r"damaged (is not a file|does not hold)"):
        Rows(2).load(tmp_path / "damaged")


def test_a_file_of_another_dimension_is_refused(rows: Rows, tmp_path: Path) -> None:
    with pytest.raises(StoredFileDamaged, match="does not hold 3 vectors of 3 coordinates"):
        Rows(3).load(tmp_path / "base")
