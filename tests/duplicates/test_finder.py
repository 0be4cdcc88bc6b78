"""Copies in a real collection of real pictures: found with proof, once; decisions that last; files moved and back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from indexers.catalogue import read_only
from indexers.catalogue.duplicates import PictureHashes
from indexers.embedders.tiny import Tiny
from indexers.errors import BadQuery, UsageError
from indexers.followers.candidates import CandidateFinder
from indexers.followers.evidence import EvidenceCollector
from retrieval import Collection
from retrieval.records.duplicates import DuplicateGroup
from tests.support import pictures

skimage = pytest.importorskip("skimage.data", reason="the pictures are scikit-image's")
pytest.importorskip("cv2", reason="finding points without OpenCV takes half a second a picture")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs; of two there are copies."""
    place = tmp_path_factory.mktemp("originals")
    for name in ("astronaut", "coffee", "chelsea"):
        Image.fromarray(getattr(skimage, name)()).convert("RGB").save(place / f"{name}.png")
    cat = Image.open(place / "chelsea.png")
    cat.save(place / "cat again.tif")
    cat.save(place / "cat small.jpg", quality=60)
    cat.resize((cat.width // 2, cat.height // 2)).save(place / "cat half.jpg", quality=85)
    coffee = Image.open(place / "coffee.png")
    ImageOps.mirror(coffee).save(place / "coffee mirrored.jpg", quality=85)
    width, height = coffee.size
    coffee.crop((width // 10, height // 10, width, height)).save(place / "coffee cropped.jpg", quality=85)
    return place


@pytest.fixture
def place(originals: Path, tmp_path: Path) -> Path:
    shutil.copytree(originals, tmp_path / "p")
    return tmp_path / "p"


@pytest.fixture
def library(place: Path, tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "c", create=True, embedder="classic") as made:
        made.add(place)
        yield made


def names(collection: Collection, group: DuplicateGroup) -> set[str]:
    return {Path(uri).name for item in collection.get(group.items) for uri in item.uris}


CATS = {"chelsea.png", "cat again.tif", "cat small.jpg", "cat half.jpg"}
COFFEES = {"coffee.png", "coffee mirrored.jpg", "coffee cropped.jpg"}


def test_copies_are_found_and_others_are_not(library: Collection) -> None:
    found = library.duplicates()
    assert [names(library, group) for group in found] == [CATS, COFFEES]
    cats = found[0]
    assert Path(library.get(cats.keep).uri or "").name in ("chelsea.png", "cat again.tif")
    kinds = {frozenset(names(library, DuplicateGroup(0, "", (p.a, p.b), p.a, "", (), 0))): p.kind for p in cats.pairs}
    assert kinds[frozenset(("chelsea.png", "cat again.tif"))] == "same pixels"
    assert kinds[frozenset(("chelsea.png", "cat half.jpg"))] == "same picture"
    mirrored = [pair for pair in found[1].pairs if pair.evidence["mirrored"]]
    assert mirrored


def test_nothing_is_compared_twice(library: Collection, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = library.duplicates()
    verified: list[int] = []
    original = EvidenceCollector._verify_pairs
    monkeypatch.setattr(
        EvidenceCollector, "_verify_pairs", lambda *args: verified.append(original(*args)) or verified[-1]
    )
    assert library.duplicates() == first
    assert verified == []
    Image.open(place / "astronaut.png").save(place / "astronaut.jpg", quality=80)
    library.add(place)
    assert len(library.duplicates()) == 3
    assert sum(verified) <= 9, "only the new picture is compared, with each of the others"


def test_copies_of_copies_are_compared_although_nothing_nominates_them(
    library: Collection, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the candidates are held back: what hangs together by the others is compared all the same."""
    original = CandidateFinder.find_pairs

    def some(
        self: CandidateFinder, pool: Executor, prints: PictureHashes, part: np.ndarray, details: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        a, b = original(self, pool, prints, part, details)
        return a[b == a + 1], b[b == a + 1]

    monkeypatch.setattr(CandidateFinder, "find_pairs", some)
    found = library.duplicates(rule="every pair")
    assert [names(library, group) for group in found] == [CATS, COFFEES]


def test_a_threshold_is_answered_from_what_is_stored(library: Collection) -> None:
    assert len(library.duplicates(0.0)) >= len(library.duplicates(0.5)) >= len(library.duplicates(1.0))
    for bad in (-1, 2, "x", True):
        with pytest.raises(BadQuery, match="threshold is the lowest score"):
            library.duplicates(bad)  # type: ignore[arg-type]


def test_do_we_have_it_already(library: Collection, originals: Path) -> None:
    before = library.count()
    tilted = Image.open(originals / "astronaut.png").rotate(6, expand=False).crop((40, 40, 470, 470))
    found = library.duplicates_of(tilted)
    assert [Path(match.uri or "").name for match in found] == ["astronaut.png"]
    assert library.duplicates_of(Image.fromarray(skimage.camera()).convert("RGB")) == ()
    item = library.items().items[0]
    assert all(match.item != item.id for match in library.duplicates_of(item.id))
    assert library.count() == before


def test_a_picture_within_another_one_is_told_as_such(library: Collection, originals: Path) -> None:
    page = Image.new("RGB", (900, 700), "white")
    page.paste(Image.open(originals / "astronaut.png").resize((300, 300)), (60, 120))
    page.paste(Image.fromarray(skimage.rocket()).convert("RGB").resize((420, 300)), (420, 300))
    [match] = [match for match in library.duplicates_of(page) if Path(match.uri or "").name == "astronaut.png"]
    assert match.kind == "inside another picture"
    assert "inside another picture" in match.evidence["differs"]


def test_the_same_pixels_in_another_container_are_told_from_a_copy(library: Collection, place: Path) -> None:
    found = {Path(match.uri or "").name: match.kind for match in library.duplicates_of(place / "chelsea.png")}
    assert found == {"chelsea.png": "same bytes", "cat again.tif": "same pixels"} | dict.fromkeys(
        ("cat small.jpg", "cat half.jpg"), "same picture"
    )


@pytest.mark.parametrize("threshold", [float("nan"), 1.01, -0.1, "much", True, None])
def test_a_threshold_that_is_none_is_refused(library: Collection, place: Path, threshold: object) -> None:
    for ask in (library.duplicates, partial(library.duplicates_of, place / "chelsea.png")):
        with pytest.raises(BadQuery, match="threshold is the lowest score of a proof, from 0 to 1; got"):
            ask(threshold=threshold)  # type: ignore[operator]


def test_calibration_is_measured_and_goes_with_its_space(tmp_path: Path) -> None:
    place = tmp_path / "p"
    place.mkdir()
    for number in range(20):
        pictures.noise(number, (64, 64)).save(place / f"{number}.png")
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as library:
        library.add(place)
        near = library.calibrate()
        assert 0.3 <= near <= 1
        for few in (3, 0, -3):
            with pytest.raises((UsageError, BadQuery), match=r"calibration needs at least 20|pictures is the number"):
                library.calibrate(few)
        library.fill("classic")
        library.use("classic")
        with library._catalogue.snapshot() as snapshot:
            assert (snapshot.candidate_threshold(1), snapshot.candidate_threshold(2)) == (near, None)
        library.drop_space("tiny")
        with library._catalogue.snapshot() as snapshot:
            assert snapshot.candidate_threshold(1) is None


def test_a_collection_calibrates_an_embedder_of_which_nothing_is_known(tmp_path: Path) -> None:
    embedder, paths = make_unmeasured(), [tmp_path / f"{number}.png" for number in range(101)]
    for number, path in enumerate(paths):
        pictures.noise(number, (48, 36)).save(path)
    with Collection.open(tmp_path / "c", create=True, embedder=embedder) as collection:
        collection.add(paths[:99])
        collection.duplicates()
        assert read_threshold(collection) is None, "too few pictures for that to pay"
        collection.add(paths[99])
        collection.duplicates(compare=False)
        assert read_threshold(collection) is None
        collection.duplicates()
        measured = read_threshold(collection)
        assert measured is not None
        assert 0.3 <= measured < 1
        embedded = embedder.count
        collection.add(paths[100])
        collection.duplicates()
        assert embedder.count == embedded + 1, "once is enough"


def make_unmeasured() -> Any:
    """Return an embedder that no threshold comes with, and which counts what it embeds."""

    class Unmeasured(Tiny):
        name = "unmeasured"
        count = 0

        def forward(self, batch: Any) -> Any:
            self.count += len(batch)
            return super().forward(batch)

    return Unmeasured()


def read_threshold(collection: Collection) -> float | None:
    space = collection._spaces.view().space  # type: ignore[union-attr]
    with collection._catalogue.snapshot() as snapshot:
        return snapshot.candidate_threshold(space.id)


def test_a_picture_that_changed_is_compared_anew(library: Collection, place: Path) -> None:
    library.duplicates()
    Image.fromarray(skimage.rocket()).convert("RGB").save(place / "cat small.jpg", quality=90)
    library.sync(place)
    assert "cat small.jpg" not in {name for group in library.duplicates() for name in names(library, group)}


def test_what_can_not_be_read_is_passed_over(library: Collection, place: Path) -> None:
    (place / "cat half.jpg").unlink()
    library.add_vectors(np.ones((1, library.info().dimension or 0)), keys=["ready-made"])
    found = library.duplicates()
    assert {name for group in found for name in names(library, group)} >= CATS - {"cat half.jpg"}
    with pytest.raises(UsageError, match="ready-made vector"):
        library.not_duplicates("ready-made", found[0].keep)


def test_the_same_bytes_twice_are_a_group(library: Collection, place: Path) -> None:
    shutil.copy(place / "astronaut.png", place / "astronaut copy.png")
    library.add(place)
    found = [group for group in library.duplicates() if group.kind == "same bytes"]
    assert [names(library, group) for group in found] == [{"astronaut.png", "astronaut copy.png"}]


def test_moving_is_planned_first_and_can_be_undone(library: Collection, place: Path, tmp_path: Path) -> None:
    shutil.copy(place / "astronaut.png", place / "astronaut copy.png")
    os.link(place / "coffee.png", place / "coffee linked.png")
    (place / "cat link.jpg").symlink_to(place / "cat small.jpg")
    library.add(place)
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    found, target = library.duplicates(), tmp_path / "copies"
    planned = library.move_duplicates(found, target)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert not target.exists()
    assert {Path(move.source).name: move.left for move in planned if move.left}.keys() <= {
        "coffee linked.png",
        "coffee.png",
        "cat link.jpg",
    }
    done = library.move_duplicates(found, target, dry_run=False)
    moved = {Path(move.source).name for move in done if move.done}
    assert {"cat small.jpg", "cat half.jpg", "coffee mirrored.jpg", "coffee cropped.jpg"} <= moved
    assert len(moved & {"astronaut.png", "astronaut copy.png"}) == 1
    assert len(moved & {"chelsea.png", "cat again.tif"}) == 1
    left = {path.name for path in place.iterdir()}
    assert left & {"chelsea.png", "cat again.tif"}
    assert library.count(where={"missing": True}) >= 4
    library.undo_moves(target / "manifest.jsonl")
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert library.count(where={"missing": True}) == 0


def test_files_that_changed_and_the_last_copy_are_left_alone(library: Collection, place: Path, tmp_path: Path) -> None:
    found = library.duplicates()
    keep = Path(library.get(found[0].keep).uri or "")
    keep.write_bytes(b"something else")
    (place / "coffee mirrored.jpg").write_bytes(b"something else")
    moves = {
        Path(move.source).name: move.left for move in library.move_duplicates(found, tmp_path / "t", dry_run=False)
    }
    assert moves["cat half.jpg"] == "the picture to keep is missing, or has changed"
    assert moves["coffee mirrored.jpg"] == "the file has changed since it was added"
    assert (place / "cat half.jpg").exists()
    with pytest.raises(UsageError, match="exists already"):
        library.move_duplicates(found, tmp_path / "t", dry_run=False)


def test_a_move_that_was_interrupted_can_be_undone(library: Collection, place: Path, tmp_path: Path) -> None:
    found = library.duplicates()
    library.move_duplicates(found, tmp_path / "t", dry_run=False)
    manifest = tmp_path / "t" / "manifest.jsonl"
    lines = manifest.read_text().splitlines()
    last = json.loads(lines[-1])
    os.rename(last["to"], last["from"])  # noted, and killed before it was moved
    manifest.write_text("\n".join(lines) + '\n{"from": "/cut')
    moves = library.undo_moves(manifest)
    assert sum(move.done for move in moves) == len(lines) - 2
    assert {path.name for path in place.iterdir()} >= CATS | COFFEES
    (tmp_path / "other.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="is not a manifest"):
        library.undo_moves(tmp_path / "other.jsonl")


def test_twenty_orders_of_arrival_give_the_same_groups(originals: Path, tmp_path: Path) -> None:
    files, found = sorted(originals.iterdir()), []
    for seed in range(20 if os.environ.get("SOAK") else 3):
        order = np.random.default_rng(seed).permutation(len(files))
        with Collection.open(tmp_path / str(seed), create=True, embedder="classic") as collection:
            for place in np.array_split(order, 3):
                collection.add([files[one] for one in place])
                collection.duplicates()
            found.append([(group.id, names(collection, group)) for group in collection.duplicates()])
    assert all(one == found[0] for one in found)


def test_where_nothing_may_be_written_what_is_not_compared_is_said(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Collection.open(tmp_path / "c", create=True, embedder="tiny") as collection:
        collection.add(folder)
    monkeypatch.setattr(read_only, "can_write", lambda _: False)
    with Collection.open(tmp_path / "c") as collection:
        assert collection.duplicates() == ()
    assert "5 pictures are left out, which have not been compared" in caplog.text


def test_what_a_picture_is_a_copy_of_is_told_without_comparing_the_collection(library: Collection, place: Path) -> None:
    compared: list[tuple[int, int]] = []
    matches = library.duplicates_of(place / "chelsea.png")
    assert {Path(match.uri or "").name for match in matches} >= {"cat again.tif", "cat small.jpg", "cat half.jpg"}
    library.duplicates(progress=lambda done, total: compared.append((done, total)))
    assert compared[-1] == (8, 8)  # all of them were still to be compared


@pytest.mark.skipif(not features.check("avif"), reason="Pillow writes AVIF, which stands for HEIC here")
def test_two_files_of_one_exposure_are_a_stack_and_no_duplicates(originals: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Phone"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:17 12:00:00"
    cat = Image.open(originals / "chelsea.png")
    for name in ("IMG_0001.avif", "IMG_0001.jpg"):
        cat.save(tmp_path / name, exif=exif, quality=90)
    cat.resize((200, 133)).save(tmp_path / "IMG_0001 small.jpg", exif=exif, quality=90)
    with Collection.open(tmp_path / "c", create=True, embedder="classic") as collection:
        collection.add(tmp_path.glob("*.*"))
        by_name = {Path(item.uri or "").name: item.id for item in collection.walk()}
        pair = {by_name["IMG_0001.avif"], by_name["IMG_0001.jpg"]}
        assert [pair == set(stack.items) for stack in collection.stacks("heic + jpeg")] == [True]
        (group,) = collection.duplicates()
        assert by_name["IMG_0001 small.jpg"] in group.items
        assert not pair <= set(group.items)
        matches = [match.item for match in collection.duplicates_of(by_name["IMG_0001.avif"])]
        assert by_name["IMG_0001.jpg"] not in matches
        assert by_name["IMG_0001 small.jpg"] in matches
