"""The stored features of a picture: the same whatever its size, small, and readable again."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from indexers.errors import BadSetting, MissingPackage, StoredFileDamaged
from indexers.matching import features as module
from indexers.matching.features import (
    DETAIL,
    MAX_POINTS,
    Features,
    decode_detail,
    extract_features,
    pack_features,
    unpack_features,
)
from indexers.matching.geometry import match_descriptors
from tests.support import pictures
from tests.support.photographs import load_photograph

ENGINES = {"opencv": "cv2", "numpy": "numpy"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    if find_spec(ENGINES[request.param]) is None:
        pytest.skip(f"{ENGINES[request.param]} is not installed")
    return request.param


def count_matches(a: Features, b: Features) -> int:
    return len(match_descriptors(a.descriptors, b.descriptors)[0])


def test_shapes_and_types_are_as_promised(engine: str) -> None:
    extracted = extract_features(load_photograph("coffee"), engine)
    assert extracted.points.dtype == np.float32
    assert extracted.points.shape == (len(extracted.points), 2)
    assert extracted.descriptors.shape == (len(extracted.points), 32)
    assert 200 < len(extracted.points) <= MAX_POINTS
    assert (extracted.width, extracted.height) == (600, 400)
    assert extracted.size == (512, 341)
    assert (extracted.points >= 0).all()
    assert (extracted.points <= extracted.size).all()
    assert extracted.thumbnail.shape == (64, 96)
    assert extracted.colours.shape == (16, 24, 2)
    assert extracted.chroma > 10


def test_a_copy_of_half_the_size_has_the_same_points(engine: str) -> None:
    picture = load_photograph()
    assert count_matches(extract_features(picture, engine), extract_features(picture.resize((256, 256)), engine)) > 150


def test_another_picture_has_not(engine: str) -> None:
    assert (
        count_matches(extract_features(load_photograph(), engine), extract_features(load_photograph("coffee"), engine))
        < 30
    )


def test_both_engines_speak_of_the_same_bits() -> None:
    for package in ENGINES.values():
        pytest.importorskip(package)
    assert count_matches(*(extract_features(load_photograph(), engine) for engine in ENGINES)) > 100


def test_the_same_picture_gives_the_same_features(engine: str) -> None:
    picture = pictures.noise(3)
    for left, right in zip(extract_features(picture, engine), extract_features(picture, engine), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (2, 3), (33, 20), (5000, 40)])
def test_tiny_flat_and_narrow_pictures_have_features(size: tuple[int, int], engine: str) -> None:
    extracted = extract_features(Image.new("RGB", size, "navy"), engine)
    assert len(extracted.points) == 0
    assert (extracted.width, extracted.height) == size
    assert min(extracted.thumbnail.shape) >= 1


@pytest.mark.parametrize("make", [pictures.disc, pictures.noise, pictures.stripes, lambda: Image.new("RGB", (1, 1))])
def test_features_are_small_and_come_back_from_bytes(make: object) -> None:
    extracted = extract_features(make())  # type: ignore[operator]
    data = pack_features(extracted)
    assert len(data) < 28_000
    for left, right in zip(extracted, unpack_features(data), strict=True):
        np.testing.assert_array_equal(left, right)
        assert np.asarray(left).dtype == np.asarray(right).dtype


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "tail"])
def test_damaged_bytes_are_told(damage: str) -> None:
    data = pack_features(extract_features(pictures.noise()))
    damaged = {"empty": b"", "cut": data[:900], "other": b"\x89PNG" + data[4:], "tail": data[:-9]}[damage]
    with pytest.raises(StoredFileDamaged, match="compute them again"):
        unpack_features(damaged)


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(BadSetting, match=r"'surf'.*opencv, numpy"):
        extract_features(pictures.disc(), "surf")


def test_a_missing_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"nearkin\[duplicates\]"):
        extract_features(pictures.disc(), "opencv")


def test_without_opencv_the_other_engine_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert module.pick_engine("auto") == "numpy"


def test_importing_loads_neither_engine() -> None:
    code = "import sys, indexers.matching, indexers.matching.verification; print({'cv2', 'skimage'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_features_that_unpack_to_gigabytes_are_refused() -> None:
    packed = pack_features(extract_features(Image.linear_gradient("L").convert("RGB").resize((40, 30))))
    unpacked = unpack_features(packed)
    assert unpacked.thumbnail.shape == (72, 96)
    start = packed.index(unpacked.detail)
    huge = io.BytesIO()
    Image.new("L", (20_000, 20_000)).save(huge, "JPEG", quality=5)
    for picture in (huge.getvalue(), b"", unpacked.detail[:200], b"\xff\xd8\xff" + bytes(500)):
        with pytest.raises(StoredFileDamaged, match="compute them again"):
            unpack_features(packed[:start] + picture)


@pytest.mark.parametrize("make", [pictures.noise, lambda: load_photograph("coffee"), pictures.stripes])
def test_the_stored_picture_is_small_and_shows_strokes(make: Callable[[], Image.Image]) -> None:
    extracted = extract_features(make())
    assert len(extracted.detail) <= 8192
    detail = decode_detail(extracted)
    assert max(detail.shape) == DETAIL
    expected = make().convert("L").resize(detail.shape[::-1], Image.Resampling.BICUBIC)
    assert np.corrcoef(detail.ravel(), np.asarray(expected).ravel())[0, 1] > 0.8
