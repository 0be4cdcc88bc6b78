"""CLIP: pictures and words in one space, by open_clip's own vectors, names and configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers import plugins
from indexers.embedders.clip import Clip
from indexers.errors import BadQuery, BadSetting, WeightsUnavailable
from tests.support.networks import PICTURES, NetworkContract, Originals, open_clip, read_facts, save_file, torch

pytestmark = pytest.mark.usefixtures("one_core")


class TestClip(NetworkContract):
    model = "clip"


def test_words_are_open_clips_own(originals: Originals) -> None:
    name = f"local-dir:{originals.folder / 'clip'}"
    model = open_clip.create_model(name, pretrained_text=False).eval()
    texts = ["a red boat", "snow on the roofs", ""]
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(name)(texts)).numpy()
    embedder = originals["clip"].share_ours("auto")
    np.testing.assert_allclose(embedder.embed_texts(texts), expected, atol=1e-5)
    assert embedder.embed_texts([]).shape == (0, 48)
    with pytest.raises(BadQuery, match="3 is no text"):
        embedder.embed_texts([3])  # type: ignore[list-item]


def test_an_architecture_of_open_clips_with_a_local_file(tmp_path: Path) -> None:
    """What is read of its configuration without importing it is right."""
    model, _, transform = open_clip.create_model_and_transforms(
        "ViT-S-32-alt", pretrained_image=False, pretrained_text=False
    )
    torch.save({"state_dict": model.state_dict()}, tmp_path / "mine.pt")
    embedder = plugins.load_member("nearkin.embedders", f"clip:ViT-S-32-alt/{tmp_path / 'mine.pt'}")(precision="fp32")
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([transform(picture) for picture in PICTURES])).numpy()
    np.testing.assert_allclose(embedder.embed(PICTURES), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "model", "pretrained"),
    [
        ("clip", "ViT-B-32", "laion2b_s34b_b79k"),
        ("clip:ViT-L-14", "ViT-L-14", "laion2b_s32b_b82k"),
        ("clip:ViT-B-32/openai", "ViT-B-32", "openai"),
        ("clip:RN101/yfcc15m", "RN101", "yfcc15m"),
        ("clip:ViT-B-32//somewhere/mine.pt", "ViT-B-32", "/somewhere/mine.pt"),
    ],
)
def test_a_name_may_say_model_and_weights(name: str, model: str, pretrained: str) -> None:
    embedder = plugins.load_member("nearkin.embedders", name)()
    assert (embedder.settings["model"], embedder.settings["pretrained"]) == (model, pretrained)
    assert embedder.name == name
    assert embedder.dimension == {"ViT-L-14": 768}.get(model, 512)


def test_openais_weights_have_another_activation() -> None:
    assert Clip(pretrained="openai")._tag["quick_gelu"]


def test_a_folder_needs_exactly_one_file_of_weights(originals: Originals, tmp_path: Path) -> None:
    config = (originals.folder / "clip" / "open_clip_config.json").read_text()
    (tmp_path / "open_clip_config.json").write_text(config)
    embedder = Clip(model=str(tmp_path))
    for count in (0, 2):
        for number in range(count):
            (tmp_path / f"{number}.safetensors").write_bytes(b"tensors")
        with pytest.raises(WeightsUnavailable, match=f"exactly one file of weights .* it holds {count}"):
            embedder.fingerprint()
    (tmp_path / "1.safetensors").unlink()
    assert embedder.find_weights() == tmp_path / "0.safetensors"


def test_a_configuration_that_is_no_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{")
    with pytest.raises(BadSetting, match=r"open_clip_config\.json can't be read"):
        _ = Clip(model=str(tmp_path)).dimension


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("clip:ViT-B-99", {}, "which weights of 'ViT-B-99'"),
        ("clip:ViT-B-99/openai", {}, "no model 'ViT-B-99'.*ViT-B-32"),
        ("clip:ViT-B-32/laion7b", {}, "'laion7b' is neither a tag of open_clip for 'ViT-B-32' nor a file; .*openai"),
        ("clip", {"pretrained": 3}, "pretrained 3"),
    ],
)
def test_what_open_clip_does_not_have_is_refused_by_name(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        read_facts(name, **settings)


def test_a_file_of_ones_own_is_prepared_as_all_published_weights_of_its_architecture(tmp_path: Path) -> None:
    """MobileCLIP takes pixels as they are, and no CLIP's mean."""
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms(
        "MobileCLIP-S1",
        pretrained_image=False,
        pretrained_text=False,
        image_mean=(0, 0, 0),
        image_std=(1, 1, 1),
        image_interpolation="bilinear",
        image_resize_mode="shortest",
    )
    torch.save(model.state_dict(), tmp_path / "mine.pt")
    embedder = plugins.load_member("nearkin.embedders", f"clip:MobileCLIP-S1/{tmp_path / 'mine.pt'}")(precision="fp32")
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([transform(picture) for picture in PICTURES])).numpy()
        words = model.encode_text(open_clip.get_tokenizer("MobileCLIP-S1")(["a red boat"])).numpy()
    np.testing.assert_allclose(embedder.embed(PICTURES), expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(embedder.embed_texts(["a red boat"]), words, atol=1e-4 * np.abs(words).max())
    assert "mean=(0.0, 0.0, 0.0)" in embedder.fingerprint(), "vectors of older versions were others"


SIGLIP_CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 32,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 32,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
        },
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 40,
            "hf_tokenizer_name": "somebody/words",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 32,
            "heads": 2,
            "layers": 1,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-06},
        },
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    },
}
"""SigLIP 2's form (ViT-B-16-SigLIP2 of open_clip) with a small network: another tower and tokenizer for words."""


def write_siglip(folder: Path) -> Path:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(SIGLIP_CONFIG))
    words = ["<pad>", "<eos>", "<unk>", *"a photo of the red boat dog snow on roofs".split()]  # noqa: SIM905
    model = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>")
    )
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=model, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    made = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
    save_file(made.state_dict(), folder / "open_clip_model.safetensors")
    return folder


def check_siglip(embedder: Any, folder: Path) -> None:
    name = f"local-dir:{folder}"
    model, _, transform = open_clip.create_model_and_transforms(name, pretrained_text=False)
    tokenize, texts = open_clip.get_tokenizer(name), ["A photo of the red boat!", "snow on the roofs"]
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([transform(picture) for picture in PICTURES])).numpy()
        words = model.encode_text(tokenize(texts)).numpy()
    np.testing.assert_allclose(embedder.embed(PICTURES), expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(embedder.embed_texts(texts), words, atol=1e-5 * np.abs(words).max())


def test_a_folder_of_siglip_2s_form_is_read_as_open_clip_reads_it(tmp_path: Path) -> None:
    folder = write_siglip(tmp_path / "siglip")
    check_siglip(plugins.load_member("nearkin.embedders", f"clip:{folder}")(precision="fp32"), folder)


def test_a_repository_of_hugging_faces_is_read_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    place = tmp_path / "models--somebody--siglip"
    folder = write_siglip(place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    embedder = plugins.load_member("nearkin.embedders", "clip:hf-hub:somebody/siglip")(precision="fp32")
    assert embedder.name == "clip:hf-hub:somebody/siglip"
    assert (embedder.dimension, embedder.input_size, embedder.missing()) == (32, 32, "")
    check_siglip(embedder, folder)
    missing = plugins.load_member("nearkin.embedders", "clip:hf-hub:somebody/else")()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="of somebody/else, which are not on this machine"):
        missing.embed(PICTURES)
