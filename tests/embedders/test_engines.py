"""Engines in every precision: the direction of the vectors stays, and every machine has one."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.embedders import engines
from indexers.embedders.engines import (
    MIN_COSINE,
    Engine,
    OnnxRuntime,
    choose_quickest,
    compute_least_cosine,
    describe_quickest,
    export_network,
    has_packages,
    import_package,
    iterate_engine_makers,
    quantise,
)
from indexers.embedders.transform import Floats
from indexers.errors import BadSetting, MissingPackage
from tests.support.networks import PICTURES, Original, Originals, torch

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.mark.parametrize("precision", ["auto", "bf16", "int8"])
def test_less_precision_keeps_the_direction(original: Original, precision: str) -> None:
    if precision == "int8":
        pytest.importorskip("onnxruntime")
    embedder = original.share_ours(precision)
    assert compute_least_cosine(embedder.embed(PICTURES), original.vectors) >= MIN_COSINE == 0.999
    assert precision == "auto" or precision in embedder.engine().label


def test_int8_does_not_depend_on_the_batch(originals: Originals) -> None:
    """Though activations are scaled by what is in them: each picture goes through alone."""
    pytest.importorskip("onnxruntime")
    embedder = originals["clip"].share_ours("int8")
    one_by_one = np.concatenate([embedder.embed([picture]) for picture in PICTURES])
    np.testing.assert_allclose(embedder.embed(PICTURES), one_by_one, atol=1e-6)


@pytest.mark.parametrize("has_bf16", [False, True])
@pytest.mark.parametrize("installed", [(), ("onnx", "onnxruntime"), ("onnx", "onnxruntime", "openvino")])
def test_auto_finds_a_way_on_every_machine(
    original: Original, has_bf16: bool, installed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in installed:
        pytest.importorskip(package)
    monkeypatch.setattr(engines, "has_bf16", lambda: has_bf16)
    monkeypatch.setattr(engines, "has_packages", lambda *packages: set(packages) <= set(installed))
    embedder = original.make_ours()
    assert compute_least_cosine(embedder.embed(PICTURES), original.vectors) >= 0.999
    assert has_bf16 == ("bf16" in embedder.engine().label)
    assert installed or "torch" in embedder.engine().label


def test_int8_is_computed_on_the_cpu_only() -> None:
    with pytest.raises(BadSetting, match="int8 is computed on the CPU only, not on cuda:1"):
        next(iterate_engine_makers("int8", torch.nn.Linear(2, 2), "cuda:1", lambda: b""))


@pytest.mark.parametrize(("precision", "label"), [("auto", "torch fp32 on cpu"), ("bf16", "torch bf16 on cpu")])
def test_without_any_other_package_torch_runs_the_network(
    precision: str, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "has_bf16", lambda: False)
    monkeypatch.setattr(engines, "has_packages", lambda *packages: False)
    makers = iterate_engine_makers(precision, torch.nn.Conv2d(3, 1, 1), "cpu", lambda: b"")
    assert [make().label for make in makers] == [label]


def test_the_cosine_is_of_the_worst_row() -> None:
    rows = np.array([[1, 0], [0, 2], [0, 0]], np.float32)
    assert compute_least_cosine(rows, rows) == 1
    assert compute_least_cosine(rows, rows[::-1] * 3) == 0
    assert compute_least_cosine(rows, np.full_like(rows, np.nan)) == 0
    diagonal = np.array([[1, 1], [0, 1], [0, 0]], np.float32)  # 45 degrees, 0 degrees, and equal
    assert compute_least_cosine(rows, diagonal) == pytest.approx(0.5**0.5)


# ---- ONNX


def test_an_exported_network_computes_the_same_for_any_batch() -> None:
    pytest.importorskip("onnxruntime")
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(64, 5)).eval()
    content = export_network(model, np.zeros((2, 3, 6, 6), np.float32))
    pixels = np.random.default_rng(0).standard_normal((5, 3, 6, 6), dtype=np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels)).numpy()
    for engine in (OnnxRuntime(content), OnnxRuntime(content, one_by_one=True)):
        np.testing.assert_allclose(engine.run(pixels, 1), expected, atol=1e-6)
    session = OnnxRuntime(content).open_session(1)
    assert [tensor.name for tensor in (*session.get_inputs(), *session.get_outputs())] == ["pixels", "vectors"]


def test_matrices_become_8_bits_and_convolutions_stay() -> None:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(64, 5)).eval()
    content = quantise(export_network(model, np.zeros((2, 3, 6, 6), np.float32)))
    graph = onnx.load_from_string(content).graph
    operators = {node.op_type for node in graph.node}
    assert "Conv" in operators
    assert "MatMulInteger" in operators
    assert "Gemm" not in operators
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    [matrix] = [name for name, shape in shapes.items() if sorted(shape) == [5, 64]]
    [kernel] = [name for name, shape in shapes.items() if shape == [4, 3, 3, 3]]
    assert types[matrix] == onnx.TensorProto.INT8
    assert types[kernel] == onnx.TensorProto.FLOAT


# ---- the quickest of several


class Fake(Engine):
    """Takes so many milliseconds of processor time for each run."""

    def __init__(self, label: str, milliseconds: float = 0) -> None:
        self.label, self.milliseconds, self.runs = label, milliseconds, 0

    def run(self, pixels: Any, threads: int | None = None) -> Floats:
        assert threads == 1
        self.runs += 1
        end = time.process_time() + self.milliseconds / 1e3
        while time.process_time() < end:
            pass
        return np.zeros((len(pixels), 1), np.float32)


class Makers:
    """Makers of engines by packages that are installed, and how often each was called."""

    def __init__(self, **milliseconds: float | None) -> None:
        self.calls: dict[str, int] = dict.fromkeys(milliseconds, 0)
        self.milliseconds = milliseconds

    def make(self, package: str) -> Engine:
        self.calls[package] += 1
        if self.milliseconds[package] is None:
            raise MissingPackage(f"{package} lacks a library")
        return Fake(package, self.milliseconds[package] or 0)

    def choose(self) -> str:
        makers = {package: partial(self.make, package) for package in self.milliseconds}
        return choose_quickest("mine", makers, np.zeros((1, 2), np.float32)).label


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "nearkin"


def test_the_quickest_engine_is_measured_once_and_remembered(cache: Path) -> None:
    makers = Makers(numpy=5, pillow=1)
    assert describe_quickest("mine", ["numpy", "pillow"]) == "numpy or pillow"
    assert [makers.choose() for _ in range(3)] == ["pillow"] * 3
    assert makers.calls == {"numpy": 1, "pillow": 3}
    assert describe_quickest("mine", ["numpy", "pillow"]) == "pillow"
    assert describe_quickest("other", ["numpy", "pillow"]) == "numpy or pillow"


def test_a_small_difference_leaves_the_first(cache: Path) -> None:
    assert Makers(numpy=5, pillow=4.5).choose() == "numpy"


def test_only_one_engine_is_not_measured(cache: Path) -> None:
    makers = Makers(numpy=50)
    start = time.perf_counter()
    assert makers.choose() == "numpy" == describe_quickest("mine", ["numpy"])
    assert time.perf_counter() - start < 0.05
    assert not cache.exists()


def test_what_was_remembered_holds_for_these_versions_and_this_processor(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers = Makers(numpy=3, pillow=0)
    makers.choose()
    monkeypatch.setattr(engines, "version", lambda package: "99")
    makers.choose()
    monkeypatch.setattr(engines, "describe_processor", lambda: "another")
    makers.choose()
    assert makers.calls == {"numpy": 3, "pillow": 3}


@pytest.mark.parametrize("content", [b"", b"no_such_engine", b"\xff\x00", b"../numpy"])
def test_nonsense_in_the_cache_is_measured_again(cache: Path, content: bytes) -> None:
    makers = Makers(numpy=3, pillow=0)
    makers.choose()
    [path] = cache.iterdir()
    path.write_bytes(content)
    assert makers.choose() == "pillow"
    assert path.read_bytes() == b"pillow"


def test_an_engine_that_cant_be_made_is_passed_over(cache: Path) -> None:
    assert Makers(numpy=None, pillow=1).choose() == "pillow"
    assert Makers(numpy=1, pillow=None).choose() == "numpy"
    with pytest.raises(MissingPackage, match="pillow lacks"):
        Makers(numpy=None, pillow=None).choose()


def test_a_remembered_engine_that_can_be_made_no_more_gives_way(cache: Path) -> None:
    assert Makers(numpy=3, pillow=0).choose() == "pillow"
    assert Makers(numpy=3, pillow=None).choose() == "numpy"


# ---- packages


def test_a_missing_runtime_says_what_to_install(originals: Originals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackage, match=r"nearkin\[onnx\]"):
        originals["clip"].make_ours(precision="int8").embed([Image.new("RGB", (9, 9))])


def test_packages_are_looked_for_without_importing_them() -> None:
    assert has_packages("json", "antigravity")  # importing that one opens a browser
    assert not has_packages("json", "no_such_package")
    assert import_package("json").loads("1") == 1
    with pytest.raises(MissingPackage, match=r"package 'no_such_package': pip install 'nearkin\[onnx\]'"):
        import_package("no_such_package")


def test_openvino_tells_nobody_that_it_is_used() -> None:
    pytest.importorskip("openvino")
    script = (
        "import sys; from indexers.embedders.engines import import_openvino; import_openvino().Core(); "
        "sys.exit(any('openvino_telemetry' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
