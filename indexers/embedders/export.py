"""A model's image tower as an ONNX file that carries its own transform."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from indexers.embedders.base import Embedder
from indexers.embedders.engines import export_network, import_package, quantise
from indexers.embedders.network import NetworkEmbedder, make_samples, prepare_network
from indexers.errors import BadSetting
from indexers.files import replace_file
from indexers.types import Json

PREFIX = "nearkin."
"""Of our keys in the file's metadata: transform, dimension (JSON), embedder, licence, precision, fingerprint."""


def export_onnx(embedder: Embedder, path: str | os.PathLike[str], int8: bool = False) -> Path:
    """Write the network of `clip`, a torchvision or a timm embedder; the embedder `onnx` takes the file as it is.

    `int8`: 8-bit weights in MatMul and Gemm: a quarter of the size of a transformer, and thrice its speed. A text
    tower is not written. Raises BadSetting for an embedder without a torch network, MissingPackage, WriteFailed.
    """
    if not isinstance(embedder, NetworkEmbedder):
        raise BadSetting(
            f"the embedder {embedder.name!r} can't be written as ONNX; clip, resnet50, torchvision:NAME and "
            "timm:NAME can"
        )
    looked = embedder.transform.normalise([embedder.transform(one) for one in make_samples()])
    model = export_network(prepare_network(embedder.make_network, looked), looked)
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
    onnx = import_package("onnx")
    parsed = onnx.load_from_string(model)
    onnx.helper.set_model_props(parsed, {PREFIX + key: value for key, value in facts.items()})
    return bytes(parsed.SerializeToString())


def parse_facts(metadata: Mapping[str, str]) -> Json:
    """What `export_onnx` wrote into a file's metadata; nothing, for a file of other origin."""
    found = {key.removeprefix(PREFIX): value for key, value in metadata.items() if key.startswith(PREFIX)}
    return {key: json.loads(value) if key in ("transform", "dimension") else value for key, value in found.items()}
