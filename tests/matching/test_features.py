"""What is kept of a picture: the same whatever its size, small, mirrored by reordering, and readable again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, ImageOps

from indexers.errors import BadSetting, MissingPackage, StoredFileDamaged
from indexers.matching import features as module
from indexers.matching.descriptors import mirror_descriptors
from indexers.matching.features import MAX_POINTS, Features, extract_features, pack_features, unpack_features
from indexers.matching.geometry import match_descriptors
from tests.support import pictures

ENGINES = {"opencv": "cv2", "scikit-image": "skimage"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    if find_spec(ENGINES[request.param]) is None:
        pytest.skip(f"{ENGINES[request.param]} is not installed")
    return request.param


def photograph(name: str = "astronaut") -> Image.Image:
    data = pytest.importorskip("skimage.data", reason="scikit-image's samples are the pictures")
    return Image.fromarray(getattr(data, name)()).convert("RGB")


def common(a: Features, b: Features) -> int:
    return len(match_descriptors(a.descriptors, b.descriptors)[0])


def test_shapes_and_types_are_as_promised(engine: str) -> None:
    found = extract_features(photograph("coffee"), engine)
    assert found.points.dtype == np.float32
    assert found.points.shape == (len(found.points), 2)
    assert found.descriptors.shape == (len(found.points), 32)
    assert 200 < len(found.points) <= MAX_POINTS
    assert (found.width, found.height) == (600, 400)
    assert found.size == (512, 341)
    assert (found.points >= 0).all()
    assert (found.points <= found.size).all()
    assert found.thumbnail.shape == (64, 96)
    assert found.colours.shape == (16, 24, 2)
    assert found.chroma > 10


def test_a_copy_of_half_the_size_has_the_same_points(engine: str) -> None:
    picture = photograph()
    assert common(extract_features(picture, engine), extract_features(picture.resize((256, 256)), engine)) > 150


def test_another_picture_has_not(engine: str) -> None:
    assert common(extract_features(photograph(), engine), extract_features(photograph("coffee"), engine)) < 30


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_the_mirror_image_has_the_same_bits_in_another_order(name: str, engine: str) -> None:
    picture = photograph(name)
    found, flipped = extract_features(picture, engine), extract_features(ImageOps.mirror(picture), engine)
    assert len(match_descriptors(mirror_descriptors(found.descriptors), flipped.descriptors)[0]) > 250
    assert common(found, flipped) < 120
    np.testing.assert_array_equal(mirror_descriptors(mirror_descriptors(found.descriptors)), found.descriptors)


def test_both_engines_speak_of_the_same_bits() -> None:
    for package in ENGINES.values():
        pytest.importorskip(package)
    assert common(*(extract_features(photograph(), engine) for engine in ENGINES)) > 100


def test_the_same_picture_gives_the_same_features(engine: str) -> None:
    picture = pictures.noise(3)
    for one, two in zip(extract_features(picture, engine), extract_features(picture, engine), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (2, 3), (33, 20), (5000, 40)])
def test_tiny_flat_and_narrow_pictures_have_features(size: tuple[int, int], engine: str) -> None:
    found = extract_features(Image.new("RGB", size, "navy"), engine)
    assert len(found.points) == 0
    assert (found.width, found.height) == size
    assert min(found.thumbnail.shape) >= 1


@pytest.mark.parametrize("make", [pictures.disc, pictures.noise, pictures.stripes, lambda: Image.new("RGB", (1, 1))])
def test_features_are_small_and_come_back_from_bytes(make: object) -> None:
    found = extract_features(make())  # type: ignore[operator]
    data = pack_features(found)
    assert len(data) < 40_000
    for one, two in zip(found, unpack_features(data), strict=True):
        np.testing.assert_array_equal(one, two)
        assert np.asarray(one).dtype == np.asarray(two).dtype


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "tail"])
def test_damaged_bytes_are_told(damage: str) -> None:
    data = pack_features(extract_features(pictures.noise()))
    damaged = {"empty": b"", "cut": data[:900], "other": b"\x89PNG" + data[4:], "tail": data[:-9]}[damage]
    with pytest.raises(StoredFileDamaged, match="compute them again"):
        unpack_features(damaged)


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(BadSetting, match=r"'surf'.*opencv, scikit-image"):
        extract_features(pictures.disc(), "surf")


def test_a_missing_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"nearkin\[duplicates\]"):
        extract_features(pictures.disc())


def test_without_opencv_the_other_engine_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "cv2" else find_spec(name))
    assert module.pick_engine("auto") == "scikit-image"


def test_importing_loads_neither_engine() -> None:
    code = "import sys, indexers.matching, indexers.matching.verification; print({'cv2', 'skimage'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
