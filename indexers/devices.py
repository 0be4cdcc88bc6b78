"""What networks compute on: the device by its name, and the cores of this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from indexers.errors import BadSetting, MissingPackage

DEVICES = "auto, cpu, cuda, cuda:N or mps"


def count_cores() -> int:
    """Return how many cores this process may use: those it is pinned to where the system tells, else all."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_device(device: str) -> None:
    """Raise BadSetting for a string that names no device. Whether this machine has the device shows on first use."""
    if device.split(":")[0] not in ("auto", "cpu", "cuda", "mps"):
        raise BadSetting(f"the device {device!r} is not known; give {DEVICES}")


def may_have_gpu() -> bool:
    """Return False if this machine has certainly no GPU that torch could use; torch, which knows, loads for seconds."""
    if sys.platform != "linux":
        return True
    return any(Path("/dev", name).exists() for name in ("nvidiactl", "nvhost-ctrl-gpu", "dxg", "kfd"))


def import_torch() -> Any:
    """Return the module torch. Raises MissingPackage."""
    try:
        import torch
    except ImportError as error:
        raise MissingPackage("this needs the package 'torch': pip install 'nearkin[models]'") from error
    return torch


def pick_device(device: str) -> Any:
    """Return torch's device of that name; for "auto" a GPU if torch sees one, else the CPU.

    Raises BadSetting if this machine does not have it, MissingPackage without torch.
    """
    check_device(device)
    torch = import_torch()
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if has_cuda else "mps" if has_mps else "cpu")
    if not {"cuda": has_cuda, "mps": has_mps}.get(device.split(":")[0], True):
        raise BadSetting(f"the device {device!r} is not on this machine; give 'cpu' or 'auto'")
    return torch.device(device)
