"""Files of torch's older format, read without torch: every tensor as torch reads it, and nothing that could run."""

from __future__ import annotations

import io
import pickle
import random
import subprocess
import sys
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from indexers.embedders.torch_file import MAGIC, VERSION, read_torch_file
from indexers.errors import WeightsUnavailable

torch = pytest.importorskip("torch")


def save(tensors: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(tensors, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


@pytest.fixture(scope="module")
def tensors() -> Any:
    torch.manual_seed(0)
    whole = torch.randn(6, 5)
    return OrderedDict(
        kernel=torch.randn(4, 3, 2, 2),
        scalar=torch.tensor(7),
        row=whole[2],
        part=whole[1:4, ::2],
        turned=whole.t(),
        empty=torch.empty(0, 3),
        layout=torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    )


def test_tensors_are_read_as_torch_reads_them(tensors: Any) -> None:
    arrays = read_torch_file(save(tensors), "file")
    assert list(arrays) == list(tensors)
    for name, tensor in tensors.items():
        assert arrays[name].dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(arrays[name], tensor.numpy())
        assert arrays[name].flags.c_contiguous or name == "empty"


def test_reading_loads_no_torch() -> None:
    script = "import sys, indexers.embedders.torch_file; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


class Trap:
    def __reduce__(self) -> Any:
        return print, ("this runs",)


@pytest.mark.parametrize(
    "content",
    [
        {"a": Trap()},
        {"a": torch.zeros(2), "b": 3},
        [torch.zeros(2)],
        {"a": torch.zeros(2).half()},
        torch.nn.Linear(1, 1),
    ],
    ids=["code", "a number", "a list", "another type", "a module"],
)
def test_whatever_is_no_tensor_is_refused(content: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsUnavailable, match="the file can't be read as a file of tensors"):
        read_torch_file(save(content), "the file")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("place", range(5))
def test_no_pickle_of_the_file_may_run_anything(place: int, capsys: pytest.CaptureFixture[str]) -> None:
    parts: list[Any] = [MAGIC, VERSION, {}, {}, []]
    parts[place] = Trap()
    with pytest.raises(WeightsUnavailable, match=r"asks for builtins\.print"):
        read_torch_file(b"".join(pickle.dumps(part) for part in parts), "file")
    assert capsys.readouterr().out == ""


def test_the_newer_format_and_other_files_are_refused(tensors: Any) -> None:
    stream = io.BytesIO()
    torch.save(tensors, stream)
    for content in (stream.getvalue(), b"", b"something else", pickle.dumps(3) + pickle.dumps(VERSION)):
        with pytest.raises(WeightsUnavailable):
            read_torch_file(content, "file")


def test_a_file_that_is_cut_or_too_long_is_refused(tensors: Any) -> None:
    content = save(tensors)
    for size in (10, 200, len(content) // 2, len(content) - 1):
        with pytest.raises(WeightsUnavailable):
            read_torch_file(content[:size], "file")
    nothing = save(OrderedDict(empty=torch.empty(0, 3)))  # ends with the length of a storage without numbers
    with pytest.raises(WeightsUnavailable, match="ends before storage"):
        read_torch_file(nothing[:-1], "file")
    with pytest.raises(WeightsUnavailable, match="3 bytes follow"):
        read_torch_file(content + b"abc", "file")


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (5,), (1,)), (3, (2,), (1,)), (0, (10**9,), (0,)), (-1, (2,), (1,)), (0, (2, 2), (1, 9)), (0, (2,), (-1,))],
)
def test_a_tensor_beyond_its_storage_is_refused(
    offset: int, shape: tuple[int, ...], strides: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch itself refuses to write such a file: its pickle is made of the same parts by hand."""
    tensor = torch.arange(4, dtype=torch.float32)
    storage = torch.storage.TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=torch.float32, _internal=True)
    monkeypatch.setattr(
        torch.Tensor,
        "__reduce_ex__",
        lambda tensor, protocol: (
            torch._utils._rebuild_tensor_v2,
            (storage, offset, shape, strides, False, OrderedDict()),
        ),
    )
    content = save({"a": tensor})
    monkeypatch.undo()
    with pytest.raises(WeightsUnavailable, match="a tensor"):
        read_torch_file(content, "file")


def test_damage_raises_one_error_and_nothing_else(tensors: Any) -> None:
    content, draw = save(tensors), random.Random(0)
    for _ in range(300):
        damaged = bytearray(content)
        damaged[draw.randrange(900)] = draw.randrange(256)
        try:
            arrays = read_torch_file(bytes(damaged), "file")
        except WeightsUnavailable:
            continue
        assert all(isinstance(array, np.ndarray) for array in arrays.values())
