"""Engines, which run a network: torch, ONNX Runtime or OpenVINO, in full or reduced precision.

Measured on one core of an AVX512-BF16 processor, pictures a second:

| | torch fp32 | torch bf16 | OpenVINO bf16 | ONNX Runtime fp32 | ONNX Runtime int8 |
| --- | --- | --- | --- | --- | --- |
| CLIP ViT-B-32 | 11 | 41 | 47 | 23 | 71 (57 one by one) |
| ResNet-50 | 12 (19 folded) | 41 | 59 | 29 | 29 |
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.devices import count_cores
from indexers.embedders.cache import read_cached, write_cached
from indexers.embedders.quick import describe_processor, has_bf16, is_mostly_convolutions
from indexers.embedders.transform import Floats
from indexers.errors import BadSetting, MissingPackage

PRECISIONS = ("auto", "fp32", "bf16", "int8")
TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "torch"}
"""What the packages of engines call themselves."""
QUICKER = 0.75
"""An engine takes the place of one that loads sooner if it needs no more than this share of its time."""
MIN_COSINE = 0.999
"""Between the vectors of "auto" and those of full precision, for every sample."""


class Engine(ABC):
    """A network in one runtime and precision. Thread-safe."""

    label: str

    @abstractmethod
    def run(self, pixels: NDArray[Any], threads: int | None = None) -> Floats:
        """Return the vectors, float32 (n, dimension), of the network's input, mostly normalised pixels, float32
        (n, 3, height, width).

        `threads`: how many cores this call may use; None: all.
        """


class Torch(Engine):
    """The network as it is, or in bfloat16 throughout (autocast would convert the weights again and again)."""

    def __init__(self, network: Any, device: Any, bf16: bool = False) -> None:
        import torch

        self.label = f"torch {'bf16' if bf16 else 'fp32'} on {device}"
        self._type, self._device = torch.bfloat16 if bf16 else torch.float32, device
        self._layout = torch.channels_last if is_mostly_convolutions(network) else torch.contiguous_format
        self._network = network.to(device=device, dtype=self._type, memory_format=self._layout)

    def run(self, pixels: NDArray[Any], threads: int | None = None) -> Floats:
        import torch

        if threads and threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        with torch.inference_mode():
            inputs = torch.from_numpy(pixels).to(self._device, self._type).to(memory_format=self._layout)
            vectors: Floats = self._network(inputs).float().cpu().numpy()
        return vectors


class OnnxRuntime(Engine):
    """An ONNX file, or its bytes, in ONNX Runtime. With `one_by_one`, each picture is a batch of its own."""

    def __init__(self, model: bytes | Path, one_by_one: bool = False, label: str = "fp32") -> None:
        self.label = f"ONNX Runtime {label}"
        self._model, self._one_by_one = model if isinstance(model, bytes) else str(model), one_by_one
        self._sessions: dict[int | None, Any] = {}
        self._making = threading.Lock()
        self.open_session(1)

    def open_session(self, threads: int | None) -> Any:
        """Return the session for so many threads: ONNX Runtime fixes their number when it loads a model."""
        with self._making:
            if threads not in self._sessions:
                runtime = import_package("onnxruntime")
                options = runtime.SessionOptions()
                options.intra_op_num_threads = threads or 0
                options.log_severity_level = 3
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leaves the cores to others
                self._sessions[threads] = runtime.InferenceSession(
                    self._model, options, providers=["CPUExecutionProvider"]
                )
        return self._sessions[threads]

    def run(self, pixels: NDArray[Any], threads: int | None = None) -> Floats:
        session = self.open_session(threads)
        name = session.get_inputs()[0].name
        batches = _split_rows(pixels) if self._one_by_one else [pixels]
        return np.concatenate([session.run(None, {name: batch})[0] for batch in batches])


class OpenVino(Engine):
    """An ONNX file, or its bytes, in OpenVINO. With `one_by_one`, each picture is a batch of its own."""

    def __init__(self, model: bytes | Path, bf16: bool = True, one_by_one: bool = False) -> None:
        self._one_by_one = one_by_one
        self.label = f"OpenVINO {'bf16' if bf16 else 'fp32'}"
        self._core = import_openvino().Core()
        self._model = self._core.read_model(model if isinstance(model, bytes) else str(model))
        self._precision = "bf16" if bf16 else "f32"
        self._compiled: dict[int | None, Any] = {}
        self._making, self._local = threading.Lock(), threading.local()

    def run(self, pixels: NDArray[Any], threads: int | None = None) -> Floats:
        requests = self._local.__dict__.setdefault("requests", {})  # a request serves one thread
        if threads not in requests:
            requests[threads] = self._compile(threads).create_infer_request()
        batches = _split_rows(pixels) if self._one_by_one else [pixels]
        return np.concatenate([requests[threads].infer({0: batch})[0].astype(np.float32) for batch in batches])

    def _compile(self, threads: int | None) -> Any:
        """Compile the model for calls from as many threads as there are cores for; None: one call uses all cores."""
        with self._making:
            if threads not in self._compiled:
                streams = max(1, count_cores() // threads) if threads else 1
                settings = {"INFERENCE_PRECISION_HINT": self._precision, "NUM_STREAMS": streams}
                if threads:
                    settings["INFERENCE_NUM_THREADS"] = streams * threads
                self._compiled[threads] = self._core.compile_model(self._model, "CPU", settings)
        return self._compiled[threads]


def _split_rows(pixels: NDArray[Any]) -> list[NDArray[Any]]:
    """Return each picture as a batch of its own, (1, ...): activations of one stay in the processor's cache."""
    return [pixels[row : row + 1] for row in range(len(pixels))]


