"""torchvision's classifiers: the features before the last layer; the classics by names of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers import plugins
from indexers.embedders import weights
from indexers.embedders.torchvision import TorchVision, remove_head
from indexers.errors import BadSetting
from tests.support.networks import (
    PICTURES,
    NetworkContract,
    read_facts,
    save_file,
    shake_batch_norms,
    torch,
    torchvision,
)

pytestmark = pytest.mark.usefixtures("one_core")


class TestResNet18(NetworkContract):
    model = "resnet18"


@pytest.mark.parametrize(
    "model",
    [
        "alexnet",  # VGG's last layers are the same, and twice as large
        "inception_v3",
        "googlenet",
        "mobilenet_v3_small",
        "squeezenet1_1",
        "densenet121",
        "convnext_tiny",
    ],
)
def test_torchvisions_classifiers_lose_their_last_layer(model: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    inception = {"init_weights": False, "aux_logits": True, "transform_input": True}  # as with published weights
    options = inception if model in ("inception_v3", "googlenet") else {}
    whole = torchvision.models.get_model(model, weights=None, **options)
    shake_batch_norms(whole)
    save_file(whole.state_dict(), tmp_path / "a.safetensors")
    embedder = TorchVision(model=model, weights=str(tmp_path / "a.safetensors"), device="cpu", precision="fp32")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (260, 270, 3), dtype=np.uint8))
    vector = embedder.embed([picture])
    assert vector.shape == (1, embedder.dimension)
    digest = weights.hash_file(tmp_path / "a.safetensors")  # the Inceptions once were given other pixels
    assert (embedder.fingerprint() == digest) == (model not in ("inception_v3", "googlenet"))
    layers = [
        module for name, module in whole.named_modules() if isinstance(module, torch.nn.Linear) and "aux" not in name
    ]
    if layers:  # the removed layer makes the classes of these features
        transform = torchvision.models.get_model_weights(model).DEFAULT.transforms()
        with torch.inference_mode():
            expected = whole.eval()(transform(picture)[None])
            np.testing.assert_allclose(layers[-1](torch.from_numpy(vector)), expected, rtol=1e-3, atol=1e-4)


CLASSICS = {"alexnet": 4096, "vgg16": 4096, "vgg19": 4096, "inception_v3": 2048, "resnet18": 512, "resnet34": 512}
CLASSICS |= {"resnet50": 2048, "resnet101": 2048, "resnet152": 2048}


@pytest.mark.parametrize("name", CLASSICS)
def test_the_classics_of_torchvision_have_names_of_their_own(name: str) -> None:
    embedder = plugins.load_member("nearkin.embedders", name)(device="cpu")
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    assert embedder.name == name
    assert preset.crop_size[0] <= embedder.input_size == pytest.approx(preset.resize_size[0], rel=0.15)
    pixels = embedder.transform.normalise([embedder.prepare(picture) for picture in PICTURES])
    expected = torch.stack([preset(picture) for picture in PICTURES]).numpy()
    np.testing.assert_allclose(pixels, expected, atol=1e-5)
    options = {"init_weights": False} if name == "inception_v3" else {}
    with torch.device("meta"):  # weightless
        network = remove_head(torchvision.models.get_model(name, **options)).eval()
        assert network(torch.from_numpy(pixels).to("meta")).shape == (len(PICTURES), embedder.dimension)
    assert embedder.dimension == CLASSICS[name]


def test_a_network_without_a_classifier_is_refused() -> None:
    with pytest.raises(BadSetting, match="ReLU has no classifier that could be removed"):
        remove_head(torch.nn.ReLU())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("resnet18", {"model": "b"}, "is of the model 'resnet18'; use 'torchvision:b'"),
        ("resnet18:b", {}, "no weights 'b' of all its layers; it has: IMAGENET1K_V1"),
        ("torchvision:vgg16/b", {}, "no weights 'b' of all its layers; it has: IMAGENET1K_V1"),
        ("resnet18", {"weights": "IMAGENET7"}, "no weights 'IMAGENET7' of all its layers; it has: IMAGENET1K_V1"),
        (
            "vgg16:IMAGENET1K_FEATURES",
            {},
            "no weights 'IMAGENET1K_FEATURES' of all its layers; it has: IMAGENET1K_V1, D",
        ),
        ("vgg19", {"model": "vgg16"}, "is of the model 'vgg19'; use 'torchvision:vgg16'"),
        ("resnet18", {"weights": 3}, "weights of the embedder 'resnet18' are a name or a path; got 3"),
        ("torchvision", {}, "name of a model, as in 'torchvision:vgg16'"),
        ("torchvision:vgg7", {}, "no classifier 'vgg7'; it has: .*vgg16"),
        ("torchvision:raft_large", {}, "no classifier 'raft_large'"),
    ],
)
def test_what_torchvision_does_not_have_is_refused_by_name(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        read_facts(name, **settings)
