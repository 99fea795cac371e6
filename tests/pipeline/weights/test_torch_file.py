"""PyTorch's files read without it, held to what PyTorch wrote; and bad ones refused in one line."""

import argparse
import collections
import zipfile

import numpy as np
import pytest

from pipeline.weights.error import WeightsError
from pipeline.weights.torch_file import read_torch_file

torch = pytest.importorskip("torch", reason="the optional `parity` extra (PyTorch) is not installed")

ZIP, OLDER = True, False
FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
DTYPES = (*FLOATS, "int64", "int32", "int16", "int8", "uint8", "uint16", "bool", "complex64")


class Stranger:
    """A class that no file of weights needs."""


@pytest.fixture(params=[ZIP, OLDER], ids=["zip", "older"])
def save(request, tmp_path):
    def save(value, name="weights.pth"):
        torch.save(value, tmp_path / name, _use_new_zipfile_serialization=request.param)
        return tmp_path / name

    return save


def a_checkpoint():
    generator = torch.Generator().manual_seed(3)
    large = torch.randn(6, 10, generator=generator)
    state = collections.OrderedDict(a=large, rows=large[2:4], transposed=large.T, every_other=large[:, 1::2])
    state["parameter"] = torch.nn.Parameter(torch.arange(4.0))
    state._metadata = collections.OrderedDict(version=1)
    return {
        "model": state,
        "epoch": 7,
        "shape": large.shape,
        "device": torch.device("cpu"),
        "args": argparse.Namespace(arch="vit_small", lr=5e-4, flags=[True, None, (1, 2)]),
    }


def test_tensors_and_plain_values(save):
    written = a_checkpoint()
    read = read_torch_file(save(written))
    assert (read["epoch"], read["shape"]) == (7, (6, 10))
    assert read["args"] == {"arch": "vit_small", "lr": 5e-4, "flags": [True, None, (1, 2)]}
    assert list(read["model"]) == list(written["model"])
    for name, tensor in written["model"].items():
        assert np.array_equal(read["model"][name].array(), tensor.detach().numpy()), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_number_format(save, dtype):
    values = torch.tensor([0.0, 1.0, 2.5, 100.0, 3.0, 0.25]).to(getattr(torch, dtype))
    read = read_torch_file(save({"x": values.reshape(2, 3).T}))["x"]
    assert (read.number_format, read.shape) == (dtype, (3, 2))
    expected = values.reshape(2, 3).T
    expected = expected.float() if dtype.startswith(("bfloat", "float8")) else expected
    assert np.array_equal(read.array(), expected.numpy())


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_every_bit_pattern_of_formats_that_numpy_lacks(tmp_path, dtype):
    size = 65536 if dtype == "bfloat16" else 256
    patterns = torch.arange(size, dtype=torch.int32).to(torch.uint16 if size > 256 else torch.uint8)
    values = patterns.view(getattr(torch, dtype))
    torch.save({"x": values}, tmp_path / "w.pth")
    read = read_torch_file(tmp_path / "w.pth")["x"].array()
    assert np.array_equal(read, values.float().numpy(), equal_nan=True)


def test_empty_scalar_and_shared_tensors(save):
    shared = torch.arange(5)
    read = read_torch_file(save([torch.zeros(0, 3), torch.tensor(2.0), shared, shared[4]]))
    assert [tensor.array().shape for tensor in read] == [(0, 3), (), (5,), ()]
    assert (read[1].array(), read[3].array()) == (2.0, 4)
    assert read[2].storage.start == read[3].storage.start


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Stranger(), "Stranger"),
        ({"model": {"w": [Stranger()]}}, "Stranger"),
        ({"when": collections.Counter("ab")}, r"collections.Counter"),
        ({"f": print}, "builtin.*print"),
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
    ],
)
def test_other_classes_are_refused_by_name(save, value, named):
    with pytest.raises(WeightsError, match=f"weights.pth: holds a .*{named}; only plain values") as error:
        read_torch_file(save(value))
    assert "\n" not in str(error.value)


def test_nothing_is_called(save, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    with pytest.raises(WeightsError, match=r"_?io.open"):
        read_torch_file(save({"x": Evil()}))
    assert not (tmp_path / "touched").exists()


def test_not_a_file_of_pytorch(tmp_path):
    path = tmp_path / "w.pth"
    for content, message in ((b"", "not readable"), (b"some text, no weights", "no file of torch.save")):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=message):
            read_torch_file(path)
    with pytest.raises(WeightsError, match="not readable"):
        read_torch_file(tmp_path / "missing.pth")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/readme.txt", "words")
    with pytest.raises(WeightsError, match=r"no data\.pkl"):
        read_torch_file(path)


def arrays_of(value):
    """Every number in the file is asked for, as a conversion would."""
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        arrays_of(part)
    if hasattr(value, "array"):
        value.array()


def test_truncated_anywhere(save, tmp_path):
    whole = save(a_checkpoint()).read_bytes()
    path = tmp_path / "cut.pth"
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError) as error:
            arrays_of(read_torch_file(path))
        assert "\n" not in str(error.value)


def test_flipped_bytes_are_refused_or_harmless(save, tmp_path, rng):
    """Whatever a damaged file holds, the answer is a value or one line."""
    whole = save(a_checkpoint()).read_bytes()
    path = tmp_path / "flipped.pth"
    notes = []
    for _ in range(400):
        changed = bytearray(whole)
        for position in rng.integers(0, len(whole), rng.integers(1, 6)):
            changed[position] = rng.integers(256)
        path.write_bytes(changed)
        try:
            arrays_of(read_torch_file(path))
        except WeightsError as error:
            notes.append(str(error))
    assert len(notes) > 50
    assert not any("\n" in line for line in notes)


def test_flipped_numbers_are_noticed_by_the_zip_forms_checksum(tmp_path):
    torch.save({"x": torch.full((50,), 1.5)}, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    number = np.float32(1.5).tobytes()
    (tmp_path / "w.pth").write_bytes(whole.replace(number * 50, number * 49 + np.float32(2.5).tobytes()))
    with pytest.raises(WeightsError, match="checksum"):
        read_torch_file(tmp_path / "w.pth")["x"].array()


def test_sizes_beyond_the_file_allocate_nothing(save):
    """An expanded tensor claims a thousand million numbers of one."""
    with pytest.raises(WeightsError, match=r"shape \(1000000, 1000\) does not lie within its 1 numbers"):
        read_torch_file(save({"x": torch.zeros(1).expand(1000000, 1000)}))