# ---- packages


def import_package(package: str) -> Any:
    """Return the module of an optional package. Raises MissingPackage."""
    try:
        return __import__(package)
    except ImportError as error:
        raise MissingPackage(f"this needs the package {package!r}: pip install 'nearkin[onnx]'") from error


def import_openvino() -> Any:
    """Return the module openvino. On import it sends a message to its makers, unless openvino_telemetry is absent: so
    that package is hidden from it. Raises MissingPackage."""
    if "openvino" not in sys.modules:
        telemetry = sys.modules.get("openvino_telemetry")
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            return import_package("openvino")
        finally:
            del sys.modules["openvino_telemetry"]
            if telemetry is not None:
                sys.modules["openvino_telemetry"] = telemetry
    return sys.modules["openvino"]


def has_packages(*packages: str) -> bool:
    return all(find_spec(package) is not None for package in packages)


def export_network(network: Any, example: Floats) -> bytes:
    """Return the network as an ONNX model: "pixels", float32 (n, 3, height, width), to "vectors", (n, dimension).

    Uses torch's older exporter, since the newer one needs one more package and takes ten times as long. Raises
    MissingPackage.
    """
    import_package("onnx")
    import torch

    stream, is_fast = io.BytesIO(), torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # ONNX has no such operator
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (torch.from_numpy(example[:2]),),
                stream,
                dynamo=False,
                opset_version=17,
                input_names=["pixels"],
                output_names=["vectors"],
                dynamic_axes={"pixels": {0: "n"}, "vectors": {0: "n"}},
            )
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)
    return stream.getvalue()


