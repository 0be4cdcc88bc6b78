"""torchvision's image classifiers without their last layer; the classics of ImageNet have names of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from indexers.devices import import_torch
from indexers.embedders import weights
from indexers.embedders.network import NetworkEmbedder
from indexers.embedders.transform import Transform, make_torchvision_transform
from indexers.errors import BadSetting, MissingPackage
from indexers.types import Json

_CLASSICS = {
    "alexnet": (4096, 256),
    "vgg16": (4096, 256),
    "vgg19": (4096, 256),
    "inception_v3": (2048, 342),
    "resnet18": (512, 256),
    "resnet34": (512, 256),
    "resnet50": (2048, 256),
    "resnet101": (2048, 256),
    "resnet152": (2048, 256),
}
"""Dimension and input size, known without importing torchvision."""
_INCEPTIONS = ("inception_v3", "googlenet")
"""Their published weights come from TensorFlow and need pixels from -1 to 1; if asked to, the network makes these from
torchvision's usual ones."""


class TorchVision(NetworkEmbedder):
    """The penultimate features of a classifier trained on ImageNet: the input of its last linear layer.

    These are the pooled features of ResNet-18 (512 numbers), ResNet-50 (2,048; He et al., CVPR 2016) and Inception v3
    (2,048); the second fully connected layer of VGG and AlexNet after its ReLU (4,096); the class token of a vision
    transformer; the normalised pooled features of ConvNeXt and Swin; 1,280 numbers of MobileNet.

    Settings:

    - `model`: a name of torchvision's;
    - `weights`: one of its published weights (such as "IMAGENET1K_V1"), a local file with the whole state_dict
      (.safetensors, .pt, .pth), or None for torchvision's default;
    - `precision`.

    In a collection: `resnet50`, `resnet50:IMAGENET1K_V1`, `resnet50:/path/to/file.pt`,
    `torchvision:densenet121`, `torchvision:densenet121//path/to/file.pt`.
    """

    name = "torchvision"
    licence = "BSD-3-Clause"
    packages = ("torch", "torchvision")
    _model: str | None = None

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(device, **settings)
        model, source = self.settings["model"], self.settings["weights"]
        if not isinstance(model, str) or not model:
            raise BadSetting("the embedder 'torchvision' needs the name of a model, as in 'torchvision:vgg16'")
        if source is not None and not isinstance(source, str):
            raise BadSetting(f"the weights of the embedder {self.name!r} are a name or a path; got {source!r}")
        if source is not None and weights.is_file_name(source):
            self.settings["weights"] = source = weights.make_absolute(source)
        if self._model not in (None, model):
            raise BadSetting(f"the embedder {self.name!r} is of the model {self._model!r}; use 'torchvision:{model}'")
        name = self._model or f"torchvision:{model}"
        self.name = name + (f"{':' if self._model else '/'}{source}" if source else "")

    @classmethod
    def defaults(cls) -> Json:
        return {"model": cls._model, "weights": None} | super().defaults()

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Read MODEL or MODEL/WEIGHTS; for an embedder of one model, only its weights."""
        if cls._model:
            return {"weights": argument}
        model, _, source = argument.partition("/")
        return {"model": model, "weights": source or None}

    # ---- facts, known before anything is loaded

    @property
    def dimension(self) -> int:  # type: ignore[override]
        model = self.settings["model"]
        return _CLASSICS[model][0] if model in _CLASSICS else _compute_dimension(model)

    @property
    def input_size(self) -> int:  # type: ignore[override]
        model = self.settings["model"]
        return _CLASSICS[model][1] if model in _CLASSICS else max(self.transform.resize)

    def make_transform(self) -> Transform:
        preset = self._find_published_weights().transforms()
        if not hasattr(preset, "resize_size"):
            raise BadSetting(f"{self.settings['model']!r} is no image classifier, so it can't be used as an embedder")
        return make_torchvision_transform(preset)

    def _find_published_weights(self) -> Any:
        """Return the published weights that the settings name, else the model's default.

        A local file is used with the transform of the default.
        """
        models, source = _import_models(), self.settings["weights"]
        _check_model(self.settings["model"])
        published = models.get_model_weights(self.settings["model"])
        if source is None or weights.is_file_name(source):
            return published.DEFAULT
        names = [
            name for name, entry in published.__members__.items() if entry.meta.get("categories")
        ]  # others lack layers
        if source not in names:
            raise BadSetting(
                f"the model {self.settings['model']!r} has no weights {source!r} of all its layers; it has: "
                f"{', '.join(names)}, or give the path of a file"
            )
        return published[source]

    # ---- weights

    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights' file; for an Inception, also how its pixels are made."""
        suffix = "-signed" if self.settings["model"] in _INCEPTIONS else ""
        return super().fingerprint() + suffix

    def find_weights(self, download: bool = True) -> Path:
        source = self.settings["weights"]
        if source is not None and weights.is_file_name(source):
            return weights.find_file(source, self.name)
        torch = import_torch()

        url = self._find_published_weights().url
        file = Path(urlsplit(url).path).name
        digest = file.rpartition("-")[2].partition(".")[0]
        try:
            return weights.fetch_from_url(url, Path(torch.hub.get_dir(), "checkpoints", file), digest, download)
        except OSError as error:
            name = f"{source or 'DEFAULT'} of torchvision's {self.settings['model']}"
            example = f"{self._model}:PATH" if self._model else "torchvision:MODEL/PATH"
            raise weights.make_error(self.name, name, [str(error)], f"weights= (in a name: {example})") from error

    def published_bytes(self) -> int | None:
        return int(self._find_published_weights().meta["_file_size"] * 2**20)

    def make_network(self) -> Any:
        network = _build_network(self.settings["model"])
        weights.fill_network(network, self.find_weights(), self.name)
        return remove_head(network)


