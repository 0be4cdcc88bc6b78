"""Devices by name, and the cores that this process may use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from indexers.devices import check_device, count_cores, may_have_gpu, pick_device
from indexers.errors import BadSetting, MissingPackage


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process to cores")
def test_only_the_cores_that_the_process_is_pinned_to_count() -> None:
    script = (
        "import os; from indexers.devices import count_cores\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(count_cores())"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "1"


@pytest.mark.parametrize(("cores", "counted"), [(6, 6), (None, 1)])
def test_where_no_process_is_pinned_all_cores_count(
    cores: int | None, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS and Windows; None is Python's answer where the system does not tell."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert count_cores() == counted


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "mps"])
def test_a_device_need_not_be_here_to_be_named(device: str) -> None:
    check_device(device)


@pytest.mark.parametrize("device", ["gpu", "", "cuda0", "CPU", "auto,cpu"])
def test_an_unknown_device_is_refused_with_those_that_are_known(device: str) -> None:
    with pytest.raises(BadSetting, match=f"device '{device}' is not known; give auto, cpu, cuda, cuda:N or mps"):
        check_device(device)


@pytest.mark.parametrize(("cuda", "mps", "device"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_is_a_gpu_if_torch_sees_one(cuda: bool, mps: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device("auto") == torch.device(device)
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_here_is_refused_on_use(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(BadSetting, match=f"device '{device}' is not on this machine; give 'cpu' or 'auto'"):
        pick_device(device)


def test_a_device_of_a_number_is_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are asked through torch")
def test_a_gpu_that_torch_could_use_has_a_device_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/dev/nvidiactl")
    assert may_have_gpu()
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/dev/null")
    assert not may_have_gpu()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert may_have_gpu()


def test_missing_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackage, match=r"package 'torch': pip install 'nearkin\[models\]'"):
        pick_device("cuda")
