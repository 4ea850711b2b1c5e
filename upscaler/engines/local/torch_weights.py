"""Reads tensors from a PyTorch ``.pth`` file without PyTorch, and without running anything that the file asks for.

Such a file is a ZIP: ``data.pkl`` is a pickle of the structure, ``data/KEY`` holds each tensor's numbers (PyTorch's
"Serialization semantics" and the module ``torch.serialization`` describe both). A pickle can name any function; here it
gets three names and no more, and those build descriptions of tensors only.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import numpy.typing as npt

KINDS = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
"""What numbers a tensor may be of."""


@dataclass(frozen=True)
class _Tensor:
    """Where a tensor's numbers are."""

    key: str
    kind: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]


class TorchWeights(Mapping[str, npt.NDArray[Any]]):
    """The tensors of one file by their names, each read when it is asked for: large ones that nobody needs are not."""

    def __init__(self, path: Path, entry: str = "params") -> None:
        """``entry``: under which name of the file's dictionary the tensors are.

        Raises OSError for a missing file and ValueError for one that holds anything but plain tensors.
        """
        self._path = path
        try:
            # Stays open as long as this object: its directory of a thousand entries takes longer to read than numbers.
            self._archive = ZipFile(path)
            (structure,) = (name for name in self._archive.namelist() if name.endswith("/data.pkl"))
            self._folder = structure.removesuffix("data.pkl")
            with self._archive.open(structure) as file:
                tensors = _Unpickler(file).load()[entry]
        except (BadZipFile, pickle.UnpicklingError, LookupError, TypeError, AttributeError, EOFError) as error:
            raise ValueError(f"{path.name} is not a PyTorch file of plain tensors: {error}") from error
        if not isinstance(tensors, dict) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
            raise ValueError(f"{path.name} holds something else than tensors under {entry}")
        self._tensors: dict[str, _Tensor] = tensors

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Raises KeyError for a name that the file does not have, ValueError where numbers are missing or damaged."""
        tensor = self._tensors[name]
        try:
            content = self._archive.read(f"{self._folder}data/{tensor.key}")
        except BadZipFile as error:
            raise ValueError(f"{self._path.name}: {name} is damaged: {error}") from error
        numbers = np.frombuffer(content, tensor.kind)
        end = tensor.offset + prod(tensor.shape)
        if end > len(numbers):
            raise ValueError(f"{self._path.name}: {name} is cut off")
        return numbers[tensor.offset : end].reshape(tensor.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


class _Unpickler(pickle.Unpickler):
    """Knows dictionaries and tensors; any other name in the file is an error."""

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch", _ if name in KINDS:
                return KINDS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype[Any]]:
        kind, numbers, key, *_ = pid
        if kind != "storage" or not isinstance(numbers, np.dtype) or not str(key).isalnum():
            raise pickle.UnpicklingError("it refers to something else than numbers")
        return str(key), numbers


def _tensor(
    storage: tuple[str, np.dtype[Any]], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Tensor:
    steps = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    if any(length != 1 and stride != step for length, stride, step in zip(shape, strides, steps, strict=True)):
        raise pickle.UnpicklingError("it holds a tensor whose numbers do not lie one after the other")
    key, kind = storage
    return _Tensor(key, kind, offset, shape)
