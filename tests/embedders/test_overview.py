"""The overview of embedders: what can be used, what the others need, and how quick they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from indexers.embedders.overview import list_embedders, measure_rate
from indexers.embedders.tiny import Tiny
from indexers.errors import BadSetting, UnknownPlugin
from tests.support.networks import Originals

pytestmark = pytest.mark.usefixtures("one_core")


def test_the_overview_says_what_can_be_used() -> None:
    entries = {entry.name.partition(":")[0]: entry for entry in list_embedders()}
    assert {"lite0", "classic", "tiny", "clip", "resnet18", "resnet50", "timm", "torchvision", "onnx"} <= set(entries)
    assert entries["tiny"].usable
    assert entries["tiny"].bytes == 0
    assert entries["clip"].dimension == 512
    assert entries["clip"].reads_words
    assert entries["clip"].licence == "MIT"
    assert all(entry.usable != bool(entry.missing) for entry in entries.values())
    assert not entries["timm"].usable
    assert json.dumps([entry.to_dict() for entry in entries.values()])


def test_those_that_can_be_used_come_first_and_families_show_that_they_take_an_argument() -> None:
    entries = list_embedders(["timm", "tiny", "onnx"])
    assert [entry.name for entry in entries] == ["tiny", "timm:...", "onnx:..."]
    assert entries[1].licence == "of the model"
    assert "as in 'timm:" in entries[1].missing


def test_the_overview_measures_on_request(originals: Originals) -> None:
    [entry] = list_embedders([f"clip:{originals.folder / 'clip'}"], with_rate=True, device="cpu", seconds=0.1)
    assert entry.usable
    assert entry.rate
    assert entry.rate > 1
    assert entry.computes


def test_only_what_is_asked_for_is_measured() -> None:
    [entry] = list_embedders(["tiny"])
    assert (entry.rate, entry.computes) == (None, None)
    [entry] = list_embedders(["tiny"], with_rate=True, seconds=0.01)
    assert entry.rate
    assert entry.computes is None  # no engine: it is computed by numpy


def test_the_rate_is_in_pictures_a_second() -> None:
    assert measure_rate(Tiny(), 0.05) > 100


def test_weights_that_are_missing_make_one_unusable(tmp_path: Path) -> None:
    [entry] = list_embedders([f"resnet18:{tmp_path / 'gone.pt'}"])
    assert not entry.usable
    assert entry.missing == "the file of its weights is missing"
    assert entry.dimension == 512


def test_a_name_or_setting_that_is_wrong_is_an_error() -> None:
    with pytest.raises(BadSetting, match="takes no argument"):
        list_embedders(["tiny:b"])
    with pytest.raises(BadSetting, match="no_such_setting"):
        list_embedders(["tiny"], no_such_setting=1)
    with pytest.raises(UnknownPlugin, match="klip"):
        list_embedders(["klip"])


def test_without_torch_and_others_every_embedder_says_what_to_install() -> None:
    """Whatever is asked of it; none of them raises anything but our own errors."""
    script = """
import sys
for package in ("torch", "timm", "torchvision", "open_clip", "onnx", "onnxruntime", "openvino", "skimage"):
    sys.modules[package] = None
from PIL import Image
from indexers.embedders.overview import list_embedders
from indexers.errors import NearkinError
from indexers import plugins
entries = {entry.name: entry for entry in list_embedders()}
assert [name for name, entry in entries.items() if entry.usable] == ["tiny"], entries
assert entries["resnet50"].missing == "pip install 'nearkin[models]'" and entries["resnet50"].dimension == 2048
assert entries["lite0"].missing == "pip install 'nearkin[lite0]'"
assert entries["classic"].missing == "pip install 'nearkin[classic]'"
verbs = (lambda e: e.fingerprint(), lambda e: e.embed([Image.new("RGB", (9, 9))]), lambda e: e.embed_texts(["a"]),
         lambda e: (e.dimension, e.input_size), lambda e: e.licence, lambda e: e.batch_size,
         lambda e: e.describe_engine(), lambda e: (e.missing(), e.weights_bytes()), lambda e: e.limit_threads(1))
for name in [*entries, "clip:ViT-L-14", "torchvision:swin_t", "timm:resnet26d", "timm:vit_tiny//a.pt", "resnet50:/a.pt",
             "torchvision:densenet121//a.pt", "onnx:/a.onnx"]:
    for verb in verbs:
        try:
            verb(plugins.load_member("nearkin.embedders", name.removesuffix(":..."))())
        except NearkinError as error:
            assert len(str(error)) > 20, error
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