class AlexNet(TorchVision):
    """4,096 numbers of the second fully connected layer of AlexNet (Krizhevsky, 2014), trained on ImageNet."""

    name = _model = "alexnet"


class VGG16(TorchVision):
    """4,096 numbers of the second fully connected layer of VGG-16 (Simonyan and Zisserman, ICLR 2015)."""

    name = _model = "vgg16"


class VGG19(TorchVision):
    """4,096 numbers of the second fully connected layer of VGG-19 (Simonyan and Zisserman, ICLR 2015)."""

    name = _model = "vgg19"


class InceptionV3(TorchVision):
    """2,048 pooled features of Inception v3 (Szegedy et al., CVPR 2016), of 299 x 299 pixels."""

    name = _model = "inception_v3"


class ResNet18(TorchVision):
    """512 pooled features of ResNet-18, trained on ImageNet."""

    name = _model = "resnet18"


class ResNet34(TorchVision):
    """512 pooled features of ResNet-34, trained on ImageNet."""

    name = _model = "resnet34"


class ResNet50(TorchVision):
    """2,048 pooled features of ResNet-50, trained on ImageNet."""

    name = _model = "resnet50"


class ResNet101(TorchVision):
    """2,048 pooled features of ResNet-101, trained on ImageNet."""

    name = _model = "resnet101"


class ResNet152(TorchVision):
    """2,048 pooled features of ResNet-152, trained on ImageNet."""

    name = _model = "resnet152"


def remove_head(network: Any) -> Any:
    """Return the network without its last linear layer (SqueezeNet: without the convolution that takes its place)."""
    import torch

    name, layer = _find_last_layer(network)
    parent = network.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], torch.nn.Identity())
    if isinstance(layer, torch.nn.Conv2d):  # the pooling after it stays
        return torch.nn.Sequential(network, torch.nn.Flatten())
    if hasattr(network, "AuxLogits"):  # Inception, GoogLeNet: needed in training only
        network.aux_logits = False
    return network


def _find_last_layer(network: Any) -> tuple[str, Any]:
    """Return the name and the module of the layer that computes the classes. Raises BadSetting."""
    import torch

    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    layers = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, kinds) and "aux" not in name.lower()
    ]
    if not layers:
        raise BadSetting(f"{type(network).__name__} has no classifier that could be removed")
    return layers[-1]


def _compute_dimension(model: str) -> int:
    """Return the width of the input of the last layer, from a network without memory for its weights."""
    torch = import_torch()

    with torch.device("meta"):
        _, layer = _find_last_layer(_build_network(model))
    return int(getattr(layer, "in_features", 0) or layer.in_channels)


def _build_network(model: str) -> Any:
    _check_model(model)
    models = _import_models()
    options = {"init_weights": False, "transform_input": True} if model in _INCEPTIONS else {}
    return models.get_model(model, weights=None, **options)


def _check_model(model: str) -> None:
    known = _import_models().list_models(module=_import_models())
    if model not in known:
        raise BadSetting(f"torchvision has no classifier {model!r}; it has: {', '.join(known)}")


def _import_models() -> Any:
    try:
        from torchvision import models
    except ImportError as error:
        raise MissingPackage(
            f"the embedders of torchvision need the package {error.name!r}: pip install 'nearkin[models]'"
        ) from error
    return models
