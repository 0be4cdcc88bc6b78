"""What runs a network: torch, ONNX Runtime or OpenVINO, in full or reduced precision.

Measured on one core of an AVX512-BF16 processor, pictures a second:

| | torch fp32 | torch bf16 | OpenVINO bf16 | ONNX Runtime fp32 | ONNX Runtime int8 |
| --- | --- | --- | --- | --- | --- |
| CLIP ViT-B-32 | 11 | 41 | 47 | 23 | 71 (57 one by one) |
| ResNet-50 | 12 (19 folded) | 41 | 59 | 29 | 29 |
"""

from __future__ import annotations

import io
import sys
import tempfile
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from indexers.devices import count_cores
from indexers.embedders.quick import has_bf16, is_mostly_convolutions
from indexers.embedders.transform import Floats
from indexers.errors import BadSetting, MissingPackage

PRECISIONS = ("auto", "fp32", "bf16", "int8")
MIN_COSINE = 0.999
"""To full precision, of every sample: what "auto" may cost."""


class Engine(ABC):
    """`run` takes float32 (n, 3, height, width), normalised, and gives float32 (n, dimension). Thread-safe."""

    label: str

    @abstractmethod
    def run(self, pixels: Floats, threads: int | None = None) -> Floats:
        """`threads`: how many cores this call may use (None: all)."""


class Torch(Engine):
    """The network as it is, or in bfloat16 throughout (autocast would convert the weights again and again)."""

    def __init__(self, network: Any, device: Any, bf16: bool = False) -> None:
        import torch

        self.label = f"torch {'bf16' if bf16 else 'fp32'} on {device}"
        self._type, self._device = torch.bfloat16 if bf16 else torch.float32, device
        self._layout = torch.channels_last if is_mostly_convolutions(network) else torch.contiguous_format
        self._network = network.to(device=device, dtype=self._type, memory_format=self._layout)

    def run(self, pixels: Floats, threads: int | None = None) -> Floats:
        """`threads` was told to torch already, by `limit_threads`."""
        import torch

        with torch.inference_mode():
            taken = torch.from_numpy(pixels).to(self._device, self._type).to(memory_format=self._layout)
            found: Floats = self._network(taken).float().cpu().numpy()
        return found


class OnnxRuntime(Engine):
    """`model`: an ONNX file or its bytes. `alone`: pictures go through one by one."""

    def __init__(self, model: bytes | Path, alone: bool = False, label: str = "fp32") -> None:
        self.label = f"ONNX Runtime {label}"
        self._model, self._alone = model if isinstance(model, bytes) else str(model), alone
        self._sessions: dict[int | None, Any] = {}
        self._making = threading.Lock()
        self.session(1)

    def session(self, threads: int | None) -> Any:
        """A session for so many threads: ONNX Runtime fixes them when it loads a model."""
        with self._making:
            if threads not in self._sessions:
                runtime = import_package("onnxruntime")
                options = runtime.SessionOptions()
                options.intra_op_num_threads = threads or 0
                options.log_severity_level = 3
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others want the cores
                self._sessions[threads] = runtime.InferenceSession(
                    self._model, options, providers=["CPUExecutionProvider"]
                )
        return self._sessions[threads]

    def run(self, pixels: Floats, threads: int | None = None) -> Floats:
        session = self.session(threads)
        name = session.get_inputs()[0].name
        parts = [pixels[place : place + 1] for place in range(len(pixels))] if self._alone else [pixels]
        return np.concatenate([session.run(None, {name: part})[0] for part in parts])


