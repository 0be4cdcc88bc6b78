"""Embedders of one torch network: the vectors of the model itself, from a name and settings alone."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers import plugins
from indexers.embedders import engines, network
from indexers.embedders.clip import Clip
from indexers.embedders.network import LazyExport, check_precision, choose_engine, make_input, make_samples
from indexers.embedders.timm import Timm
from indexers.embedders.torchvision import ResNet18, TorchVision
from indexers.embedders.transform import Floats, Transform
from indexers.errors import BadSetting, UnknownPlugin, WeightsUnavailable
from tests.support.networks import (
    PICTURES,
    RESNET18_FILE,
    Original,
    Originals,
    read_facts,
    save_file,
    torch,
    torchvision,
)

pytestmark = pytest.mark.usefixtures("one_core")


def test_vectors_are_the_models_own(original: Original) -> None:
    vectors = original.share_ours("fp32").embed(PICTURES)
    lengths = np.linalg.norm(original.vectors, axis=1)
    assert (np.linalg.norm(vectors - original.vectors, axis=1) <= 1e-5 * lengths).all()


def test_other_weights_have_another_fingerprint(originals: Originals, tmp_path: Path) -> None:
    embedder = originals["resnet18"].make_ours()
    save_file(torchvision.models.resnet18().state_dict(), tmp_path / "b.safetensors")
    assert embedder.fingerprint() != ResNet18(weights=str(tmp_path / "b.safetensors")).fingerprint()
    path = str(originals.folder / RESNET18_FILE)
    assert embedder.fingerprint() == ResNet18(weights=path, precision="bf16").fingerprint()


def test_weights_of_another_model_are_refused(originals: Originals) -> None:
    path = str(originals.folder / RESNET18_FILE)
    for embedder in (
        TorchVision(model="resnet50", weights=path),
        Timm(model="test_vit", weights=path),
        Clip(pretrained=path),
    ):
        with pytest.raises(WeightsUnavailable, match="of another network"):
            embedder.embed([Image.new("RGB", (9, 9))])


def test_what_is_missing_is_told_without_a_download(originals: Originals, tmp_path: Path) -> None:
    assert originals["resnet18"].make_ours().missing() == ""
    gone = ResNet18(weights=str(tmp_path / "gone.pt"))
    assert gone.missing() == "the file of its weights is missing"
    assert gone.weights_bytes() == ResNet18().published_bytes()


def test_the_size_of_the_weights_is_that_of_their_file(originals: Originals) -> None:
    embedder = originals["resnet18"].make_ours()
    assert embedder.weights_bytes() == (originals.folder / RESNET18_FILE).stat().st_size


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("clip", {"precision": "fp8"}, "'fp8' is not known; give one of: auto, fp32, bf16, int8"),
        ("clip", {"device": "gpu"}, "device 'gpu'"),
    ],
)
def test_an_unknown_precision_or_device_is_refused_by_name(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        read_facts(name, **settings)


@pytest.mark.parametrize("precision", [None, 32, "FP32", ""])
def test_a_precision_is_one_of_four_words(precision: object) -> None:
    with pytest.raises(BadSetting, match="is not known; give one of: auto, fp32, bf16, int8"):
        check_precision(precision)


def test_an_unknown_family_is_refused_whatever_its_argument() -> None:
    with pytest.raises(UnknownPlugin, match="no embedder 'klip'"):
        plugins.find_member("nearkin.embedders", "klip:ViT-B-32")


def test_constructing_and_naming_one_loads_no_torch() -> None:
    script = (
        "import sys; from indexers import plugins\n"
        "for name in ['clip', 'clip:ViT-L-14', 'resnet50', 'torchvision:vgg16', 'timm:resnet26d', 'onnx:a.onnx']:\n"
        "    plugins.load_member('nearkin.embedders', name)()\n"
        "for name in ['clip', 'alexnet', 'vgg16', 'vgg19', 'inception_v3', 'resnet50']:\n"
        "    embedder = plugins.load_member('nearkin.embedders', name)()\n"
        "    embedder.dimension; name == 'clip' or embedder.input_size\n"
        "sys.exit(bool({'torch', 'timm', 'open_clip', 'torchvision', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# ---- choosing an engine


class Coarse(engines.Torch):
    """Rounds its vectors to halves."""

    def run(self, pixels: Floats, threads: int | None = None) -> Floats:
        return np.round(super().run(pixels, threads) * 2)


def test_auto_passes_over_what_is_too_coarse_or_fails(original: Original, monkeypatch: pytest.MonkeyPatch) -> None:
    def iterate_makers(precision: str, model: Any, device: Any, exported: Any) -> Iterator[Any]:
        yield lambda: 1 / 0
        yield lambda: Coarse(model, device)
        yield lambda: engines.Torch(model, device)

    monkeypatch.setattr(network, "iterate_engine_makers", iterate_makers)
    assert type(original.make_ours().engine()) is engines.Torch


def test_the_first_engine_that_agrees_is_taken_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    example = np.random.default_rng(0).standard_normal((4, 3, 2, 2), dtype=np.float32)
    exact, coarse = engines.Torch(model, "cpu"), Coarse(model, "cpu")
    never = engines.Torch(model, "cpu")
    with caplog.at_level(logging.DEBUG, "nearkin"):
        engine = choose_engine([lambda: coarse, lambda: exact, lambda: never], example, exact.run(example), "mine")
    assert engine is exact
    assert caplog.messages[0].startswith("the embedder mine: torch fp32 on cpu is too coarse")
    assert "cosine to full precision 1.00000" in caplog.messages[1]


def test_the_last_engine_is_taken_as_it_is() -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    example = np.ones((1, 3, 2, 2), np.float32)
    coarse = Coarse(model, "cpu")
    assert choose_engine([lambda: coarse], example, np.full((1, 3), np.nan, np.float32), "mine") is coarse


def test_a_network_is_exported_once_and_only_when_needed() -> None:
    pytest.importorskip("onnx")
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3)).eval()
    export = LazyExport(model, np.zeros((2, 3, 2, 2), np.float32))
    assert export() is export()


def test_the_samples_differ_and_become_the_input_of_a_network() -> None:
    samples = make_samples()
    assert len({sample.tobytes() for sample in samples}) == 4
    assert {sample.size for sample in samples} == {(300, 300)}
    transform = Transform((8, 10), (8, 10), (0, 0, 0), (1, 1, 1), "squash")
    inputs = make_input(transform)
    assert (inputs.shape, inputs.dtype) == ((4, 3, 8, 10), np.float32)
    assert inputs.min() >= 0
    assert inputs.max() <= 1.0001
