"""Small networks with random weights in files: each as its makers use it, and our embedder of the same weights."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from indexers import plugins
from indexers.embedders import weights
from indexers.embedders.base import Embedder
from indexers.embedders.clip import Clip
from indexers.embedders.export import export_onnx
from indexers.embedders.network import NetworkEmbedder
from indexers.embedders.timm import Timm
from indexers.embedders.torchvision import ResNet18
from indexers.testing import EmbedderContract
from indexers.types import Vectors
from tests.support.embedders import SharedContract, check_name_and_settings

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
timm = pytest.importorskip("timm")
open_clip = pytest.importorskip("open_clip")
save_file = pytest.importorskip("safetensors.torch").save_file

CLIP_CONFIG = {
    "model_cfg": {
        "embed_dim": 48,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.25]},
}
RESNET18_FILE, TIMM_FILE, TIMM_MODEL = "resnet18.safetensors", "timm.pt", "test_vit"
PICTURES = EmbedderContract().pictures()


def write_weights(folder: Path) -> None:
    """Write random weights of the three models to files."""
    torch.manual_seed(0)
    (folder / "clip").mkdir()
    (folder / "clip" / "open_clip_config.json").write_text(json.dumps(CLIP_CONFIG))
    clip = open_clip.CLIP(**{**CLIP_CONFIG["model_cfg"]})
    save_file(clip.state_dict(), folder / "clip" / "open_clip_model.safetensors")
    resnet = torchvision.models.resnet18()
    shake_batch_norms(resnet)
    save_file(resnet.state_dict(), folder / RESNET18_FILE)
    vit = timm.create_model(TIMM_MODEL)
    torch.save(vit.state_dict(), folder / TIMM_FILE)


def shake_batch_norms(model: Any) -> None:
    """Give batch normalisations something to normalise with."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.weight, 1, 0.1)
            torch.nn.init.normal_(module.bias, 0, 0.1)


class Original:
    """A model with its own transform, as its makers use it, and our embedders of the same weights."""

    def __init__(
        self, embedder_class: type[NetworkEmbedder], settings: dict[str, Any], network: Any, transform: Any
    ) -> None:
        self.embedder_class, self.settings = embedder_class, settings
        self.network, self.transform = network, transform
        self._shared: dict[str, NetworkEmbedder] = {}

    def embed(self, pictures: list[Image.Image]) -> Vectors:
        with torch.inference_mode():
            vectors: Vectors = self.network(torch.stack([self.transform(picture) for picture in pictures])).numpy()
        return vectors

    @cached_property
    def vectors(self) -> Vectors:
        """The vectors of PICTURES."""
        return self.embed(PICTURES)

    def make_ours(self, **settings: Any) -> NetworkEmbedder:
        """Return a new embedder of ours, which has loaded nothing."""
        return self.embedder_class(device="cpu", **self.settings | settings)

    def share_ours(self, precision: str) -> NetworkEmbedder:
        """Return the embedder of ours in that precision that all tests share, so that its network loads once."""
        if precision not in self._shared:
            self._shared[precision] = self.make_ours(precision=precision)
        return self._shared[precision]


def load_clip(folder: Path) -> Original:
    name = f"local-dir:{folder / 'clip'}"
    model, _, transform = open_clip.create_model_and_transforms(name, pretrained_text=False)
    return Original(Clip, {"model": str(folder / "clip")}, model.eval().encode_image, transform)


def load_resnet18(folder: Path) -> Original:
    model = torchvision.models.resnet18().eval()
    model.load_state_dict(weights.read_tensors(folder / RESNET18_FILE, "resnet18"))
    model.fc = torch.nn.Identity()
    transform = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
    return Original(ResNet18, {"weights": str(folder / RESNET18_FILE)}, model, transform)


def load_timm(folder: Path) -> Original:
    model = timm.create_model(TIMM_MODEL, num_classes=0).eval()
    model.load_state_dict(weights.read_tensors(folder / TIMM_FILE, "timm"), strict=False)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    return Original(Timm, {"model": TIMM_MODEL, "weights": str(folder / TIMM_FILE)}, model, transform)


class Originals:
    """The models by name, and their ONNX files, each made once."""

    loaders: ClassVar = {"clip": load_clip, "resnet18": load_resnet18, "timm": load_timm}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_weights(folder)
        self._loaded: dict[str, Original] = {}

    def __getitem__(self, name: str) -> Original:
        if name not in self._loaded:
            self._loaded[name] = self.loaders[name](self.folder)
        return self._loaded[name]

    def export(self, name: str, int8: bool = False) -> Path:
        """Return the ONNX file of a model."""
        path = self.folder / f"{name}{'-int8' * int8}.onnx"
        return path if path.exists() else export_onnx(self[name].make_ours(), path, int8)


class NetworkContract(SharedContract):
    """The contract for one of the models in full precision. The name of its embedder may carry an argument."""

    model = ""

    @pytest.fixture(autouse=True)
    def _find_original(self, originals: Originals) -> None:
        self.original = originals[self.model]

    def make(self) -> Embedder:
        return self.original.make_ours(precision="fp32")

    def share(self) -> Embedder:
        return self.original.share_ours("fp32")

    def test_its_name_and_settings_make_it_again(self) -> None:
        check_name_and_settings(self)


def read_facts(name: str, **settings: Any) -> tuple[int, str]:
    """Return the dimension and the fingerprint of an embedder, which need its model and its weights."""
    embedder = plugins.load_member("nearkin.embedders", name)(**settings)
    return embedder.dimension, embedder.fingerprint()
