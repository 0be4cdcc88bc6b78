"""Any model of timm, by its name there: `timm:vit_small_patch14_dinov2.lvd142m`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from indexers.devices import import_torch
from indexers.embedders import weights
from indexers.embedders.network import NetworkEmbedder
from indexers.embedders.transform import Transform, make_timm_transform
from indexers.errors import BadSetting, MissingPackage
from indexers.types import Json

_FILES = ("model.safetensors", "pytorch_model.bin")


class Timm(NetworkEmbedder):
    """The features of a model of timm without its classifier (`num_classes=0`), with its own data configuration.

    Settings:

    - `model`: a name of timm's, which may end in the tag of its weights;
    - `weights`: a local file with the state_dict (.safetensors, .pt, .pth, .bin; with or without the classifier)
      instead of the published weights;
    - `precision`.

    In a collection: `timm:resnet26d`, `timm:resnet26d.bt_in1k`, `timm:resnet26d//path/to/file.safetensors`.
    """

    name = "timm"
    packages = ("torch", "timm")

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(device, **settings)
        model, path = self.settings["model"], self.settings["weights"]
        if not isinstance(model, str) or not model:
            raise BadSetting("the embedder 'timm' needs the name of a model, as in 'timm:mobilenetv3_small_100'")
        if path is not None and not isinstance(path, str):
            raise BadSetting(f"the weights of the embedder {self.name!r} are the path of a file; got {path!r}")
        if path is not None:
            self.settings["weights"] = path = weights.make_absolute(path)
        self.name = f"timm:{model}/{path}" if path else f"timm:{model}"

    @classmethod
    def defaults(cls) -> Json:
        return {"model": None, "weights": None} | super().defaults()

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Read MODEL, MODEL.TAG or MODEL/PATH."""
        model, _, path = argument.partition("/")
        return {"model": model, "weights": path or None}

    @cached_property
    def _skeleton(self) -> Any:
        """The network without memory for its weights, for its facts."""
        torch = import_torch()

        with torch.device("meta"):
            return _build_network(self.settings["model"])

    @property
    def dimension(self) -> int:  # type: ignore[override]
        return int(getattr(self._skeleton, "head_hidden_size", None) or self._skeleton.num_features)

    @property
    def input_size(self) -> int:  # type: ignore[override]
        return max(self.transform.resize)

    @property
    def licence(self) -> str:  # type: ignore[override]
        licence = self._skeleton.pretrained_cfg.get("license")
        return str(licence) if licence else "see the model's page"

    def make_transform(self) -> Transform:
        return make_timm_transform(_import_timm().data.resolve_model_data_config(self._skeleton))

    def find_weights(self, download: bool = True) -> Path:
        if self.settings["weights"]:
            return weights.find_file(self.settings["weights"], self.name)
        config, reasons = self._skeleton.pretrained_cfg, []
        for fetch in _list_sources(config, download):
            try:
                return fetch()
            except OSError as error:
                reasons.append(str(error))
        name = f"{config.get('tag') or 'default'} of timm's {self.settings['model']}"
        reasons = reasons or ["none are published"]
        raise weights.make_error(self.name, name, reasons, "weights= (in a name: timm:MODEL/PATH)")

    def make_network(self) -> Any:
        path = self.find_weights()
        tensors = weights.read_tensors(path, self.name)
        is_headless = not any(_is_head(name, self._skeleton.pretrained_cfg) for name in tensors)
        # through timm's own loader, which knows older names of tensors; strict, as long as the classes agree
        config: Json = {"state_dict": tensors, "custom_load": False}
        if is_headless:
            config |= {"num_classes": 0, "classifier": None}
        model = self.settings["model"]
        network = weights.load_or_refuse(lambda: _build_network(model, config, is_headless), path, self.name)
        network.pretrained_cfg.pop("state_dict", None)
        return network


def _list_sources(config: Json, download: bool) -> list[Callable[[], Path]]:
    """Return functions that fetch the weights from where timm's own configuration says that they are."""
    sources: list[Callable[[], Path]] = []
    if hub := config.get("hf_hub_id"):
        names = (config["hf_hub_filename"],) if config.get("hf_hub_filename") else _FILES
        sources.append(lambda: weights.fetch_from_hub(hub, names, download))
    if url := config.get("url"):
        torch = import_torch()

        target = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(url).path).name)
        sources.append(lambda: weights.fetch_from_url(url, target, "", download))
    return sources


def _is_head(name: str, config: Json) -> bool:
    """Return True if a tensor of that name is the classifier's."""
    heads = config.get("classifier") or ()
    return any(name.startswith(f"{head}.") for head in ([heads] if isinstance(heads, str) else heads))


def _build_network(model: str, config: Json | None = None, is_headless: bool = False) -> Any:
    """Return the network without its classifier, with the weights in `config` if there are any.

    `is_headless`: the weights have no classifier either.
    """
    timm = _import_timm()
    _check_model(model)
    options: Json = {"num_classes": 0} if is_headless else {}
    network = timm.create_model(model, pretrained=config is not None, pretrained_cfg_overlay=config, **options)
    if network.num_classes:
        network.reset_classifier(0)
    return network


def _check_model(model: str) -> None:
    timm = _import_timm()
    name, _, tag = model.partition(".")
    if not timm.is_model(name):
        similar = timm.list_models(f"*{name.partition('_')[0]}*")[:8]
        hint = f"it has {', '.join(similar)} ..." if similar else "see timm.list_models()"
        raise BadSetting(f"timm has no model {model!r}; {hint}")
    if tag and not timm.is_model_pretrained(model):
        tags = timm.list_pretrained(f"{name}.*")
        raise BadSetting(f"timm has no weights {model!r}; it has: {', '.join(tags) or 'none of that model'}")


def _import_timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise MissingPackage(
            f"the embedders of timm need the package {error.name!r}: pip install 'nearkin[models]'"
        ) from error
    return timm
