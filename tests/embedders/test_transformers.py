"""CLIP and SigLIP as transformers stores them, by its own models, processors and tokenizers with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers import plugins
from indexers.arrays import scale_to_unit
from indexers.embedders.transformers import Transformers, make_hugging_face_transform
from indexers.errors import BadSetting, WeightsUnavailable
from tests.support.networks import PICTURES, torch

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
pytestmark = pytest.mark.usefixtures("one_core")

WORDS = ["<pad>", "<eos>", "<bos>", "<unk>", *"a photo of the red boat snow on roofs".split()]  # noqa: SIM905
TOWER = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 1, "num_attention_heads": 2}
IDS = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
TEXTS = ["a photo of the red boat", "snow on the roofs", "a boat"]


def write_model(folder: Path, kind: str) -> Path:
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    text: dict[str, Any] = {**TOWER, **IDS, "vocab_size": len(WORDS), "max_position_embeddings": 16}
    vision = {**TOWER, "image_size": 32, "patch_size": 8}
    if kind == "clip":
        config = transformers.CLIPConfig(projection_dim=24, text_config=text, vision_config=vision)
        model: Any = transformers.CLIPModel(config)
        processor: Any = transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        )
    else:
        config = transformers.SiglipConfig(text_config={**text, "projection_size": 32}, vision_config=vision)
        model = transformers.SiglipModel(config)
        processor = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32}, resample=2)
    for parameter in model.parameters():  # new ones are so small that all pictures look alike
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


def is_margin_even(size: tuple[int, int], edge: int = 32) -> bool:
    return int(edge * max(size) / min(size)) % 2 == 0


def check_model(embedder: Any, folder: Path, kind: str) -> None:
    """Compare with what the package's own classes give, used as its documentation says."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    name = "CLIPImageProcessorPil" if kind == "clip" else "SiglipImageProcessorPil"
    pixels = getattr(transformers, name).from_pretrained(folder)(PICTURES, return_tensors="pt")
    tokenize = transformers.AutoTokenizer.from_pretrained(folder)
    padding = {"padding": True} if kind == "clip" else {"padding": "max_length", "max_length": 16, "truncation": True}
    tokens = tokenize(TEXTS, return_tensors="pt", **padding)
    tokens = tokens if kind == "clip" else {"input_ids": tokens["input_ids"]}
    tokens = {key: tokens[key] for key in ("input_ids", "attention_mask") if key in tokens}
    with torch.inference_mode():
        expected = model.get_image_features(**pixels).pooler_output.numpy()
        words = model.get_text_features(**tokens).pooler_output.numpy()
    found = embedder.embed(PICTURES)
    if kind == "clip":  # the middle of an odd margin: as CLIP was trained, a pixel beside transformers'
        assert ((scale_to_unit(found) * scale_to_unit(expected)).sum(axis=1) > 0.999).all()
        is_even = [is_margin_even(picture.size) for picture in PICTURES]
        assert sum(is_even) >= 2
        found, expected = found[is_even], expected[is_even]
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
    np.testing.assert_allclose(embedder.embed_texts(TEXTS), words, atol=1e-5 * np.abs(words).max())
    assert np.ptp(expected, axis=0).max() > 0.05


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_folder_is_read_as_transformers_reads_it(tmp_path: Path, kind: str) -> None:
    folder = write_model(tmp_path / kind, kind)
    embedder = plugins.load_member("nearkin.embedders", f"transformers:{folder}")(precision="fp32")
    assert (embedder.dimension, embedder.input_size, embedder.missing()) == ({"clip": 24, "siglip": 32}[kind], 32, "")
    check_model(embedder, folder, kind)
    assert embedder.embed_texts(["boat"]).shape == (1, embedder.dimension)


def test_a_repository_is_read_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    place = tmp_path / "models--somebody--siglip"
    folder = write_model(place / "snapshots" / ("0" * 40), "siglip")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    check_model(
        plugins.load_member("nearkin.embedders", "transformers:somebody/siglip")(precision="fp32"), folder, "siglip"
    )
    with pytest.raises(WeightsUnavailable, match="of somebody/else, which are not on this machine"):
        plugins.load_member("nearkin.embedders", "transformers:somebody/else")().embed(PICTURES)


def test_what_is_no_such_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="needs a repository or a folder"):
        plugins.load_member("nearkin.embedders", "transformers")()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(BadSetting, match="is of the kind 'bert'; those that are known: clip, siglip"):
        plugins.load_member("nearkin.embedders", f"transformers:{tmp_path}")().dimension  # noqa: B018
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadSetting, match=r"config\.json can't be read"):
        plugins.load_member("nearkin.embedders", f"transformers:{tmp_path}")().dimension  # noqa: B018
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(WeightsUnavailable, match=r"holds no model\.safetensors"):
        plugins.load_member("nearkin.embedders", f"transformers:{tmp_path}")().find_weights()
    with pytest.raises(BadSetting, match="size has height and width, or shortest_edge"):
        make_hugging_face_transform({"size": {"longest_edge": 3}, "image_mean": [0] * 3, "image_std": [1] * 3})


@pytest.mark.parametrize("model", ["/nowhere", "./models/none", "owner/name/more", "name"])
def test_what_is_neither_a_folder_nor_a_repository_is_refused_at_once(model: str) -> None:
    with pytest.raises(BadSetting, match=f"there is no folder '{model}', and a repository is called OWNER/NAME"):
        Transformers(model=model)
