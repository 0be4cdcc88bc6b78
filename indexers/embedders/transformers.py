"""Models of pictures and words in Hugging Face's own format: `transformers:google/siglip2-base-patch16-224`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from indexers.embedders import weights
from indexers.embedders.transform import Transform
from indexers.embedders.two_towers import TwoTowerEmbedder
from indexers.errors import BadSetting, WeightsUnavailable
from indexers.types import Json

CONFIG, PREPROCESS = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
KINDS = ("clip", "siglip")
"""Kinds of models that are known; SigLIP 2 with squares of one size is of the kind siglip."""


class Transformers(TwoTowerEmbedder):
    """A CLIP (Radford et al., ICML 2021) or SigLIP (Zhai et al., ICCV 2023; SigLIP 2, Tschannen et al., 2025) as the
    package transformers stores it, with its own tokenizer. No code of the repository runs.

    Setting `model`: a repository of Hugging Face as OWNER/NAME, or a folder with all its files.

    In a collection: `transformers:openai/clip-vit-base-patch32`, `transformers:/path/to/folder`. A word or two are read
    in several sentences (see `sentences`).
    """

    name = "transformers"
    packages = ("torch", "transformers")
    extra = "siglip"

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(device, **settings)
        model = self.settings["model"]
        if not isinstance(model, str) or not model:
            raise BadSetting(
                "the embedder 'transformers' needs a repository or a folder, as in "
                "'transformers:google/siglip2-base-patch16-224'"
            )
        if self._folder:
            self.settings["model"] = model = str(self._folder.absolute())
        elif not REPOSITORY.fullmatch(model):
            raise BadSetting(f"there is no folder {model!r}, and a repository is called OWNER/NAME")
        self.name = f"transformers:{model}"

    @classmethod
    def defaults(cls) -> Json:
        return {"model": None} | super().defaults()

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        """Read OWNER/NAME, or the path of a folder."""
        return {"model": argument}

    # ---- facts

    @cached_property
    def _folder(self) -> Path | None:
        path = Path(self.settings["model"]).expanduser()
        return path if path.is_dir() else None

    @property
    def is_published(self) -> bool:
        """True if the weights are in a repository."""
        return self._folder is None

    @property
    def licence(self) -> str:  # type: ignore[override]
        return "see the model's page"

    def _find(self, names: Sequence[str], download: bool = True) -> Path:
        """Return the first of these files. Raises WeightsUnavailable."""
        model = self.settings["model"]
        if self._folder:
            for name in names:
                if (self._folder / name).is_file():
                    return self._folder / name
            raise WeightsUnavailable(f"the folder {self._folder} of the embedder {self.name!r} holds no {names[0]}")
        try:
            return weights.fetch_from_hub(model, names, download)
        except OSError as error:
            setting = "the folder in which all its files lie (in a name: transformers:FOLDER)"
            raise weights.make_error(self.name, f"of {model}", [str(error)], setting) from error

    def _read(self, name: str) -> Json:
        path = self._find([name])
        try:
            values = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise BadSetting(f"{path} can't be read: {error}") from error
        if not isinstance(values, dict):
            raise BadSetting(f"{path} holds no object")
        return values

    @cached_property
    def _config(self) -> Json:
        config = self._read(CONFIG)
        if config.get("model_type") not in KINDS:
            raise BadSetting(
                f"the embedder {self.name!r} is of the kind {config.get('model_type')!r}; those that are known: "
                f"{', '.join(KINDS)}"
            )
        return config

    @property
    def dimension(self) -> int:  # type: ignore[override]
        if self._config["model_type"] == "clip":
            return int(self._config.get("projection_dim", 512))
        return int(self._config.get("vision_config", {}).get("hidden_size", 768))

    @property
    def input_size(self) -> int:  # type: ignore[override]
        return max(self.transform.resize)

    def make_transform(self) -> Transform:
        return make_hugging_face_transform(self._read(PREPROCESS))

    # ---- weights

    def find_weights(self, download: bool = True) -> Path:
        return self._find(WEIGHTS, download)

    def _load_model(self) -> Any:
        path = self.find_weights()
        weights.read_tensors(path, self.name)  # tells clearly what is wrong with it, and runs nothing
        self._find([CONFIG])
        from transformers import AutoModel

        def make() -> Any:
            return AutoModel.from_pretrained(
                path.parent,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=path.suffix == ".safetensors",
                dtype="float32",
            )

        return weights.load_or_refuse(make, path, self.name).eval().requires_grad_(False)

    def make_network(self) -> Any:
        return _make_picture_tower(self._load_model())

    # ---- words

    def load_text_model(self) -> Any:
        return self._load_model()

    def encode(self, sentences: list[str], tokenizer: Any, model: Any, device: Any) -> Any:
        length = int(self._config.get("text_config", {}).get("max_position_embeddings", 0)) or (
            77 if self._config["model_type"] == "clip" else 64
        )
        # SigLIP was trained on texts of one length; CLIP takes the last token, wherever it stands
        padding = True if self._config["model_type"] == "clip" else "max_length"
        tokens = tokenizer(sentences, padding=padding, truncation=True, max_length=length, return_tensors="pt")
        inputs = {name: tokens[name].to(device) for name in ("input_ids", "attention_mask") if name in tokens}
        if self._config["model_type"] != "clip":
            inputs.pop("attention_mask", None)  # it learned without one
        return _take_features(model.get_text_features(**inputs))

    def load_tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        folder = self._find([CONFIG]).parent
        if self._folder is None:
            for name in TOKENIZER:
                try:
                    weights.fetch_from_hub(self.settings["model"], (name,))
                except OSError:
                    continue  # each kind of tokenizer has other files
        try:
            return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ImportError, ValueError) as error:
            raise WeightsUnavailable(
                f"the embedder {self.name!r} reads pictures here, but no words: its tokenizer in {folder} is "
                f"unavailable: {str(error).strip().splitlines()[0]}"
            ) from error


def make_hugging_face_transform(config: Json) -> Transform:
    """Make the transform of a preprocessor_config.json. Raises BadSetting."""
    size, crop = config.get("size", 224), config.get("crop_size")
    if isinstance(size, int):
        size = {"shortest_edge": size}
    is_cropped = config.get("do_center_crop", crop is not None)
    interpolation: Any = Image.Resampling(config.get("resample", Image.Resampling.BICUBIC)).name.lower()
    if "height" in size:
        resize, mode = (int(size["height"]), int(size["width"])), "squash"
    elif "shortest_edge" in size:
        resize, mode = (int(size["shortest_edge"]),) * 2, "shortest"
    else:
        raise BadSetting(f"pictures of the size {size!r} are not known; size has height and width, or shortest_edge")
    if is_cropped and crop is not None:
        cropped = (crop, crop) if isinstance(crop, int) else (int(crop["height"]), int(crop["width"]))
    else:
        cropped = resize
    mean, std = (tuple(map(float, config[name])) for name in ("image_mean", "image_std"))
    return Transform(resize, cropped, mean, std, mode, interpolation)  # type: ignore[arg-type]


def _take_features(output: Any) -> Any:
    """Return the features of a tower; before transformers 5 they came as they are."""
    return getattr(output, "pooler_output", output)


def _make_picture_tower(model: Any) -> Any:
    import torch

    class PictureTower(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: Any) -> Any:
            return _take_features(self.model.get_image_features(pixel_values=pixels))

    return PictureTower()
