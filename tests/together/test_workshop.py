"""Align, stitch, fuse and denoise: over items of a collection, whose files stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from indexers.errors import BadQuery, UsageError
from retrieval import Collection


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Collection]:
    """Return the left and the right part of a photograph, a marked copy of the left one, and another picture."""
    whole = Image.fromarray(data.coffee())
    whole.crop((0, 0, 360, 400)).save(tmp_path / "left.png")
    whole.crop((240, 0, 600, 400)).save(tmp_path / "right.png")
    marked = whole.crop((0, 0, 360, 400))
    marked.paste((0, 255, 0), (100, 100, 130, 130))
    marked.save(tmp_path / "marked.png")
    Image.fromarray(data.astronaut()).resize((200, 200)).save(tmp_path / "other.png")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(sorted(tmp_path.glob("*.png")))
        yield collection


def test_they_are_put_together(scene: Collection, tmp_path: Path) -> None:
    left, right, marked, other = (
        scene.get(str(tmp_path / f"{name}.png")).id for name in ("left", "right", "marked", "other")
    )
    aligned = scene.align(right, left, model="similarity")
    assert aligned.matrix[0][2] == pytest.approx(240, abs=0.3)
    assert aligned.overlap == pytest.approx(1 / 3, abs=0.01)
    difference = np.asarray(scene.align(marked, left).difference(), int)
    assert abs(difference[105:125, 105:125] - 128).mean() > 30 > abs(difference - 128).mean()
    stitched = scene.stitch([left, right, other])
    assert (stitched.items, stitched.apart, stitched.kind) == ((left, right), (other,), "flat")
    assert stitched.image().size == (stitched.width, stitched.height) == (600, 400)
    assert scene.fuse([left, marked]).size == (360, 400)
    assert scene.denoise(left).size == (360, 400)


def test_what_can_not_be_is_one_sentence(scene: Collection, tmp_path: Path) -> None:
    left, other = (scene.get(str(tmp_path / f"{name}.png")).id for name in ("left", "other"))
    with pytest.raises(UsageError, match=f"the items {left} and {other} don't overlap"):
        scene.align(left, other)
    with pytest.raises(BadQuery, match="model is one of similarity, affine, homography; got 'rigid'"):
        scene.align(left, other, model="rigid")
    with pytest.raises(UsageError, match="none of these pictures overlap"):
        scene.stitch([left, other])
    with pytest.raises(UsageError, match="2 to 50 different pictures are put together; got 1"):
        scene.stitch([left, left])
    with pytest.raises(BadQuery, match="kind is one of median, sharpest; got 'mean'"):
        scene.fuse([left, other], kind="mean")
