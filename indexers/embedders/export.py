"""Write the image tower of a model as an ONNX file that carries its own transform."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from indexers.embedders.base import Embedder
from indexers.embedders.engines import export_network, import_package, quantise
from indexers.embedders.network import NetworkEmbedder, make_input, prepare_network
from indexers.errors import BadSetting
from indexers.files import replace_file
from indexers.types import Json

PREFIX = "nearkin."
"""Begins our keys in the file's metadata: transform, dimension (JSON), embedder, licence, precision, fingerprint."""


def export_onnx(embedder: Embedder, path: str | os.PathLike[str], int8: bool = False) -> Path:
    """Write the network of `clip`, a torchvision or a timm embedder to a file, and return its path.

    The embedder `onnx` reads the file as it is. `int8`: with 8-bit weights in MatMul and Gemm, which make a transformer
    four times smaller and three times faster. A text tower is not written. Raises BadSetting for an embedder without a
    torch network, MissingPackage, WriteFailed.
    """
    if not isinstance(embedder, NetworkEmbedder):
        raise BadSetting(
            f"the embedder {embedder.name!r} can't be written as ONNX; clip, resnet50, torchvision:NAME and "
            "timm:NAME can"
        )
    example = make_input(embedder.transform)
    model = export_network(prepare_network(embedder.make_network, example), example)
    facts = {
        "transform": json.dumps(embedder.transform.to_dict()),
        "dimension": json.dumps(embedder.dimension),
        "embedder": embedder.name,
        "licence": embedder.licence,
        "precision": "int8" if int8 else "fp32",
        "fingerprint": embedder.fingerprint(),
    }
    with replace_file(Path(path)) as temporary:
        temporary.write_bytes(add_metadata(quantise(model) if int8 else model, facts))
    return Path(path)


def add_metadata(model: bytes, facts: Mapping[str, str]) -> bytes:
    """Return the ONNX model with these facts in its metadata."""
    onnx = import_package("onnx")
    parsed = onnx.load_from_string(model)
    onnx.helper.set_model_props(parsed, {PREFIX + key: value for key, value in facts.items()})
    return bytes(parsed.SerializeToString())


def parse_facts(metadata: Mapping[str, str]) -> Json:
    """Return the facts that `export_onnx` wrote into a file's metadata; none for a file of other origin."""
    facts = {key.removeprefix(PREFIX): value for key, value in metadata.items() if key.startswith(PREFIX)}
    return {key: json.loads(value) if key in ("transform", "dimension") else value for key, value in facts.items()}
