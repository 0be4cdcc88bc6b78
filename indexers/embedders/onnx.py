"""Any image model in an ONNX file."""

from __future__ import annotations

import mmap
import os
import re
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.embedders import weights
from indexers.embedders.base import Embedder
from indexers.embedders.engines import Engine, OnnxRuntime, OpenVino, has_packages, import_package, quantise
from indexers.embedders.export import parse_facts
from indexers.embedders.network import check_precision, choose_engine, make_input
from indexers.embedders.quick import explain_missing_packages, has_bf16
from indexers.embedders.transform import FITS, Floats, Transform, check_fit, name_fit
from indexers.errors import BadSetting, WeightsUnavailable
from indexers.types import Json, Vectors

_IMAGENET: Json = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


class Onnx(Embedder):
    """A model with one input, float32 (n, 3, height, width), and a vector for each picture as its first output.

    The output is (n, dimension) or (n, dimension, 1, 1). The model runs on the CPU through ONNX Runtime, or through
    OpenVINO if bfloat16 pays.

    Settings: `path`; `precision`, as for the other networks; and the transform from pictures to the input, which a file
    of `export_onnx` states itself:

    - `size`: the crop's edge in pixels, or [height, width]; by default the model's own;
    - `resize`: the length of the short edge before cropping; by default `size`;
    - `mean` and `std`: of red, green and blue from 0 to 1; by default ImageNet's;
    - `interpolation`: by default "bicubic";
    - `mode`: "shortest", "longest" or "squash"; see `Transform`;
    - `fit`: "crop", "pad" or "squash" in place of all that; see `Transform.change_fit`.
    """

    name = "onnx"
    licence = "see the file's origin"
    extra = "onnx"
    batch_size = 16

    def __init__(self, device: str = "auto", **settings: Any) -> None:
        super().__init__(**settings)
        path = self.settings["path"]
        if not isinstance(path, str) or not path:
            raise BadSetting("the embedder 'onnx' needs the path of a file, as in 'onnx:/path/to/model.onnx'")
        check_precision(self.settings["precision"])
        check_fit(self.settings["fit"], (None, *FITS))
        self.settings["path"] = weights.make_absolute(path)
        self.name = f"onnx:{self.settings['path']}"
        self.device = device
        self._loading, self._local = threading.Lock(), threading.local()
        self._engine: Engine | None = None

    @classmethod
    def defaults(cls) -> Json:
        unset = dict.fromkeys(("path", "size", "resize", "mean", "std", "interpolation", "mode", "fit"))
        return unset | {"precision": "auto"}

    @classmethod
    def parse_argument(cls, argument: str) -> Json:
        return {"path": argument}

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file, and of the files beside it in which its weights lie; and the fit."""
        digests = [weights.hash_file(path) for path in (self._path, *self._weight_files)]
        digest = sha256("".join(digests).encode()).hexdigest() if len(digests) > 1 else digests[0]
        return name_fit(digest, self.settings["fit"])

    def missing(self) -> str:
        command = explain_missing_packages("onnxruntime", extra=self.extra)
        return command or weights.explain_missing(lambda: self._path)

    def weights_bytes(self) -> int | None:
        return None if self.missing() else sum(path.stat().st_size for path in (self._path, *self._weight_files))

    @cached_property
    def _path(self) -> Path:
        return weights.find_file(self.settings["path"], self.name)

    @cached_property
    def _weight_files(self) -> list[Path]:
        """The files that hold the weights of a model that keeps them beside itself, by name."""
        names = {f"{self._path.name}.data", *_find_external_names(self._path)}
        return [path for path in map(self._path.parent.joinpath, sorted(names)) if path.is_file()]

    # ---- facts, read from the file

    @cached_property
    def _plain(self) -> OnnxRuntime:
        """The model as it is. Raises MissingPackage, WeightsUnavailable."""
        inputs = self._open_file().get_inputs()
        if (
            len(inputs) != 1
            or len(inputs[0].shape) != 4
            or inputs[0].shape[1] not in (3, None)
            or inputs[0].type != "tensor(float)"
        ):
            types = ", ".join(f"{tensor.name}: {tensor.type} {tensor.shape}" for tensor in inputs)
            raise BadSetting(f"{self._path} takes ({types}); the embedder 'onnx' gives float32 (n, 3, height, width)")
        return OnnxRuntime(self._path, one_by_one=isinstance(inputs[0].shape[0], int) or self._is_quantised)

    def _open_file(self) -> Any:
        """Return a session of the file. Raises MissingPackage, WeightsUnavailable."""
        import_package("onnxruntime")
        try:
            return OnnxRuntime(self._path).open_session(1)
        except Exception as error:  # onnxruntime's errors have no common base
            raise WeightsUnavailable(f"{self._path} is no ONNX model that can be run: {str(error)[:300]}") from error

    @cached_property
    def _facts(self) -> Json:
        session = self._open_file()
        facts = parse_facts(session.get_modelmeta().custom_metadata_map)
        return facts | {"shape": session.get_inputs()[0].shape}

    @cached_property
    def _is_quantised(self) -> bool:
        return self._facts.get("precision") == "int8" or b"DynamicQuantizeLinear" in self._path.read_bytes()

    @cached_property
    def transform(self) -> Transform:
        """The file's own transform, changed by the settings."""
        settings = {
            key: value
            for key, value in self.settings.items()
            if key not in ("path", "precision", "fit") and value is not None
        }
        values: Json = dict(self._facts.get("transform") or _IMAGENET)
        shape = [edge if isinstance(edge, int) else None for edge in self._facts["shape"][-2:]]
        size = settings.pop("size", None) or values.get("crop") or (shape if all(shape) else None)
        if size is None:
            raise BadSetting(f"{self._path} does not state the size of its pictures; give the setting size=")
        if "crop" not in values or self.settings["size"]:
            values["resize"] = _as_edges(size)
        values["crop"] = _as_edges(size)
        if "resize" in settings:
            values["resize"] = _as_edges(settings.pop("resize"))
        return Transform.from_dict(values | settings).change_fit(self.settings["fit"])

    @cached_property
    def dimension(self) -> int:  # type: ignore[override]
        if "dimension" in self._facts:
            return int(self._facts["dimension"])
        shape = self._plain.open_session(1).get_outputs()[0].shape
        dimension = shape[1] if len(shape) > 1 else None
        if isinstance(dimension, int):
            return dimension
        return int(self._flatten(self._plain.run(make_input(self.transform)[:1], 1)).shape[1])

    @property
    def input_size(self) -> int:  # type: ignore[override]
        return max(self.transform.resize)

    # ---- computing

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        return self.transform(image)

    def forward(self, batch: Sequence[NDArray[np.uint8]]) -> Vectors:
        """Return the vectors of n prepared pictures, float32 (n, dimension). Thread-safe."""
        threads = getattr(self._local, "threads", None)
        return self._flatten(self.engine().run(self.transform.normalise(batch), threads))

    def limit_threads(self, count: int) -> None:
        self._local.threads = count

    def engine(self) -> Engine:
        """Return the engine, chosen on first use; its `label` describes it."""
        with self._loading:
            if self._engine is None:
                self._engine = self._choose_engine()
        return self._engine

    def describe_engine(self) -> str:
        return self._engine.label if self._engine else ""

    def _choose_engine(self) -> Engine:
        precision, plain = self.settings["precision"], self._plain
        if self._is_quantised and precision in ("auto", "int8"):
            return plain
        makers = self._iterate_makers(precision)
        if precision != "auto":
            return next(makers)()  # type: ignore[no-any-return]
        example = make_input(self.transform)
        return choose_engine(makers, example, plain.run(example), self.name)

    def _iterate_makers(self, precision: str) -> Iterator[Any]:
        if precision == "int8":
            yield lambda: OnnxRuntime(quantise(self._path), one_by_one=True, label="int8")
        if precision == "bf16" or (precision == "auto" and has_bf16() and has_packages("openvino")):
            import_package("openvino")
            yield lambda: OpenVino(self._path)
        yield lambda: self._plain

    def _flatten(self, output: Floats) -> Vectors:
        """Return float32 (n, dimension) of the model's first output. Raises BadSetting."""
        if output.ndim == 4 and output.shape[2:] == (1, 1):
            output = output[:, :, 0, 0]
        if output.ndim != 2:
            raise BadSetting(
                f"the first output of {self._path} has the shape {output.shape}; a vector for each picture is needed"
            )
        return output


def _find_external_names(path: Path) -> set[str]:
    """Return the files, beside or below an ONNX file, that its tensors refer to, without parsing all of it.

    In the file's protobuf, such a name is an entry of the key `location`: its length (one or two bytes), and the text.
    """
    names: set[str] = set()
    with path.open("rb") as file:
        if not path.stat().st_size:
            return names
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for entry in re.finditer(rb"\n\x08location\x12([\x80-\xff]?[\x01-\x7f])", content):
                low, high = entry[1][0], entry[1][-1]
                length = low if len(entry[1]) == 1 else (low & 0x7F) | high << 7
                names.add(content[entry.end() : entry.end() + length].decode("utf-8", "replace"))
    below = {os.path.normpath(name.replace("\\", "/")) for name in names if name}
    return {name for name in below if not os.path.isabs(name) and name.split(os.sep)[0] not in (os.pardir, os.curdir)}


def _as_edges(size: Any) -> tuple[int, int]:
    """Return height and width. Raises BadSetting."""
    if isinstance(size, (list, tuple)) and len(size) == 2:
        return int(size[0]), int(size[1])
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise BadSetting(f"a size is a number of pixels, or [height, width]; got {size!r}")
    return size, size
