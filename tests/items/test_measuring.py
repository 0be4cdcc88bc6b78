"""How good pictures are is measured as they are added, later where they were not, and found by filters."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from PIL import Image, ImageFilter
from skimage import data

from indexers.catalogue.schema import item
from retrieval import Collection


def test_filters_compare_with_it(tmp_path: Path) -> None:
    sharp = Image.fromarray(data.astronaut()).resize((200, 200))
    sharp.save(tmp_path / "sharp.png")
    sharp.filter(ImageFilter.GaussianBlur(6)).save(tmp_path / "blurred.png")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add([tmp_path / "sharp.png", tmp_path / "blurred.png"])
        blurred = {"sharpness": {"$lt": 0.2}}
        assert [Path(row.uri or "").name for row in collection.items(where=blurred)] == ["blurred.png"]
        assert collection.count(where={"exposure": {"$gt": 0.1}, "contrast": {"$gte": 0}, "noise": {"$lte": 1}}) == 2
        assert collection.measure() == 0
        with collection._catalogue.transaction() as transaction:
            transaction._do(sa.update(item).values(sharpness=None))
        assert collection.count(where=blurred) == 0
        told: list[tuple[int, int]] = []
        assert collection.measure(progress=lambda done, total: told.append((done, total))) == 2
        assert told == [(1, 2), (2, 2)]
        assert collection.count(where=blurred) == 1
        collection.remove(collection.items(where=blurred).items[0].id)
        collection.restore([row.id for row in collection.trash()])
        assert collection.count(where=blurred) == 1


def test_another_picture_is_measured_anew(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        for colour, exposure in (("white", 1), ("black", 0)):
            collection.add([Image.new("RGB", (40, 40), colour)], keys=["one"])
            assert collection.count(where={"exposure": exposure}) == 1
        (tmp_path / "gone.png").write_bytes(b"")
        collection.add_vectors([[0.1] * 13], keys=["vector"])
        assert collection.measure() == 0
