"""The device that a network runs on"""

from __future__ import annotations

from typing import Any

from indexers.errors import BadSetting

DEVICES = "auto, cpu, cuda, cuda:N or mps"


def check_device(device: str) -> None:
    """Raises BadSetting for what is no device's name; whether it is there shows on use."""
    if device.split(":")[0] not in ("auto", "cpu", "cuda", "mps"):
        raise BadSetting(f"the device {device!r} is not known; give {DEVICES}")


def pick_device(device: str) -> Any:
    """torch's device of that name; "auto": a GPU if torch sees one. Raises BadSetting if it is not there."""
    import torch

    check_device(device)
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    if not {"cuda": cuda, "mps": mps}.get(device.split(":")[0], True):
        raise BadSetting(f"the device {device!r} is not on this machine; give 'cpu' or 'auto'")
    return torch.device(device)
