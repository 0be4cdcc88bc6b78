"""Read tensors from torch's older file format (`torch.save` before version 1.6) without torch, and run nothing in it.

Such a file is five pickles, one after the other (a magic number, a version, facts about the machine, the tensors by
name, the names of their storages), then each storage: its length as an 8-byte integer, and its numbers.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from indexers.errors import WeightsUnavailable

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor: numbers of a storage from `offset` on, `strides` (counted in numbers) apart."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _PlainUnpickler(pickle.Unpickler):
    """Reads numbers, texts, lists and dictionaries; whatever has a name that would be imported is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which a file of weights does not need")


class _TensorUnpickler(_PlainUnpickler):
    """Knows three names more: an ordered dictionary, a tensor, and the type of a storage. None of them runs theirs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _make_view
        if module == "torch" and name in TYPES:
            return TYPES[name]
        return super().find_class(module, name)

    def persistent_load(self, saved: Any) -> _Storage:
        match saved:
            case ("storage", np.dtype() as dtype, str(key), str(), int(count), None) if count >= 0:
                return _Storage(key, dtype, count)
        raise pickle.UnpicklingError(f"{str(saved)[:80]} describes no storage")


def _make_view(storage: Any, offset: Any, shape: Any, strides: Any, *unused: Any) -> _View:
    match storage, offset, shape, strides:
        case _Storage(), int(), tuple(), tuple() if len(shape) == len(strides):
            if all(isinstance(number, int) and number >= 0 for number in (offset, *shape, *strides)):
                return _View(storage, offset, shape, strides)
    raise pickle.UnpicklingError("a tensor is described by other things than its storage and whole numbers")


def read_torch_file(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    """Return the tensors in the bytes of a file, float32 or int64, by their names; `name` is the file's, for errors.

    Raises WeightsUnavailable if it is another format, damaged, or holds anything else than such tensors.
    """
    try:
        return _read(io.BytesIO(content), len(content))
    except Exception as error:  # a damaged pickle may raise anything
        raise WeightsUnavailable(f"{name} can't be read as a file of tensors: {error}") from error


def _read(file: io.BytesIO, length: int) -> dict[str, NDArray[Any]]:
    if (_PlainUnpickler(file).load(), _PlainUnpickler(file).load()) != (MAGIC, VERSION):
        _refuse("it does not begin as torch's older format does")
    _PlainUnpickler(file).load()  # facts about the machine that wrote it
    views = _TensorUnpickler(file).load()
    keys = _PlainUnpickler(file).load()
    if not isinstance(views, dict) or not all(isinstance(view, _View) for view in views.values()):
        _refuse("it holds more than tensors by name")
    storages = {view.storage.key: view.storage for view in views.values()}
    if not isinstance(keys, list) or sorted(keys) != sorted(storages):
        _refuse("its tensors and its storages do not belong together")
    numbers = {key: _read_storage(file, storages[key], length) for key in keys}
    if file.tell() != length:
        _refuse(f"{length - file.tell()} bytes follow the last storage")
    return {name: _take(view, numbers[view.storage.key]) for name, view in views.items()}


def _read_storage(file: io.BytesIO, storage: _Storage, length: int) -> NDArray[Any]:
    prefix = file.read(8)
    if len(prefix) < 8:
        _refuse(f"it ends before storage {storage.key}")
    count = int.from_bytes(prefix, "little")
    size = count * storage.dtype.itemsize
    if count != storage.count or size > length - file.tell():
        _refuse(f"storage {storage.key} has {count} numbers in {length - file.tell()} bytes, not {storage.count}")
    return np.frombuffer(file.read(size), storage.dtype)


def _take(view: _View, numbers: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers of one tensor; they have to lie in the storage, and be no more than it has."""
    if 0 in view.shape:
        return np.empty(view.shape, numbers.dtype)
    reach = view.offset + sum((edge - 1) * stride for edge, stride in zip(view.shape, view.strides, strict=True))
    if math.prod(view.shape) > len(numbers) or reach >= len(numbers):
        _refuse(f"a tensor of shape {view.shape} ends at number {reach} of a storage of {len(numbers)}")
    strides = [stride * numbers.itemsize for stride in view.strides]
    tensor: NDArray[Any] = np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides).copy()
    return tensor


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)
