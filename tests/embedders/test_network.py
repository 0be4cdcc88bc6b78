"""clip, torchvision, timm and onnx with random weights: the vectors of the model itself, in every precision."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from indexers import plugins
from indexers.embedders import engines, network, weights
from indexers.embedders.base import Embedder
from indexers.embedders.clip import Clip
from indexers.embedders.engines import compute_least_cosine, export_network
from indexers.embedders.export import export_onnx
from indexers.embedders.network import NetworkEmbedder
from indexers.embedders.onnx import Onnx
from indexers.embedders.overview import list_embedders
from indexers.embedders.timm import Timm
from indexers.embedders.torchvision import ResNet18, TorchVision, remove_head
from indexers.errors import BadQuery, BadSetting, MissingPackage, NoTextTower, UnknownPlugin, WeightsUnavailable
from indexers.testing import EmbedderContract
from indexers.types import Vectors

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
timm = pytest.importorskip("timm")
open_clip = pytest.importorskip("open_clip")
save_file = pytest.importorskip("safetensors.torch").save_file
pytestmark = pytest.mark.usefixtures("one_core")

CONFIG = {
    "model_cfg": {
        "embed_dim": 48,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.25]},
}
RESNET18_FILE, TIMM_MODEL = "resnet18.safetensors", "test_vit"


class Theirs(NamedTuple):
    """A model with its own transform, as its makers use it, and our embedder of the same weights."""

    settings: dict[str, Any]
    kind: type[NetworkEmbedder]
    network: Any
    transform: Any

    def vectors(self, pictures: list[Image.Image]) -> Vectors:
        with torch.inference_mode():
            found: Vectors = self.network(torch.stack([self.transform(one) for one in pictures])).numpy()
        return found

    def ours(self, **more: Any) -> NetworkEmbedder:
        return self.kind(device="cpu", **self.settings | more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of small models, as files."""
    made = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    (made / "clip").mkdir()
    (made / "clip" / "open_clip_config.json").write_text(json.dumps(CONFIG))
    tiny = open_clip.CLIP(**{**CONFIG["model_cfg"]})
    save_file(tiny.state_dict(), made / "clip" / "open_clip_model.safetensors")
    resnet = torchvision.models.resnet18()
    shake(resnet)
    save_file(resnet.state_dict(), made / RESNET18_FILE)
    vit = timm.create_model(TIMM_MODEL)
    torch.save(vit.state_dict(), made / "timm.pt")
    return made


