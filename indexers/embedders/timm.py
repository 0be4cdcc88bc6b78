"""Any model of timm, by its name there: `timm:vit_small_patch14_dinov2.lvd142m`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from indexers.embedders import weights
from indexers.embedders.network import NetworkEmbedder
from indexers.embedders.transform import Transform, make_timm_transform
from indexers.errors import BadSetting, MissingPackage
from indexers.types import Json

_FILES = ("model.safetensors", "pytorch_model.bin")


class Timm(NetworkEmbedder):
    """The features of a model of timm without its classifier (`num_classes=0`), with its own data configuration.

    Settings: `model`, a name of timm's, which may end in the tag of its weights; `weights`: a local file with the
    state_dict (.safetensors, .pt, .pth, .bin; with or without the classifier) instead of the published ones;
    `precision`.

    In a collection: `timm:resnet26d`, `timm:resnet26d.bt_in1k`, `timm:resnet26d//path/to/file.safetensors`.
    """

    name = "timm"
    packages = ("torch", "timm")

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(device, **settings)
        model, wanted = self.settings["model"], self.settings["weights"]
        if not isinstance(model, str) or not model:
            raise BadSetting("the embedder 'timm' needs the name of a model, as in 'timm:mobilenetv3_small_100'")
        if wanted is not None and not isinstance(wanted, str):
            raise BadSetting(f"the weights of the embedder {self.name!r} are the path of a file; got {wanted!r}")
        if wanted is not None:
            self.settings["weights"] = weights.make_absolute(wanted)
        file = self.settings["weights"]
        self.name = f"timm:{model}/{file}" if file else f"timm:{model}"

    @classmethod
    def defaults(cls) -> Json:
        return {"model": None, "weights": None} | super().defaults()

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """MODEL, MODEL.TAG or MODEL/PATH."""
        model, _, file = argument.partition("/")
        return {"model": model, "weights": file or None}

    @cached_property
    def _skeleton(self) -> Any:
        """The network without memory: its facts."""
        import torch

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
        found = self._skeleton.pretrained_cfg.get("license")
        return str(found) if found else "see the model's page"

    def make_transform(self) -> Transform:
        return make_timm_transform(_import_timm().data.resolve_model_data_config(self._skeleton))

    def find_weights(self, download: bool = True) -> Path:
        if self.settings["weights"]:
            return weights.find_file(self.settings["weights"], self.name)
        facts, tried = self._skeleton.pretrained_cfg, []
        for fetch in _list_sources(facts, download):
            try:
                return fetch()
            except OSError as error:
                tried.append(str(error))
        what = f"{facts.get('tag') or 'default'} of timm's {self.settings['model']}"
        raise weights.make_error(
            self.name, what, tried or ["none are published"], "weights= (in a name: timm:MODEL/PATH)"
        )

    def make_network(self) -> Any:
        path = self.find_weights()
        tensors = weights.read_tensors(path, self.name)
        headless = not any(_is_head(name, self._skeleton.pretrained_cfg) for name in tensors)
        # through timm's own loader, which knows older names of tensors; strict, as long as the classes agree
        facts: Json = {"state_dict": tensors, "custom_load": False}
        if headless:
            facts |= {"num_classes": 0, "classifier": None}
        network = weights.load_or_refuse(
            lambda: _build_network(self.settings["model"], facts, headless), path, self.name
        )
        network.pretrained_cfg.pop("state_dict", None)
        return network


def _list_sources(facts: Json, download: bool) -> list[Callable[[], Path]]:
    """Where timm's own configuration says that the weights are."""
    found: list[Callable[[], Path]] = []
    if hub := facts.get("hf_hub_id"):
        names = (facts["hf_hub_filename"],) if facts.get("hf_hub_filename") else _FILES
        found.append(lambda: weights.fetch_from_hub(hub, names, download))
    if url := facts.get("url"):
        import torch

        file = Path(urlsplit(url).path).name
        found.append(lambda: weights.fetch_from_url(url, Path(torch.hub.get_dir(), "checkpoints", file), "", download))
    return found


def _is_head(name: str, facts: Json) -> bool:
    heads = facts.get("classifier") or ()
    return any(name.startswith(f"{head}.") for head in ([heads] if isinstance(heads, str) else heads))


def _build_network(model: str, facts: Json | None = None, headless: bool = False) -> Any:
    """The network without its classifier; with the weights in `facts`, if there are any."""
    timm = _import_timm()
    _check_model(model)
    more: Json = {"num_classes": 0} if headless else {}
    network = timm.create_model(model, pretrained=facts is not None, pretrained_cfg_overlay=facts, **more)
    if network.num_classes:
        network.reset_classifier(0)
    return network


def _check_model(model: str) -> None:
    timm = _import_timm()
    name, _, tag = model.partition(".")
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('_')[0]}*")[:8]
        raise BadSetting(
            f"timm has no model {model!r}" + (f"; it has {', '.join(near)} ..." if near else "; see timm.list_models()")
        )
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
