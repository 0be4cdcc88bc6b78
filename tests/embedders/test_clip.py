"""CLIP: pictures and words in one space, by open_clip's own vectors, names and configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexers import plugins
from indexers.embedders.clip import Clip
from indexers.errors import BadQuery, BadSetting, WeightsUnavailable
from tests.support.networks import PICTURES, NetworkContract, Originals, open_clip, read_facts, torch

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