class OpenVino(Engine):
    """`model`: an ONNX file or its bytes."""

    def __init__(self, model: bytes | Path, bf16: bool = True) -> None:
        self.label = f"OpenVINO {'bf16' if bf16 else 'fp32'}"
        self._core = import_openvino().Core()
        self._model = self._core.read_model(model if isinstance(model, bytes) else str(model))
        self._precision = "bf16" if bf16 else "f32"
        self._compiled: dict[int | None, Any] = {}
        self._making, self._local = threading.Lock(), threading.local()

    def run(self, pixels: Floats, threads: int | None = None) -> Floats:
        requests = self._local.__dict__.setdefault("requests", {})  # a request serves one thread
        if threads not in requests:
            requests[threads] = self._compile(threads).create_infer_request()
        found: Floats = requests[threads].infer({0: pixels})[0].astype(np.float32)
        return found

    def _compile(self, threads: int | None) -> Any:
        """For calls from as many threads as there are cores for, or for one call that uses all cores."""
        with self._making:
            if threads not in self._compiled:
                cores = count_cores()
                streams = max(1, cores // threads) if threads else 1
                settings = {"INFERENCE_PRECISION_HINT": self._precision, "NUM_STREAMS": streams}
                if threads:
                    settings["INFERENCE_NUM_THREADS"] = streams * threads
                self._compiled[threads] = self._core.compile_model(self._model, "CPU", settings)
        return self._compiled[threads]


def import_package(package: str) -> Any:
    """The module of an optional package. Raises MissingPackage."""
    try:
        return __import__(package)
    except ImportError as error:
        raise MissingPackage(f"this needs the package {package!r}: pip install 'nearkin[onnx]'") from error


def import_openvino() -> Any:
    """OpenVINO, without what its import does beside: it sends a message to its makers unless this package is absent."""
    if "openvino" not in sys.modules:
        before = sys.modules.get("openvino_telemetry")
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        try:
            return import_package("openvino")
        finally:
            del sys.modules["openvino_telemetry"]
            if before is not None:
                sys.modules["openvino_telemetry"] = before
    return sys.modules["openvino"]


def has_packages(*packages: str) -> bool:
    return all(find_spec(package) is not None for package in packages)


def export_network(network: Any, example: Floats) -> bytes:
    """The network as ONNX: "pixels", float32 (n, 3, height, width), to "vectors", float32 (n, dimension).

    Through torch's older exporter, since the newer one needs one more package and takes ten times as long.
    """
    import_package("onnx")
    import torch

    stream, fast = io.BytesIO(), torch.backends.mha.get_fastpath_enabled()
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
        torch.backends.mha.set_fastpath_enabled(fast)
    return stream.getvalue()


def quantise(model: bytes | Path) -> bytes:
    """The ONNX model with 8-bit weights in MatMul and Gemm, activations scaled as they come.

    Convolutions stay: 8 bits make them slower. One scale a matrix: one a column costs a tenth of the speed.
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
            weight_type=QuantType.QInt8,
        )
        return target.read_bytes()


def iterate_engine_makers(
    precision: str, network: Any, device: Any, exported: Callable[[], bytes]
) -> Iterator[Callable[[], Engine]]:
    """Makers of engines of that precision, quickest first. Of "auto", those that pay here."""
    cpu = str(device) == "cpu"
    bf16, other = precision == "bf16" or (precision == "auto" and has_bf16()), cpu and has_packages("onnx")
    if precision == "int8" or (precision == "auto" and cpu and not bf16 and other and has_packages("onnxruntime")):
        if not cpu:
            raise BadSetting(f"int8 is computed on the CPU only, not on {device}; give device='cpu', or bf16")
        if precision == "int8" or not is_mostly_convolutions(network):
            yield lambda: OnnxRuntime(quantise(exported()), alone=True, label="int8")
    if bf16 and (cpu or precision == "bf16"):
        # exporting takes seconds, for which OpenVINO pays with convolutions and hardly with a transformer
        if other and has_packages("openvino") and is_mostly_convolutions(network):
            yield lambda: OpenVino(exported())
        yield lambda: Torch(deepcopy(network), device, bf16=True)
    if precision == "auto" and cpu and not bf16 and other and has_packages("onnxruntime"):
        yield lambda: OnnxRuntime(exported())
    if precision in ("auto", "fp32"):
        yield lambda: Torch(network, device)


def compute_least_cosine(one: Floats, other: Floats) -> float:
    """The least cosine of corresponding rows; 0 if one is not finite, or has no length though the other has."""
    first, second = (part.reshape(len(part), -1).astype(np.float64) for part in (one, other))
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        found = np.nan_to_num(np.einsum("ij,ij->i", first, second) / lengths, nan=0.0)
    return float(np.where((first == 0).all(axis=1) & (second == 0).all(axis=1), 1.0, found).min())


@contextmanager
def _silence_quantiser() -> Iterator[None]:
    """Without the advice that the quantiser logs."""
    import logging

    def drop(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    root = logging.getLogger()
    root.addFilter(drop)
    had = list(root.handlers)
    try:
        yield
    finally:
        root.removeFilter(drop)
        for handler in set(root.handlers) - set(had):  # logging.warning() adds one if there is none
            root.removeHandler(handler)