def quantise(model: bytes | Path) -> bytes:
    """Return the ONNX model with 8-bit weights in MatMul and Gemm, and activations scaled while it runs.

    Convolutions stay as they are: 8 bits make them slower. Each matrix has one scale: one for each column costs a tenth
    of the speed. Raises MissingPackage.
    """
    import_package("onnx")
    import_package("onnxruntime")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(prefix="nearkin-") as work, _silence_quantiser():
        source, target = Path(work, "fp32.onnx"), Path(work, "int8.onnx")
        if isinstance(model, bytes):
            source.write_bytes(model)
        quantize_dynamic(
            source if isinstance(model, bytes) else model,
            target,
            op_types_to_quantize=["MatMul", "Gemm"],
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


def iterate_engine_makers(
    precision: str, network: Any, device: Any, exported: Callable[[], bytes]
) -> Iterator[Callable[[], Engine]]:
    """Yield makers of engines of that precision, quickest first; for "auto", of those that pay on this machine.

    `exported` returns the network as an ONNX model.
    """
    on_cpu = str(device) == "cpu"
    in_bf16 = precision == "bf16" or (precision == "auto" and has_bf16())
    can_export = on_cpu and has_packages("onnx")
    can_use_onnx = precision == "auto" and not in_bf16 and can_export and has_packages("onnxruntime")
    if precision == "int8" or can_use_onnx:
        if not on_cpu:
            raise BadSetting(f"int8 is computed on the CPU only, not on {device}; give device='cpu', or bf16")
        if precision == "int8" or not is_mostly_convolutions(network):
            yield lambda: OnnxRuntime(quantise(exported()), one_by_one=True, label="int8")
    if in_bf16 and (on_cpu or precision == "bf16"):
        # exporting takes seconds: OpenVINO makes up for them with convolutions, hardly with a transformer
        if can_export and has_packages("openvino") and is_mostly_convolutions(network):
            yield lambda: OpenVino(exported())
        yield lambda: Torch(deepcopy(network), device, bf16=True)
    if can_use_onnx:
        yield lambda: OnnxRuntime(exported())
    if precision in ("auto", "fp32"):
        yield lambda: Torch(network, device)


# ---- choosing


def choose_quickest(name: str, makers: Mapping[str, Callable[[], Engine]], example: NDArray[Any]) -> Engine:
    """Return the engine that runs `example` in the least time on one core, of makers by their package.

    Engines that can't be made are passed over. With several packages, those that load sooner before others, the choice
    is measured once for their versions and this processor, and remembered under `name`. Raises the error of the last
    one if none can be made.
    """
    remembered = _recall_choice(name, list(makers))
    if remembered:
        with suppress(Exception):  # it can be loaded no more: measure again
            return makers[remembered]()
    engines: dict[str, Engine] = {}
    for package, make in makers.items():
        try:
            engines[package] = make()
        except Exception as error:  # a runtime may lack a library of the system, or refuse this processor
            logging.getLogger("nearkin").debug("the engine %s can't be used: %s", package, error)
            if not engines and package == list(makers)[-1]:
                raise
    chosen = next(iter(engines))
    if len(engines) > 1:
        seconds = {package: _time_engine(engine, example) for package, engine in engines.items()}
        for package in engines:
            chosen = package if seconds[package] < QUICKER * seconds[chosen] else chosen
        write_cached(_name_choice(name, list(makers)), chosen.encode())
    return engines[chosen]


def describe_quickest(name: str, packages: Sequence[str]) -> str:
    """Return which of the packages `choose_quickest` takes, as far as is known before it is loaded."""
    choice = packages[0] if len(packages) == 1 else _recall_choice(name, packages)
    return " or ".join(TITLES.get(package, package) for package in ([choice] if choice else packages))


def _recall_choice(name: str, packages: Sequence[str]) -> str:
    choice = read_cached(_name_choice(name, packages)).decode("ascii", "replace") if len(packages) > 1 else ""
    return choice if choice in packages else ""


def _name_choice(name: str, packages: Sequence[str]) -> str:
    """Return the name of the file that remembers a choice, which holds for these versions and this processor."""
    versions = [f"{package} {_find_version(package)}" for package in packages]
    key = " ".join([*versions, describe_processor(), str(count_cores()), f"within {QUICKER}"])
    return f"engine-{name}-{sha256(key.encode()).hexdigest()[:16]}"


def _find_version(package: str) -> str:
    """Return the version of the package; "" where a distribution of another name brings it."""
    with suppress(PackageNotFoundError):
        return version(package)
    return ""


def _time_engine(engine: Engine, example: NDArray[Any]) -> float:
    """Return the least seconds of processor time of several runs on one core, after one that warms up. (On a busy
    machine, those of the clock say little.)"""
    seconds = []
    for _ in range(6):
        start = time.process_time()
        engine.run(example, 1)
        seconds.append(time.process_time() - start)
    return min(seconds[1:])


def compute_least_cosine(vectors: Floats, reference: Floats) -> float:
    """Return the smallest cosine of corresponding rows.

    Two zero rows have 1; a row that is not finite, or is zero where the other is not, has 0.
    """
    first, second = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (vectors, reference))
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        cosines = np.nan_to_num(np.einsum("ij,ij->i", first, second) / lengths, nan=0.0)
    return float(np.where((first == 0).all(axis=1) & (second == 0).all(axis=1), 1.0, cosines).min())


@contextmanager
def _silence_quantiser() -> Iterator[None]:
    """Drop the advice that the quantiser logs, while the block runs."""

    def is_error(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    root = logging.getLogger()
    root.addFilter(is_error)
    handlers = list(root.handlers)
    try:
        yield
    finally:
        root.removeFilter(is_error)
        for handler in set(root.handlers) - set(handlers):  # logging.warning() adds one if there is none
            root.removeHandler(handler)
