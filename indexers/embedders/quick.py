"""Compute the same function of a torch network in less time; all embedders with torch share this."""

from __future__ import annotations

import platform
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@cache
def has_bf16() -> bool:
    """Return True if this processor multiplies bfloat16 natively; on others it is slower than float32."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8", "replace").split()
    except OSError:  # not Linux
        return platform.system() == "Darwin" and platform.machine() == "arm64"
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def describe_processor() -> str:
    """Return the name of this processor as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:  # not Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "CPU part"))]
    return " ".join([platform.system(), platform.machine(), names[0] if names else platform.processor()])


def fold_batch_norms(network: Any) -> None:
    """Fold each batch normalisation defined right after a convolution into that, in place; its activation stays.

    Modules are mostly computed in the order in which they are defined, but need not be: see `fold_if_equal`.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in list(network.modules()):
        previous = None
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.BatchNorm2d) and previous and child.running_mean is not None:
                setattr(module, previous, fuse_conv_bn_eval(getattr(module, previous), child))
                setattr(module, name, getattr(child, "act", torch.nn.Identity()))
            previous = name if isinstance(child, torch.nn.Conv2d) else None


def fold_if_equal(network: Any, example: Any) -> Any:
    """Return a folded copy, or the network itself if the copy does not map `example` to the same values to rounding."""
    import torch

    if not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules()):
        return network
    copy = deepcopy(network)
    try:
        fold_batch_norms(copy)
        with torch.inference_mode():
            before, after = network(example), copy(example)
    except (RuntimeError, AttributeError):  # the convolution has other channels: the normalisation was not its own
        return network
    is_equal = torch.allclose(before, after, rtol=1e-3, atol=1e-4 * float(before.abs().max()))
    return copy if is_equal else network


def is_mostly_convolutions(network: Any) -> bool:
    """Return True if most of the weights are those of convolutions."""
    import torch

    count = sum(module.weight.numel() for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    return bool(count > sum(tensor.numel() for tensor in network.parameters()) / 2)


def explain_missing_packages(*names: str, extra: str = "models") -> str:
    """Return the command that installs the packages; "" if all are installed."""
    return "" if all(find_spec(name) for name in names) else f"pip install 'nearkin[{extra}]'"
