"""CLIP through open_clip: pictures and words in one space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from indexers.embedders import weights
from indexers.embedders.transform import Transform, make_open_clip_transform
from indexers.embedders.two_towers import TwoTowerEmbedder
from indexers.errors import BadSetting, MissingPackage, WeightsUnavailable
from indexers.types import Json

MODEL = "ViT-B-32"
TAGS = {
    "ViT-B-32": "laion2b_s34b_b79k",
    "ViT-B-16": "laion2b_s34b_b88k",
    "ViT-L-14": "laion2b_s32b_b82k",
    "ViT-H-14": "laion2b_s32b_b79k",
    "ViT-g-14": "laion2b_s34b_b88k",
    "RN50": "openai",
}
"""The published weights that the name of a model stands for; for other models the tag has to be given."""

HUB = "hf-hub:"
"""Begins the name of a repository of Hugging Face."""
_BYTES = {"ViT-B-32": 605_000_000, "ViT-B-16": 599_000_000, "ViT-L-14": 1_710_000_000, "ViT-H-14": 3_940_000_000}
_CONFIG = "open_clip_config.json"
_HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
_PREPROCESS: Json = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


class Clip(TwoTowerEmbedder):
    """A model with two towers, for pictures and for words, trained to agree (Radford et al., CLIP, ICML 2021).

    Settings:

    - `model`: an architecture of open_clip, such as those of CLIP, SigLIP 2 and MobileCLIP; `hf-hub:OWNER/NAME`, a
      repository of Hugging Face in open_clip's format; or a folder in that format (open_clip_config.json and one file
      of weights);
    - `pretrained`: a tag of published weights, or a local file (.safetensors, .pt, .bin; only tensors are read); None
      is the usual tag of the model;
    - `precision`: of the picture tower; words are always read in full precision.

    In a collection: `clip`, `clip:ViT-L-14`, `clip:ViT-B-32/openai`, `clip:ViT-B-32//path/to/file.safetensors`,
    `clip:hf-hub:timm/ViT-B-16-SigLIP2-256`.

    A word or two are read in several sentences (see `sentences`).
    """

    name = "clip"
    packages = ("torch", "open_clip")

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(device, **settings)
        model, pretrained = self.settings["model"], self.settings["pretrained"]
        if not isinstance(model, str) or not model or not isinstance(pretrained, (str, type(None))):
            raise BadSetting(
                f"the embedder 'clip' takes names or paths; got model {model!r}, pretrained {pretrained!r}"
            )
        if self._repository:
            self.settings["pretrained"] = None
        elif self._folder is None and pretrained is None:
            if model not in TAGS:
                raise BadSetting(
                    f"say which weights of {model!r} are meant, as in 'clip:{model}/TAG': a tag of open_clip's "
                    "(open_clip.list_pretrained()) or the path of a file"
                )
            self.settings["pretrained"] = TAGS[model]
        elif self._folder:
            self.settings["model"] = str(self._folder.absolute())
        elif weights.is_file_name(str(pretrained)):
            self.settings["pretrained"] = weights.make_absolute(str(pretrained))
        self.name = self._make_name()

    @classmethod
    def defaults(cls) -> Json:
        return {"model": MODEL, "pretrained": None} | super().defaults()

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Read MODEL, MODEL/TAG, MODEL/PATH, hf-hub:OWNER/NAME, or the path of a folder in open_clip's format."""
        if argument.startswith(HUB):
            return {"model": argument}
        if Path(argument).expanduser().is_dir():
            return {"model": argument}
        model, _, pretrained = argument.partition("/")
        return {"model": model, "pretrained": pretrained or None}

    def _make_name(self) -> str:
        model, pretrained = self.settings["model"], self.settings["pretrained"]
        if pretrained in (None, TAGS.get(model)):
            return "clip" if model == MODEL else f"clip:{model}"
        return f"clip:{model}/{pretrained}"

    # ---- facts, known before anything is loaded

    @property
    def _repository(self) -> str:
        """The repository of Hugging Face that the model is, as OWNER/NAME; "" if it is none."""
        model = str(self.settings["model"])
        return model.removeprefix(HUB) if model.startswith(HUB) else ""

    @cached_property
    def _folder(self) -> Path | None:
        path = Path(self.settings["model"]).expanduser()
        return path if path.is_dir() and not self._repository else None

    def _fetch(self, names: Sequence[str], download: bool = True) -> Path:
        """Return the first of these files of the repository. Raises WeightsUnavailable."""
        try:
            return weights.fetch_from_hub(self._repository, names, download)
        except OSError as error:
            setting = "the folder in which all its files lie (in a name: clip:FOLDER)"
            raise weights.make_error(self.name, f"of {self._repository}", [str(error)], setting) from error

    @cached_property
    def _config(self) -> Json:
        """open_clip's description of the architecture, read without importing it."""
        _check_installed()
        spec, model = find_spec("open_clip"), self.settings["model"]
        folders = spec.submodule_search_locations if spec else None
        published = Path(next(iter(folders or ["."])), "model_configs", f"{model}.json")
        path = self._folder / _CONFIG if self._folder else published
        path = self._fetch([_CONFIG]) if self._repository else path
        try:
            config = json.loads(path.read_text("utf-8"))
            return cast(Json, config if "model_cfg" in config else {"model_cfg": config})
        except FileNotFoundError:
            known = sorted(file.stem for file in published.parent.glob("*.json"))
            raise BadSetting(
                f"open_clip has no model {model!r}, and it is no folder with {_CONFIG}; it has: {', '.join(known)}"
            ) from None
        except (OSError, ValueError) as error:
            raise BadSetting(f"{path} can't be read: {error}") from error

    @property
    def dimension(self) -> int:  # type: ignore[override]
        return int(self._config["model_cfg"]["embed_dim"])

    @property
    def input_size(self) -> int:  # type: ignore[override]
        return max(self.transform.resize)

    @property
    def licence(self) -> str:  # type: ignore[override]
        pretrained = str(self.settings["pretrained"])
        return "MIT" if pretrained.startswith(("laion", "openai")) else "see the model's page"

    @cached_property
    def _tag(self) -> Json:
        """Facts of open_clip about published weights: where they are, and how they were trained. Raises BadSetting."""
        from open_clip import get_pretrained_cfg, list_pretrained_tags_by_model

        model, pretrained = self.settings["model"], self.settings["pretrained"]
        config = get_pretrained_cfg(model, pretrained)
        if not config:
            tags = ", ".join(list_pretrained_tags_by_model(model)) or "none"
            raise BadSetting(
                f"{pretrained!r} is neither a tag of open_clip for {model!r} nor a file; the tags are: {tags}"
            )
        return dict(config)

    @property
    def is_published(self) -> bool:
        """True if the weights have a tag."""
        return bool(self._repository) or (
            self._folder is None and not weights.is_file_name(self.settings["pretrained"])
        )

    @cached_property
    def _preprocess(self) -> Json:
        size = self._config["model_cfg"]["vision_cfg"].get("image_size", 224)
        if self._folder or self._repository:
            trained = self._config.get("preprocess_cfg", {})
        else:
            trained = self._tag if self.is_published else self._usual_preprocess
        return _PREPROCESS | {key: trained[key] for key in _PREPROCESS if trained.get(key) is not None} | {"size": size}

    @cached_property
    def _usual_preprocess(self) -> Json:
        """How pictures are prepared for all published weights of the architecture, for a file of one's own; {} if they
        differ, or if it is as CLIP has it."""
        from open_clip import get_pretrained_cfg, list_pretrained_tags_by_model

        model = self.settings["model"]
        tags = [get_pretrained_cfg(model, tag) for tag in list_pretrained_tags_by_model(model)]
        known = [{key: tag[key] for key in _PREPROCESS if tag.get(key) is not None} for tag in tags]
        is_one = bool(known) and all(each == known[0] for each in known)
        return known[0] if is_one and _PREPROCESS | known[0] != _PREPROCESS else {}

    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights' file, the fit, and how pictures are prepared where that is not CLIP's way
        and no file says it: older versions took CLIP's for all files of one's own."""
        is_own = not self.is_published and not self._folder
        usual = self._usual_preprocess if is_own else {}
        mark = "".join(f" {key}={value}" for key, value in sorted(usual.items()))
        return super().fingerprint() + mark

    def make_transform(self) -> Transform:
        return make_open_clip_transform(self._preprocess)

    # ---- weights

    def find_weights(self, download: bool = True) -> Path:
        if self._folder:
            return _find_only_weights(self._folder, self.name)
        if self._repository:
            return self._fetch(_HUB_FILES, download)
        if not self.is_published:
            return weights.find_file(self.settings["pretrained"], self.name)
        _check_installed()
        repository, _, file = self._tag.get("hf_hub", "").rpartition("/")
        try:
            if repository:
                return weights.fetch_from_hub(repository, (file,) if file else _HUB_FILES, download)
            url = self._tag.get("url", "")
            target = Path("~/.cache/clip").expanduser() / Path(urlsplit(url).path).name
            return weights.fetch_from_url(url, target, "", download)
        except OSError as error:
            name = f"{self.settings['pretrained']!r} of {self.settings['model']}"
            setting = "pretrained= (in a name: clip:MODEL/PATH)"
            raise weights.make_error(self.name, name, [str(error)], setting) from error

    def published_bytes(self) -> int | None:
        return _BYTES.get(self.settings["model"])

    def make_network(self) -> Any:
        return _make_picture_tower(self._load_model().visual)

    def _load_model(self) -> Any:
        """Return the model with both towers."""
        _check_installed()
        from open_clip import create_model

        path = self.find_weights()
        weights.read_tensors(path, self.name)  # tells clearly what is wrong with it, and runs nothing
        has_tag = self.is_published and not self._repository
        options: Json = {"force_quick_gelu": bool(has_tag and self._tag.get("quick_gelu"))}
        if self._folder or self._repository:
            folder = self._folder or self._fetch([_CONFIG]).parent
            options |= {"model_name": f"local-dir:{folder}", "pretrained": str(path)}
        else:
            options |= {"model_name": self.settings["model"], "pretrained": str(path)}

        def make() -> Any:
            return create_model(**options, pretrained_text=False, weights_only=True, require_pretrained=True)

        return weights.load_or_refuse(make, path, self.name).eval().requires_grad_(False)

    # ---- words

    def load_text_model(self) -> Any:
        model = self._load_model()
        del model.visual
        return model

    def encode(self, sentences: list[str], tokenizer: Any, model: Any, device: Any) -> Any:
        return model.encode_text(tokenizer(sentences).to(device))

    def load_tokenizer(self) -> Any:
        from open_clip import get_tokenizer

        name = f"local-dir:{self._folder}" if self._folder else self.settings["model"]
        repository = self._config["model_cfg"]["text_cfg"].get("hf_tokenizer_name")
        try:
            if self._repository:
                with suppress(OSError):  # CLIP's own tokenizer has no file
                    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
                        weights.fetch_from_hub(self._repository, (file,))
                name = f"local-dir:{self._fetch([_CONFIG]).parent}"
            elif repository and not self._folder:
                weights.fetch_from_hub(repository, ("tokenizer.json", "tokenizer_config.json"))  # gives up quickly
            return get_tokenizer(name)
        except (OSError, ImportError, RuntimeError, ValueError) as error:
            raise WeightsUnavailable(
                f"the embedder {self.name!r} reads pictures here, but no words: its tokenizer {repository!r} is "
                f"unavailable: {error}. That of SigLIP needs the package 'transformers' (pip install "
                "'nearkin[siglip]'), and its files (tokenizer.json, tokenizer_config.json) in the folder of the model; "
                f"'clip' with {MODEL} brings its own"
            ) from error


def _make_picture_tower(visual: Any) -> Any:
    import torch

    class PictureTower(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.visual = visual

        def forward(self, pixels: Any) -> Any:
            output = self.visual(pixels)
            return output[0] if isinstance(output, tuple) else output  # CoCa returns its tokens too

    return PictureTower()


def _find_only_weights(folder: Path, embedder: str) -> Path:
    paths = sorted(path for path in folder.iterdir() if path.suffix in weights.SUFFIXES)
    if len(paths) != 1:
        raise WeightsUnavailable(
            f"the folder {folder} of the embedder {embedder!r} has to hold exactly one file of weights "
            f"({', '.join(weights.SUFFIXES)}); it holds {len(paths)}"
        )
    return paths[0]


def _check_installed() -> None:
    if find_spec("open_clip") is None or find_spec("torch") is None:
        raise MissingPackage("the embedder 'clip' needs the package 'open_clip_torch': pip install 'nearkin[models]'")
