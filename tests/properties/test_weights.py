"""Damaged files of weights: the tensors as they were written, or one line that names the file."""

import json
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.checkpoint_files import read_checkpoint, write_checkpoint
from pipeline.weights.arrays import read_arrays, write_arrays
from pipeline.weights.error import WeightsError
from pipeline.weights.torch_file import read_torch_file
from tests.properties.damaged import changed_bytes, changed_json

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([5], np.int64)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


def refusal(read, path) -> str | None:
    try:
        read(path)
    except WeightsError as error:
        told = str(error)
    else:
        return None
    assert str(path) in told
    assert "\n" not in told
    return told


def arrays(value) -> None:
    """Read every tensor of a file's plain value."""
    values = value.values() if isinstance(value, dict) else value
    for each in values if isinstance(values, Iterable) and not isinstance(values, str) else ():
        each.array() if hasattr(each, "array") else arrays(each)


@given(data=st.data())
def test_safetensors(folder, data):
    path = folder / "a.safetensors"
    write_arrays(path, ARRAYS, {"kind": "vit"})
    path.write_bytes(data.draw(changed_bytes(path.read_bytes())))
    refusal(read_arrays, path)


@given(data=st.data())
def test_headers_of_safetensors(folder, data):
    path = folder / "a.safetensors"
    write_arrays(path, ARRAYS, {"kind": "vit"})
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = data.draw(changed_json(whole[8 : 8 + length].decode()))
    path.write_bytes(len(header).to_bytes(8, "little") + header + whole[8 + length :])
    refusal(read_arrays, path)


@given(data=st.data())
def test_checkpoints_are_what_was_written_or_refused(folder, data):
    path = folder / "checkpoint.safetensors"
    write_checkpoint(path, ARRAYS, {"step": 3, "run": "r"})
    path.write_bytes(data.draw(changed_bytes(path.read_bytes())))
    if refusal(read_checkpoint, path) is None:
        _, found, metadata = read_checkpoint(path)
        assert metadata == {"step": 3, "run": "r"}
        assert all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older"])
@given(data=st.data())
def test_files_of_torch(folder, zipped, data):
    torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")
    path = folder / "a.pth"
    if not (folder / f"whole-{zipped}").is_file():
        value = {"model": {"a": torch.arange(6.0).reshape(2, 3)}, "epoch": 3, "args": json.dumps({})}
        torch.save(value, folder / f"whole-{zipped}", _use_new_zipfile_serialization=zipped)
    path.write_bytes(data.draw(changed_bytes((folder / f"whole-{zipped}").read_bytes())))
    refusal(lambda file: arrays(read_torch_file(file)), path)
