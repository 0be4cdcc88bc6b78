"""torchvision's classifiers of pictures without their last layer, the classics of ImageNet by names of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from indexers.embedders import weights
from indexers.embedders.network import NetworkEmbedder
from indexers.embedders.transform import Transform, make_torchvision_transform
from indexers.errors import BadSetting, MissingPackage
from indexers.types import Json

_KNOWN = {
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
"""Dimension and input size, for which torchvision need not be imported."""
_INCEPTIONS = ("inception_v3", "googlenet")
"""Their published weights come from TensorFlow, and want pixels from -1 to 1: the network makes them of torchvision's
usual ones, if told."""


class TorchVision(NetworkEmbedder):
    """The penultimate features of a classifier trained on ImageNet: what goes into its last linear layer.

    So 512 numbers of ResNet-18 and 2,048 of ResNet-50 (He et al., CVPR 2016) and of Inception v3, the pooled features;
    4,096 of VGG and AlexNet, the second of their fully connected layers, after its ReLU; the class token of a vision
    transformer; the normalised pooled features of ConvNeXt and Swin; 1,280 of MobileNet.

    Settings: `model`, a name of torchvision's; `weights`: one of its published weights (such as "IMAGENET1K_V1"), a
    local file with the whole state_dict (.safetensors, .pt, .pth), or None, which is torchvision's own choice;
    `precision`.

    In a collection: `resnet50`, `resnet50:IMAGENET1K_V1`, `resnet50:/path/to/file.pt`,
    `torchvision:densenet121`, `torchvision:densenet121//path/to/file.pt`.
    """

    name = "torchvision"
    licence = "BSD-3-Clause"
    packages = ("torch", "torchvision")
    _model: str | None = None

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(device, **settings)
        model, wanted = self.settings["model"], self.settings["weights"]
        if not isinstance(model, str) or not model:
            raise BadSetting("the embedder 'torchvision' needs the name of a model, as in 'torchvision:vgg16'")
        if wanted is not None and not isinstance(wanted, str):
            raise BadSetting(f"the weights of the embedder {self.name!r} are a name or a path; got {wanted!r}")
        if wanted is not None and weights.is_file_name(wanted):
            self.settings["weights"] = weights.make_absolute(wanted)
        if self._model not in (None, model):
            raise BadSetting(f"the embedder {self.name!r} is of the model {self._model!r}; use 'torchvision:{model}'")
        own, weight = self._model or f"torchvision:{model}", self.settings["weights"]
        self.name = own + (f"{':' if self._model else '/'}{weight}" if weight else "")

    @classmethod
    def defaults(cls) -> Json:
        return {"model": cls._model, "weights": None} | super().defaults()

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """MODEL or MODEL/WEIGHTS; of a model with a name of its own, its weights."""
        if cls._model:
            return {"weights": argument}
        model, _, wanted = argument.partition("/")
        return {"model": model, "weights": wanted or None}

    # ---- what is known before anything is loaded

    @property
    def dimension(self) -> int:  # type: ignore[override]
        model = self.settings["model"]
        return _KNOWN[model][0] if model in _KNOWN else _compute_dimension(model)

    @property
    def input_size(self) -> int:  # type: ignore[override]
        model = self.settings["model"]
        return _KNOWN[model][1] if model in _KNOWN else max(self.transform.resize)

    def make_transform(self) -> Transform:
        preset = self._find_published_weights().transforms()
        if not hasattr(preset, "resize_size"):
            raise BadSetting(f"{self.settings['model']!r} is no classifier of pictures, and can't be used as embedder")
        return make_torchvision_transform(preset)

    def _find_published_weights(self) -> Any:
        """The published weights: those that were asked for, or the model's default (a local file is used with its
        transform)."""
        models, wanted = _import_models(), self.settings["weights"]
        _check_model(self.settings["model"])
        every = models.get_model_weights(self.settings["model"])
        if wanted is None or weights.is_file_name(wanted):
            return every.DEFAULT
        whole = [name for name, one in every.__members__.items() if one.meta.get("categories")]  # some lack layers
        if wanted not in whole:
            raise BadSetting(
                f"the model {self.settings['model']!r} has no weights {wanted!r} of all its layers; it has: "
                f"{', '.join(whole)}, or give the path of a file"
            )
        return every[wanted]

    # ---- weights

    def fingerprint(self) -> str:
        """The SHA-256 of the weights' file; of an Inception, also how its pixels are made."""
        made = "-signed" if self.settings["model"] in _INCEPTIONS else ""
        return super().fingerprint() + made

    def find_weights(self, download: bool = True) -> Path:
        wanted = self.settings["weights"]
        if wanted is not None and weights.is_file_name(wanted):
            return weights.find_file(wanted, self.name)
        import torch

        url = self._find_published_weights().url
        file = Path(urlsplit(url).path).name
        digest = file.rpartition("-")[2].partition(".")[0]
        try:
            return weights.fetch_from_url(url, Path(torch.hub.get_dir(), "checkpoints", file), digest, download)
        except OSError as error:
            what = f"{wanted or 'DEFAULT'} of torchvision's {self.settings['model']}"
            name = f"{self._model}:PATH" if self._model else "torchvision:MODEL/PATH"
            raise weights.make_error(self.name, what, [str(error)], f"weights= (in a name: {name})") from error

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
    """The network without its last linear layer (SqueezeNet: without the convolution that takes its place)."""
    import torch

    name, layer = _find_last_layer(network)
    parent = network.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], torch.nn.Identity())
    if isinstance(layer, torch.nn.Conv2d):  # the pooling after it stays
        return torch.nn.Sequential(network, torch.nn.Flatten())
    if hasattr(network, "AuxLogits"):  # Inception, GoogLeNet: helpers of training
        network.aux_logits = False
    return network


def _find_last_layer(network: Any) -> tuple[str, Any]:
    import torch

    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    tops = [
        (name, one) for name, one in network.named_modules() if isinstance(one, kinds) and "aux" not in name.lower()
    ]
    if not tops:
        raise BadSetting(f"{type(network).__name__} has no classifier that could be left out")
    return tops[-1]


def _compute_dimension(model: str) -> int:
    """What goes into the last layer, of a network without memory."""
    import torch

    with torch.device("meta"):
        _, layer = _find_last_layer(_build_network(model))
    return int(getattr(layer, "in_features", 0) or layer.in_channels)


def _build_network(model: str) -> Any:
    _check_model(model)
    models = _import_models()
    extra = {"init_weights": False, "transform_input": True} if model in _INCEPTIONS else {}
    return models.get_model(model, weights=None, **extra)


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
