"""The transforms of open_clip, torchvision and timm, pixel for pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.embedders.transform import (
    FITS,
    Transform,
    make_open_clip_transform,
    make_timm_transform,
    make_torchvision_transform,
    name_fit,
    resize_whole,
)
from indexers.errors import BadSetting

SIZES = [(512, 512), (640, 401), (301, 97), (97, 301), (900, 1000), (700, 100), (100, 700), (13, 13), (2, 3), (1, 1)]


def picture(size: tuple[int, int], seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed)
    noise = Image.fromarray(random.integers(0, 256, (9, 11, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = random.integers(-20, 21, (*size[::-1], 3))
    return Image.fromarray(np.clip(np.asarray(noise, np.int16) + grain, 0, 255).astype(np.uint8))


def check(ours: Transform, theirs: Any, size: tuple[int, int]) -> None:
    image = picture(size)
    inputs, expected = ours.normalise([ours(image)])[0], theirs(image).numpy()
    assert inputs.shape == expected.shape
    assert inputs.dtype == np.float32
    np.testing.assert_allclose(inputs, expected, atol=2e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_open_clip(size: tuple[int, int], mode: str, interpolation: str) -> None:
    transform = pytest.importorskip("open_clip.transform")
    config = transform.PreprocessCfg(size=64, resize_mode=mode, interpolation=interpolation, fill_color=7)
    if mode == "longest" and min(size) * 64 < max(size):
        pytest.skip("they can't resize to no pixels")
    check(make_open_clip_transform(vars(config)), transform.image_transform_v2(config, is_train=False), size)


@pytest.mark.parametrize("size", SIZES)
def test_open_clip_not_square(size: tuple[int, int]) -> None:
    transform = pytest.importorskip("open_clip.transform")
    config = transform.PreprocessCfg(size=(48, 64))
    check(make_open_clip_transform(vars(config)), transform.image_transform_v2(config, is_train=False), size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", ["resnet50", "vit_b_16", "inception_v3", "efficientnet_v2_s", "swin_t"])
def test_torchvision(size: tuple[int, int], model: str) -> None:
    models = pytest.importorskip("torchvision.models")
    preset = models.get_model_weights(model).DEFAULT.transforms()
    check(make_torchvision_transform(preset), preset, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
@pytest.mark.parametrize("edges", [(64, 64), (48, 80)])
def test_timm(size: tuple[int, int], crop_mode: str, edges: tuple[int, int]) -> None:
    data = pytest.importorskip("timm.data")
    config = {
        "input_size": (3, *edges),
        "interpolation": "bicubic",
        "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.25, 0.3),
        "crop_pct": 0.9,
        "crop_mode": crop_mode,
    }
    check(make_timm_transform(config), data.create_transform(**config), size)


@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (40, 3000), (3000, 40)])
def test_a_strip_costs_no_more_than_a_square(size: tuple[int, int]) -> None:
    transform = Transform((64, 64), (64, 64), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    image = picture(size)
    cropped = transform(image)
    assert cropped.shape == (64, 64, 3)
    if min(size) > 1:
        factor = 64 / min(size)
        whole = image.resize((int(size[0] * factor), int(size[1] * factor)), Image.Resampling.BICUBIC)
        left, top = (round((edge - 64) / 2) for edge in whole.size)
        expected = np.asarray(whole.crop((left, top, left + 64, top + 64)), np.int16)
        assert np.abs(cropped - expected).max() <= 6  # of grain; Pillow keeps the box in single precision


# ---- other ways to fit a picture


SHAPES = [(400, 300), (300, 400), (900, 100), (64, 64), (1, 1), (1, 60_000), (60_000, 1)]


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("fit", [None, *FITS])
def test_every_fit_gives_the_same_input(size: tuple[int, int], mode: Any, fit: str | None) -> None:
    transform = Transform((72, 72), (64, 48), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), mode)
    assert transform.change_fit(fit)(Image.new("RGB", size)).shape == (64, 48, 3)


def test_a_fit_shows_what_it_says() -> None:
    """A white square between a red and a blue one."""
    strip = Image.new("RGB", (300, 100), "white")
    strip.paste((255, 0, 0), (0, 0, 100, 100))
    strip.paste((0, 0, 255), (200, 0, 300, 100))
    makers = Transform((80, 80), (64, 64), (0.5, 0.4, 0.2), (1, 1, 1))
    crop, pad, squash = (makers.change_fit(fit)(strip) for fit in ("crop", "pad", "squash"))
    assert np.array_equal(crop, makers(strip))
    assert (crop == 255).all()
    assert pad[0, 0].tolist() == pad[-1, -1].tolist() == [128, 102, 51]
    for pixels, rows in ((pad, slice(26, 38)), (squash, slice(0, 64))):
        assert pixels[rows, 2].reshape(-1, 3).tolist() == [[255, 0, 0]] * len(pixels[rows])
        assert pixels[rows, -3].reshape(-1, 3).tolist() == [[0, 0, 255]] * len(pixels[rows])
    assert makers.change_fit(None) is makers
    with pytest.raises(BadSetting, match="the fit 'stretch' is not known; give one of: crop, pad, squash"):
        makers.change_fit("stretch")


def test_a_whole_picture_keeps_its_proportions_and_its_cost() -> None:
    for width in range(30, 1300, 13):
        for size in ((width, 400), (400, width)):
            height, across, _ = resize_whole(Image.new("RGB", size), 224).shape
            assert 0.7 * 224 * 224 <= height * across <= 1.02 * 224 * 224
            assert height % 32 == across % 32 == 0
            ratio = min(max(size[0] / size[1], 1 / 3), 3)
            assert abs(np.log(across / height / ratio)) < np.log(7 / 6)
    assert resize_whole(Image.new("RGB", (500, 500)), 224).shape == (224, 224, 3)
    assert resize_whole(Image.new("RGB", (1, 60_000)), 224).shape == (384, 128, 3)


def test_a_fingerprint_names_the_fit() -> None:
    assert name_fit("abc", None) == "abc"
    assert name_fit("abc", "pad") == "abc-pad"


def test_is_written_and_read() -> None:
    import json

    transform = Transform((256, 256), (224, 200), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "squash", "lanczos", (1, 2, 3))
    assert Transform.from_dict(json.loads(json.dumps(transform.to_dict()))) == transform


@pytest.mark.parametrize(
    "change", [{"interpolation": "best"}, {"mode": "other"}, {"std": (0, 1, 1)}, {"crop": (0, 3)}, {"colour": 1}]
)
def test_nonsense_is_refused(change: dict[str, Any]) -> None:
    good = Transform((8, 8), (8, 8), (0, 0, 0), (1, 1, 1)).to_dict()
    with pytest.raises(BadSetting, match="transform"):
        Transform.from_dict(good | change)