def shake(model: Any) -> None:
    """Give batch normalisation something to normalise with."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.weight, 1, 0.1)
            torch.nn.init.normal_(module.bias, 0, 0.1)


def clip_of(folder: Path) -> Theirs:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder / 'clip'}", pretrained_text=False)
    return Theirs({"model": str(folder / "clip")}, Clip, model.eval().encode_image, transform)


def resnet18_of(folder: Path) -> Theirs:
    model = torchvision.models.resnet18().eval()
    model.load_state_dict(weights.read_tensors(folder / RESNET18_FILE, "resnet18"))
    model.fc = torch.nn.Identity()
    transform = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
    return Theirs({"weights": str(folder / RESNET18_FILE)}, ResNet18, model, transform)


def timm_of(folder: Path) -> Theirs:
    model = timm.create_model(TIMM_MODEL, num_classes=0).eval()
    model.load_state_dict(weights.read_tensors(folder / "timm.pt", "timm"), strict=False)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    return Theirs({"model": TIMM_MODEL, "weights": str(folder / "timm.pt")}, Timm, model, transform)


MAKERS = {"clip": clip_of, "resnet18": resnet18_of, "timm": timm_of}


@pytest.fixture(params=MAKERS)
def theirs(request: pytest.FixtureRequest, folder: Path) -> Theirs:
    return MAKERS[request.param](folder)


@pytest.fixture
def pictures() -> list[Image.Image]:
    return EmbedderContract().pictures()


class NetworkContract(EmbedderContract):
    """With full precision; what less costs is tried below."""

    @pytest.fixture(autouse=True)
    def _weights(self, folder: Path) -> None:
        self.folder = folder

    def test_states_its_facts(self) -> None:
        """As the contract has it, but a name may carry an argument."""
        embedder = self.embedder()
        assert embedder.name.partition(":")[0].isidentifier()
        assert min(embedder.dimension, embedder.input_size, embedder.batch_size) > 0
        assert embedder.licence != "unknown"

    def test_its_name_and_settings_make_it_again(self) -> None:
        embedder, pictures = self.embedder(), self.pictures(2)
        again = plugins.load_member("nearkin.embedders", embedder.name)(**embedder.settings)
        assert (again.name, again.settings) == (embedder.name, embedder.settings)
        assert again.fingerprint() == embedder.fingerprint()
        self.check_equal(again.embed(pictures), embedder.embed(pictures))


class TestClip(NetworkContract):
    def embedder(self) -> Embedder:
        return clip_of(self.folder).ours(precision="fp32")


class TestResNet18(NetworkContract):
    def embedder(self) -> Embedder:
        return resnet18_of(self.folder).ours(precision="fp32")


class TestTimm(NetworkContract):
    def embedder(self) -> Embedder:
        return timm_of(self.folder).ours(precision="fp32")


class TestOnnx(NetworkContract):
    def embedder(self) -> Embedder:
        pytest.importorskip("onnxruntime")
        path = self.folder / "clip.onnx"
        if not path.exists():
            export_onnx(clip_of(self.folder).ours(), path)
        return Onnx(path=str(path), precision="fp32")


class TestOnnxInt8(NetworkContract):
    def embedder(self) -> Embedder:
        pytest.importorskip("onnxruntime")
        path = self.folder / "clip8.onnx"
        if not path.exists():
            export_onnx(clip_of(self.folder).ours(), path, int8=True)
        return Onnx(path=str(path))


# ---- vectors


def test_vectors_are_the_models_own(theirs: Theirs, pictures: list[Image.Image]) -> None:
    found, expected = theirs.ours(precision="fp32").embed(pictures), theirs.vectors(pictures)
    assert (np.linalg.norm(found - expected, axis=1) <= 1e-5 * np.linalg.norm(expected, axis=1)).all()


@pytest.mark.parametrize("precision", ["auto", "bf16", "int8"])
def test_less_precision_keeps_the_direction(theirs: Theirs, precision: str, pictures: list[Image.Image]) -> None:
    if precision == "int8":
        pytest.importorskip("onnxruntime")
    embedder = theirs.ours(precision=precision)
    assert compute_least_cosine(embedder.embed(pictures), theirs.vectors(pictures)) >= 0.999
    assert precision == "auto" or precision in embedder.engine().label


def test_int8_does_not_depend_on_the_batch(folder: Path, pictures: list[Image.Image]) -> None:
    """Though activations are scaled by what is in them: each picture goes through alone."""
    pytest.importorskip("onnxruntime")
    embedder = clip_of(folder).ours(precision="int8")
    alone = np.concatenate([embedder.embed([one]) for one in pictures])
    np.testing.assert_allclose(embedder.embed(pictures), alone, atol=1e-6)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("there", [(), ("onnx", "onnxruntime"), ("onnx", "onnxruntime", "openvino")])
def test_auto_finds_a_way_on_every_machine(
    theirs: Theirs, bf16: bool, there: tuple[str, ...], pictures: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in there:
        pytest.importorskip(package)
    monkeypatch.setattr(engines, "has_bf16", lambda: bf16)
    monkeypatch.setattr(engines, "has_packages", lambda *packages: set(packages) <= set(there))
    embedder = theirs.ours()
    assert compute_least_cosine(embedder.embed(pictures), theirs.vectors(pictures)) >= 0.999
    assert bf16 == ("bf16" in embedder.engine().label)
    assert there or "torch" in embedder.engine().label


def test_the_cosine_is_of_the_worst_row() -> None:
    one = np.array([[1, 0], [0, 2], [0, 0]], np.float32)
    assert compute_least_cosine(one, one) == 1
    assert compute_least_cosine(one, one[::-1] * 3) == 0
    assert compute_least_cosine(one, np.full_like(one, np.nan)) == 0


def test_auto_passes_over_what_is_too_coarse_or_fails(theirs: Theirs, monkeypatch: pytest.MonkeyPatch) -> None:
    class Coarse(engines.Torch):
        def run(self, pixels: Any, threads: int | None = None) -> Any:
            return np.round(super().run(pixels, threads) * 2)

    def iterate(precision: str, model: Any, device: Any, exported: Any) -> Iterator[Any]:
        yield lambda: 1 / 0
        yield lambda: Coarse(model, device)
        yield lambda: engines.Torch(model, device)

    monkeypatch.setattr(network, "iterate_engine_makers", iterate)
    assert type(theirs.ours().engine()) is engines.Torch


@pytest.mark.parametrize(
    "model",
    [
        "alexnet",  # VGG's last layers are the same, and twice as large
        "inception_v3",
        "googlenet",
        "mobilenet_v3_small",
        "squeezenet1_1",
        "densenet121",
        "convnext_tiny",
    ],
)
def test_torchvisions_classifiers_lose_their_last_layer(model: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    inception = {"init_weights": False, "aux_logits": True, "transform_input": True}  # as with published weights
    extra = inception if model in ("inception_v3", "googlenet") else {}
    whole = torchvision.models.get_model(model, weights=None, **extra)
    shake(whole)
    save_file(whole.state_dict(), tmp_path / "a.safetensors")
    embedder = TorchVision(model=model, weights=str(tmp_path / "a.safetensors"), device="cpu", precision="fp32")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (260, 270, 3), dtype=np.uint8))
    vector = embedder.embed([picture])
    assert vector.shape == (1, embedder.dimension)
    plain = weights.hash_file(tmp_path / "a.safetensors")  # the Inceptions once were given other pixels
    assert (embedder.fingerprint() == plain) == (model not in ("inception_v3", "googlenet"))
    layers = [one for name, one in whole.named_modules() if isinstance(one, torch.nn.Linear) and "aux" not in name]
    if layers:  # the layer that was left out makes the classes of these features
        transform = torchvision.models.get_model_weights(model).DEFAULT.transforms()
        with torch.inference_mode():
            expected = whole.eval()(transform(picture)[None])
            np.testing.assert_allclose(layers[-1](torch.from_numpy(vector)), expected, rtol=1e-3, atol=1e-4)


CLASSICS = {"alexnet": 4096, "vgg16": 4096, "vgg19": 4096, "inception_v3": 2048, "resnet18": 512, "resnet34": 512}
CLASSICS |= {"resnet50": 2048, "resnet101": 2048, "resnet152": 2048}


@pytest.mark.parametrize("name", CLASSICS)
def test_the_classics_of_torchvision_have_names_of_their_own(name: str, pictures: list[Image.Image]) -> None:
    embedder = plugins.load_member("nearkin.embedders", name)(device="cpu")
    preset = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    assert embedder.name == name
    assert preset.crop_size[0] <= embedder.input_size == pytest.approx(preset.resize_size[0], rel=0.15)
    pixels = embedder.transform.normalise([embedder.prepare(one) for one in pictures])
    expected = torch.stack([preset(one) for one in pictures]).numpy()
    np.testing.assert_allclose(pixels, expected, atol=1e-5)
    with torch.device("meta"):  # weightless
        network = remove_head(
            torchvision.models.get_model(name, **({"init_weights": False} if name == "inception_v3" else {}))
        ).eval()
        assert network(torch.from_numpy(pixels).to("meta")).shape == (len(pictures), embedder.dimension)
    assert embedder.dimension == CLASSICS[name]


@pytest.mark.parametrize("model", ["test_efficientnet", "test_convnext", "test_nfnet", "mobilenetv3_small_050"])
def test_timms_models_lose_their_classifier(model: str, tmp_path: Path, pictures: list[Image.Image]) -> None:
    torch.manual_seed(1)
    whole = timm.create_model(model).eval()
    shake(whole)
    for name, tensors in (("whole", whole.state_dict()), ("headless", _without_head(whole))):
        torch.save(tensors, tmp_path / f"{name}.pt")
    found = [
        Timm(model=model, weights=str(tmp_path / name), precision="fp32", device="cpu").embed(pictures)
        for name in ("whole.pt", "headless.pt")
    ]
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(whole))
    with torch.inference_mode():
        features = whole.forward_features(torch.stack([transform(one) for one in pictures]))
        expected = whole.forward_head(features, pre_logits=True).numpy()
    for vectors in found:
        np.testing.assert_allclose(vectors, expected, atol=3e-5 * np.abs(expected).max())


def _without_head(model: Any) -> dict[str, Any]:
    heads = model.pretrained_cfg["classifier"]
    return {name: one for name, one in model.state_dict().items() if not name.startswith(heads)}


# ---- clip


def test_words_are_open_clips_own(folder: Path) -> None:
    model = open_clip.create_model(f"local-dir:{folder / 'clip'}", pretrained_text=False).eval()
    texts = ["a red boat", "snow on the roofs", ""]
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder / 'clip'}")(texts)).numpy()
    embedder = clip_of(folder).ours()
    np.testing.assert_allclose(embedder.embed_texts(texts), expected, atol=1e-5)
    assert embedder.embed_texts([]).shape == (0, 48)
    with pytest.raises(BadQuery, match="3 is no text"):
        embedder.embed_texts([3])  # type: ignore[list-item]


def test_an_architecture_of_open_clips_with_a_local_file(tmp_path: Path, pictures: list[Image.Image]) -> None:
    """What is read of its configuration without importing it is right."""
    model, _, transform = open_clip.create_model_and_transforms(
        "ViT-S-32-alt", pretrained_image=False, pretrained_text=False
    )
    torch.save({"state_dict": model.state_dict()}, tmp_path / "mine.pt")
    embedder = plugins.load_member("nearkin.embedders", f"clip:ViT-S-32-alt/{tmp_path / 'mine.pt'}")(precision="fp32")
    with torch.inference_mode():
        expected = model.eval().encode_image(torch.stack([transform(one) for one in pictures])).numpy()
    np.testing.assert_allclose(embedder.embed(pictures), expected, atol=1e-5 * np.abs(expected).max())


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


# ---- names and settings


@pytest.mark.parametrize(
    ("name", "settings", "what"),
    [
        ("clip:ViT-B-99", {}, "which weights of 'ViT-B-99'"),
        ("clip:ViT-B-99/openai", {}, "no model 'ViT-B-99'.*ViT-B-32"),
        ("clip", {"pretrained": 3}, "pretrained 3"),
        ("clip", {"precision": "fp8"}, "'fp8' is not known; give one of: auto, fp32, bf16, int8"),
        ("clip", {"device": "gpu"}, "device 'gpu'"),
        ("resnet18", {"model": "b"}, "is of the model 'resnet18'; use 'torchvision:b'"),
        ("resnet18:b", {}, "no weights 'b' of all its layers; it has: IMAGENET1K_V1"),
        ("torchvision:vgg16/b", {}, "no weights 'b' of all its layers; it has: IMAGENET1K_V1"),
        ("resnet18", {"weights": "IMAGENET7"}, "no weights 'IMAGENET7' of all its layers; it has: IMAGENET1K_V1"),
        (
            "vgg16:IMAGENET1K_FEATURES",
            {},
            "no weights 'IMAGENET1K_FEATURES' of all its layers; it has: IMAGENET1K_V1, D",
        ),
        ("vgg19", {"model": "vgg16"}, "is of the model 'vgg19'; use 'torchvision:vgg16'"),
        ("torchvision", {}, "name of a model, as in 'torchvision:vgg16'"),
        ("torchvision:vgg7", {}, "no classifier 'vgg7'; it has: .*vgg16"),
        ("torchvision:raft_large", {}, "no classifier 'raft_large'"),
        ("timm", {}, "name of a model, as in 'timm:"),
        ("timm:resnet7", {}, "no model 'resnet7'"),
        ("timm:resnet50.no_such", {}, "no weights 'resnet50.no_such'; it has: .*resnet50.a1_in1k"),
        ("onnx", {}, "path of a file"),
        ("lite0:b", {}, "'lite0' takes no argument"),
    ],
)
def test_what_is_not_there_is_refused_by_name(name: str, settings: dict[str, Any], what: str) -> None:
    with pytest.raises(BadSetting, match=what):
        facts(name, **settings)


def facts(name: str, **settings: Any) -> tuple[int, str]:
    embedder = plugins.load_member("nearkin.embedders", name)(**settings)
    return embedder.dimension, embedder.fingerprint()


def test_an_unknown_family_is_refused_whatever_its_argument() -> None:
    with pytest.raises(UnknownPlugin, match="no embedder 'klip'"):
        plugins.find_member("nearkin.embedders", "klip:ViT-B-32")


def test_constructing_and_naming_one_loads_no_torch() -> None:
    script = (
        "import sys; from indexers import plugins\n"
        "for name in ['clip', 'clip:ViT-L-14', 'resnet50', 'torchvision:vgg16', 'timm:resnet26d', 'onnx:a.onnx']:\n"
        "    plugins.load_member('nearkin.embedders', name)()\n"
        "for name in ['clip', 'alexnet', 'vgg16', 'vgg19', 'inception_v3', 'resnet50']:\n"
        "    made = plugins.load_member('nearkin.embedders', name)()\n"
        "    made.dimension; name == 'clip' or made.input_size\n"
        "sys.exit(bool({'torch', 'timm', 'open_clip', 'torchvision', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_other_weights_have_another_fingerprint(folder: Path, tmp_path: Path) -> None:
    one = resnet18_of(folder).ours()
    save_file(torchvision.models.resnet18().state_dict(), tmp_path / "b.safetensors")
    assert one.fingerprint() != ResNet18(weights=str(tmp_path / "b.safetensors")).fingerprint()
    assert one.fingerprint() == ResNet18(weights=str(folder / RESNET18_FILE), precision="bf16").fingerprint()


def test_embedders_without_words_name_those_that_read_them(folder: Path) -> None:
    with pytest.raises(NoTextTower, match=r"reads pictures only.*embedder that reads words: clip"):
        resnet18_of(folder).ours().embed_texts(["a cat"])


# ---- weights


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("clip", "clip:MODEL/PATH"),
        ("resnet50", "resnet50:PATH"),
        ("timm:test_vit", "timm:MODEL/PATH"),
        ("torchvision:vgg16", "torchvision:MODEL/PATH"),
    ],
)
def test_weights_that_cannot_be_had_say_what_was_tried_at_once(
    name: str, local: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = pytest.importorskip("huggingface_hub").constants
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(weights, "_download", _refuse)
    embedder = plugins.load_member("nearkin.embedders", name)()
    start = time.perf_counter()
    with pytest.raises(
        WeightsUnavailable, match=r"can't be (had|reached).*no download: lite0, classic, tiny"
    ) as caught:
        embedder.fingerprint()
    assert time.perf_counter() - start < 5
    assert local in str(caught.value)


def _refuse(url: str, target: Path) -> None:
    raise OSError(f"{url} can't be reached")


def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="of another network"):
        TorchVision(model="resnet50", weights=str(folder / RESNET18_FILE)).embed([Image.new("RGB", (9, 9))])
    with pytest.raises(WeightsUnavailable, match="of another network"):
        Timm(model="test_vit", weights=str(folder / RESNET18_FILE)).embed([Image.new("RGB", (9, 9))])
    with pytest.raises(WeightsUnavailable, match="of another network"):
        Clip(pretrained=str(folder / RESNET18_FILE)).embed([Image.new("RGB", (9, 9))])


# ---- onnx


def test_an_exported_file_gives_the_models_vectors(theirs: Theirs, tmp_path: Path, pictures: list[Image.Image]) -> None:
    pytest.importorskip("onnxruntime")
    embedder = theirs.ours()
    path = export_onnx(embedder, tmp_path / "model.onnx")
    found = Onnx(path=str(path), precision="fp32")
    assert (found.dimension, found.transform) == (embedder.dimension, embedder.transform)
    expected = theirs.vectors(pictures)
    np.testing.assert_allclose(found.embed(pictures), expected, atol=1e-5 * np.abs(expected).max())
    small = Onnx(path=str(export_onnx(embedder, tmp_path / "small.onnx", int8=True)))
    assert compute_least_cosine(small.embed(pictures), expected) >= 0.999
    assert "int8" in small.name or small._is_quantised


@pytest.mark.parametrize("precision", ["auto", "bf16", "int8"])
def test_an_onnx_file_in_less_precision(
    folder: Path, tmp_path: Path, precision: str, pictures: list[Image.Image]
) -> None:
    pytest.importorskip("openvino")
    theirs = clip_of(folder)
    found = Onnx(path=str(export_onnx(theirs.ours(), tmp_path / "model.onnx")), precision=precision)
    assert compute_least_cosine(found.embed(pictures), theirs.vectors(pictures)) >= 0.999


def test_a_foreign_onnx_file_takes_its_transform_from_the_settings(tmp_path: Path, pictures: list[Image.Image]) -> None:
    pytest.importorskip("onnxruntime")
    path = foreign(tmp_path / "foreign.onnx", 32)
    embedder = Onnx(path=str(path), mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5], interpolation="bilinear", resize=36)
    assert embedder.transform.crop == (32, 32)
    assert embedder.transform.resize == (36, 36)
    assert embedder.transform.interpolation == "bilinear"
    assert embedder.dimension == 4
    white = embedder.embed([Image.new("RGB", (50, 40), "white")])
    np.testing.assert_allclose(white, embedder.embed([Image.new("RGB", (9, 70), "white")]), rtol=1e-5)


def foreign(path: Path, edge: int) -> Path:
    """A model made elsewhere: one picture at a time, of fixed size, giving (1, 4, 1, 1)."""
    torch.manual_seed(2)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5), torch.nn.AdaptiveAvgPool2d(1)).eval()
    path.write_bytes(export_network(model, np.zeros((2, 3, edge, edge), np.float32)))
    import onnx

    parsed = onnx.load(path)
    parsed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(parsed, path)
    return path


def test_files_that_are_no_model_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(WeightsUnavailable, match="no ONNX model"):
        Onnx(path=str(tmp_path / "text.onnx")).embed([Image.new("RGB", (9, 9))])
    with pytest.raises(WeightsUnavailable, match="no such file"):
        Onnx(path=str(tmp_path / "gone.onnx")).fingerprint()


def test_embedders_without_a_network_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="'classic' can't be written"):
        export_onnx(plugins.load_member("nearkin.embedders", "classic")(), tmp_path / "a.onnx")


def test_a_missing_runtime_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackage, match=r"nearkin\[onnx\]"):
        clip_of(folder).ours(precision="int8").embed([Image.new("RGB", (9, 9))])


def test_openvino_tells_nobody_that_it_is_used() -> None:
    pytest.importorskip("openvino")
    script = (
        "import sys; from indexers.embedders.engines import import_openvino; import_openvino().Core(); "
        "sys.exit(any('openvino_telemetry' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# ---- the overview


def test_the_overview_says_what_can_be_used(folder: Path) -> None:
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


def test_the_overview_measures_on_request(folder: Path) -> None:
    [entry] = list_embedders([f"clip:{folder / 'clip'}"], with_rate=True, device="cpu", seconds=0.1)
    assert entry.usable
    assert entry.rate
    assert entry.rate > 1
    assert entry.computes
