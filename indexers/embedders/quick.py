"""The same function of a torch network, quicker: what all embedders with torch share."""

from __future__ import annotations

import platform
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@cache
def has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 by itself; elsewhere it is slower than float32, not faster."""
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return platform.system() == "Darwin" and platform.machine() == "arm64"
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def fold_batch_norms(network: Any) -> None:
    """Replace each batch normalisation that is defined right after a convolution by its activation, in place.

    That order of definition is the order of computation is the rule, but no law: see `folded`.
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
    """A folded copy, or the network itself where that is not the same function of `example` to rounding."""
    import torch

    if not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules()):
        return network
    copy = deepcopy(network)
    try:
        fold_batch_norms(copy)
        with torch.inference_mode():
            before, after = network(example), copy(example)
    except (RuntimeError, AttributeError):  # the convolution has other channels: it was another's
        return network
    same = torch.allclose(before, after, rtol=1e-3, atol=1e-4 * float(before.abs().max()))
    return copy if same else network


def is_mostly_convolutions(network: Any) -> bool:
    """Whether most of the weights are convolutions'."""
    import torch

    inside = sum(module.weight.numel() for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    return bool(inside > sum(one.numel() for one in network.parameters()) / 2)


def explain_missing_packages(*names: str, extra: str = "models") -> str:
    """The command that installs what is not there of these; "" if all are."""
    return "" if all(find_spec(name) for name in names) else f"pip install 'nearkin[{extra}]'"
