"""safetensors files of every number format; bad ones refused in one line."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.weights.error import WeightsError
from pipeline.weights.safetensors_file import read_safetensors


def written(path, number_format, shape, content):
    header = {"x": {"dtype": number_format, "shape": shape, "data_offsets": [0, len(content)]}}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path


def test_bfloat16_and_float8_by_their_bits(tmp_path):
    """1, -2 and 0.5, as the formats define them."""
    path = tmp_path / "w.safetensors"
    halves = np.array([0x3F80, 0xC000, 0x3F00], "<u2").tobytes()
    for number_format, content in (
        ("BF16", halves),
        ("F8_E4M3", bytes([0x38, 0xC0, 0x30])),
        ("F8_E5M2", bytes([0x3C, 0xC0, 0x38])),
    ):
        tensors, metadata = read_safetensors(written(path, number_format, [3, 1], content))
        array = tensors["x"].array()
        assert array.dtype == np.float32
        assert array.tolist() == [[1.0], [-2.0], [0.5]]
        assert metadata == {}


def test_as_the_library_reads(tmp_path, rng):
    arrays = {
        "a": rng.normal(size=(3, 4)).astype(np.float32),
        "b": np.arange(5),
        "c": np.zeros((0, 3), np.float16),
        "d": np.array(2.0),
    }
    save_file(arrays, tmp_path / "w.safetensors", metadata={"by": "a test"})
    tensors, metadata = read_safetensors(tmp_path / "w.safetensors")
    assert metadata == {"by": "a test"}
    assert tensors.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(tensors[name].array(), array)
        assert tensors[name].array().dtype == array.dtype


def test_bad_files_are_refused_in_one_line(tmp_path, rng):
    save_file({"a": np.ones((4, 4), np.float32), "b": np.ones(3)}, tmp_path / "whole.safetensors")
    whole, path = (tmp_path / "whole.safetensors").read_bytes(), tmp_path / "bad.safetensors"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"^[^\n]*bad.safetensors: [^\n]*$"):
            read_safetensors(path)
    problems = []
    for _ in range(300):
        changed = bytearray(whole)
        changed[rng.integers(200)] = rng.integers(256)
        path.write_bytes(changed)
        try:
            [tensor.array() for tensor in read_safetensors(path)[0].values()]
        except WeightsError as error:
            problems.append(str(error))
    assert len(problems) > 50
    assert not any("\n" in line for line in problems)


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(WeightsError, match="F8_E8M0"):
        read_safetensors(written(tmp_path / "w.safetensors", "F8_E8M0", [3], bytes(3)))
