"""Models of timm: their features without the classifier, by their names there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers import plugins
from indexers.embedders.timm import Timm
from indexers.errors import BadSetting
from tests.support.networks import PICTURES, NetworkContract, read_facts, shake_batch_norms, timm, torch

pytestmark = pytest.mark.usefixtures("one_core")


class TestTimm(NetworkContract):
    model = "timm"


@pytest.mark.parametrize("model", ["test_efficientnet", "test_convnext", "test_nfnet", "mobilenetv3_small_050"])
def test_timms_models_lose_their_classifier(model: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = timm.create_model(model).eval()
    shake_batch_norms(whole)
    for name, tensors in (("whole", whole.state_dict()), ("headless", without_head(whole))):
        torch.save(tensors, tmp_path / f"{name}.pt")
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(whole))
    with torch.inference_mode():
        features = whole.forward_features(torch.stack([transform(picture) for picture in PICTURES]))
        expected = whole.forward_head(features, pre_logits=True).numpy()
    for name in ("whole.pt", "headless.pt"):
        embedder = Timm(model=model, weights=str(tmp_path / name), precision="fp32", device="cpu")
        np.testing.assert_allclose(embedder.embed(PICTURES), expected, atol=3e-5 * np.abs(expected).max())


def without_head(model: Any) -> dict[str, Any]:
    heads = model.pretrained_cfg["classifier"]
    return {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(heads)}


@pytest.mark.parametrize(
    ("name", "model", "weights"),
    [
        ("timm:resnet26d", "resnet26d", None),
        ("timm:resnet26d.bt_in1k", "resnet26d.bt_in1k", None),
        ("timm:resnet26d//somewhere/mine.pt", "resnet26d", "/somewhere/mine.pt"),
    ],
)
def test_a_name_says_model_and_weights(name: str, model: str, weights: str | None) -> None:
    embedder = plugins.load_member("nearkin.embedders", name)()
    assert (embedder.settings["model"], embedder.settings["weights"]) == (model, weights)
    assert embedder.name == name


def test_the_dimension_and_the_licence_are_timms_own() -> None:
    embedder = Timm(model="resnet26d.bt_in1k")
    assert (embedder.dimension, embedder.licence) == (2048, "apache-2.0")
    assert Timm(model="mobilenetv3_small_050").dimension == 1024  # of the layer before the classifier


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("timm", {}, "name of a model, as in 'timm:"),
        ("timm", {"model": 3}, "name of a model, as in 'timm:"),
        ("timm:resnet26d", {"weights": 3}, "weights of the embedder 'timm' are the path of a file; got 3"),
        ("timm:resnet7", {}, "no model 'resnet7'"),
        ("timm:resnet50.no_such", {}, "no weights 'resnet50.no_such'; it has: .*resnet50.a1_in1k"),
    ],
)
def test_what_timm_does_not_have_is_refused_by_name(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        read_facts(name, **settings)
