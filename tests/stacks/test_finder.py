"""Stacks in a real collection: which pictures belong together, which stands for all, and decisions that last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.errors import BadQuery, ItemNotFound, UsageError
from retrieval import Collection
from retrieval.stacks.finder import CHOSEN, KINDS
from tests.bench.series import MAKERS, START, write_group

skimage = pytest.importorskip("skimage.data", reason="the pictures are scikit-image's")
pytest.importorskip("cv2", reason="finding points without OpenCV takes half a second a picture")
pytest.importorskip("rawpy", reason="one of the stacks has a RAW file")

SCENES = {
    "burst": "astronaut",
    "exposure bracket": "coffee",
    "focus series": "rocket",
    "raw + jpeg": "chelsea",
    "edit": "hubble_deep_field",
    "crop": "immunohistochemistry",
    "copies": "retina",
}


def load_scene(name: str) -> Image.Image:
    image = Image.fromarray(getattr(skimage, name)()).convert("RGB")
    image.thumbnail((640, 640))
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group of files of each kind, an hour apart."""
    place = tmp_path_factory.mktemp("groups")
    for number, (kind, scene) in enumerate(SCENES.items()):
        others = [load_scene(name) for name in ("moon", "camera", "page")]
        files = MAKERS[kind](load_scene(scene), others, np.random.default_rng(number))
        write_group(place / kind, files, START + timedelta(hours=number))
    return place


@pytest.fixture(scope="module")
def library(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    with Collection.open(tmp_path_factory.mktemp("library") / "c", create=True, embedder="classic") as collection:
        assert collection.add(folder).failed == 0
        yield collection


def name_folders(collection: Collection, items: tuple[int, ...]) -> set[str]:
    return {Path(item.uri or "").parent.name for item in collection.get(items)}


def test_each_group_is_a_stack_of_its_kind_and_copies_are_none(library: Collection, folder: Path) -> None:
    stacks = library.stacks()
    assert {stack.kind for stack in stacks} == SCENES.keys() - {"copies"}
    for stack in stacks:
        assert name_folders(library, stack.items) == {stack.kind}
        assert len(stack.items) == len(list((folder / stack.kind).iterdir())), stack.kind
        assert stack.cover in stack.items
        assert stack.reason
        assert stack.cover_reason
    assert [KINDS.index(stack.kind) for stack in stacks] == sorted(KINDS.index(stack.kind) for stack in stacks)
    assert library.stacks("burst") == tuple(stack for stack in stacks if stack.kind == "burst")


def test_shots_of_a_burst_are_never_copies_and_copies_still_are(library: Collection) -> None:
    grouped = [name_folders(library, group.items) for group in library.duplicates()]
    assert {"copies"} in grouped
    assert not any(folders & {"burst", "exposure bracket", "focus series", "raw + jpeg"} for folders in grouped)


def test_a_shot_that_is_asked_about_is_no_copy_of_the_next_one(library: Collection, folder: Path) -> None:
    [bracket] = library.stacks("exposure bracket")
    for item in library.get(bracket.items):
        assert library.duplicates_of(item.id) == ()
        assert [match.item for match in library.duplicates_of(item.uri or "")] == [item.id]
        assert [match.item for match in library.duplicates_of(Path(item.uri or "").read_bytes())] == [item.id]
    copied, original = sorted((folder / "copies").iterdir())
    assert {match.kind for match in library.duplicates_of(copied)} >= {"same bytes"}
    assert len(library.duplicates_of(original)) == 2


def test_a_chosen_cover_lasts_until_it_is_undone(library: Collection) -> None:
    [burst] = library.stacks("burst")
    other = next(item_id for item_id in burst.items if item_id != burst.cover)
    decision = library.choose_cover(burst, other)
    [chosen] = library.stacks("burst")
    assert (chosen.id, chosen.cover, chosen.cover_reason) == (burst.id, other, CHOSEN)
    again = library.choose_cover(burst, burst.cover)
    assert library.stacks("burst")[0].cover == burst.cover
    library.undo(again)
    library.undo(decision)
    assert library.stacks("burst")[0] == burst


def test_what_was_removed_is_in_no_stack_and_comes_back_to_it(library: Collection) -> None:
    [stack] = library.stacks("crop")
    library.remove(stack.items[1])
    assert library.stacks("crop") == ()
    library.restore(stack.items[1])
    assert library.stacks("crop") == (stack,)


def test_bad_questions_are_one_sentence(library: Collection) -> None:
    [stack] = library.stacks("edit")
    outside = library.stacks("crop")[0].cover
    with pytest.raises(BadQuery, match="no kind of stacks 'pile'; there are: burst,"):
        library.stacks("pile")
    with pytest.raises(UsageError, match="is not in the stack"):
        library.choose_cover(stack, outside)
    with pytest.raises(ItemNotFound):
        library.choose_cover(stack, 10**6)


def test_an_empty_collection_has_no_stacks(tmp_path: Path) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="classic") as collection:
        assert collection.stacks() == ()
