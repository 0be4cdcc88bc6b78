"""Text in pictures: scanned pages, screenshots, photographs of signs, recognised by PP-OCRv6 through `rapidocr`.

The weights come inside its wheel and are checked by hash. It would download what it does not find, so that it is always
told where its files are.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image, Transpose

from indexers.devices import count_cores
from indexers.errors import MissingPackage, WeightsUnavailable

NAME = "PP-OCRv6 small, either way up"
"""What texts were read by: with another name they are read again."""
WEIGHTS = {
    "Det": ("PP-OCRv6_det_small.onnx", "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"),
    "Rec": ("PP-OCRv6_rec_small.onnx", "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"),
}
"""The files that find lines and that read them, with their SHA-256: Apache-2.0."""
EDGE = 2000
"""The longer edge of what is looked at, in pixels: a page has 170 dots an inch."""
SURE = 0.9
"""Lines that are read less surely, on average, are tried upside down: upright ones have .95 and more, others .75."""
COMMAND = "pip install 'nearkin[ocr]'"


class TextReader:
    """Reads the text in pictures. Thread-safe; the network is loaded on first use.

    threads: cores that one picture takes; 0: all.
    """

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads or count_cores()
        self._lock = threading.Lock()
        self._engine: Any = None

    def read(self, picture: Image) -> str:
        """Return the text in an RGB picture, a line each, from top to bottom; "" if there is none.

        Lines may lie at any angle: the network turns them, but for those that stand on their heads.

        Raises MissingPackage, WeightsUnavailable.
        """
        lines, sureness = self._recognise(picture)
        if lines and sureness < SURE:
            turned, sureness_turned = self._recognise(picture.transpose(Transpose.ROTATE_180))
            if sureness_turned > sureness:
                lines = turned
        return "\n".join(lines)

    def _recognise(self, picture: Image) -> tuple[Sequence[str], float]:
        """Return the lines, and how sure they are on average, from 0 to 1, weighed by their letters."""
        with self._lock:
            if self._engine is None:
                self._engine = _load_engine(self._threads)
            found = self._engine(np.ascontiguousarray(np.asarray(picture)[:, :, ::-1]))
        if not found.txts:
            return (), 0.0
        return found.txts, float(np.average(found.scores, weights=[len(line) for line in found.txts]))


def check_reader() -> None:
    """Raise MissingPackage if no text can be read here; nothing is loaded."""
    if find_spec("rapidocr") is None or find_spec("onnxruntime") is None:
        raise MissingPackage(f"reading the text in pictures needs the package 'rapidocr': {COMMAND}")


def _load_engine(threads: int) -> Any:
    check_reader()
    options: dict[str, Any] = {
        "Global.log_level": "critical",
        "Global.use_cls": False,  # it turns lines that are upright, and reads 9 of 38 words less
        "Global.max_side_len": EDGE,
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    options |= {f"{part}.model_path": str(_find_weights(*file)) for part, file in WEIGHTS.items()}
    from rapidocr import RapidOCR

    return RapidOCR(params=options)


def _find_weights(name: str, digest: str) -> Path:
    """Return a file of the package, without importing it. Raises WeightsUnavailable."""
    spec = find_spec("rapidocr")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, "models", name)
        if path.is_file() and sha256(path.read_bytes()).hexdigest() == digest:
            return path
    raise WeightsUnavailable(
        f"the package 'rapidocr' does not hold {name} as it should; install it again: pip install --force-reinstall "
        "--no-deps rapidocr"
    )
