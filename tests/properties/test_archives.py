"""Damaged archives and files of arrays: prepared, the unusable counted, or refused in words."""

import gzip
import io
import pickle
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from tests.properties.damaged import changed_bytes, right_or_refused

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 8, 8), dtype=np.uint8)


def images() -> dict[str, bytes]:
    found = {}
    for number, pixels in enumerate(PIXELS):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        found[f"train/{'ab'[number % 2]}/{number}.png"] = stream.getvalue()
    return found


def zipped(method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in images().items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in images().items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def arrays() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, x_train=PIXELS, y_train=np.array([0, 1, 0, 1]))
    return stream.getvalue()


def idx(magic: int, values: np.ndarray) -> bytes:
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, magic, *values.shape) + values.tobytes()


def cifar() -> dict[str, bytes]:
    files = {"batches.meta": {b"label_names": [b"cat", b"dog"]}}
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        files[name] = {b"data": RNG.integers(0, 256, (2, 3072), dtype=np.uint8), b"labels": [1, 0]}
    return {f"cifar/{name}": pickle.dumps(value, protocol=2) for name, value in files.items()}


# Name -> files; the source is the first one, or its folder.
SOURCES = {
    "stored.zip": {"a.zip": zipped(zipfile.ZIP_STORED)},
    "deflated.zip": {"a.zip": zipped(zipfile.ZIP_DEFLATED)},
    "tar": {"a.tar": tarred("w")},
    "tgz": {"a.tgz": tarred("w:gz")},
    "npz": {"a.npz": arrays()},
    "idx": {
        "mnist/train-images-idx3-ubyte.gz": gzip.compress(idx(3, PIXELS)),
        "mnist/train-labels-idx1-ubyte": idx(1, np.array([0, 1, 0, 1], np.uint8)),
    },
    "cifar": cifar(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("archives")


def prepared(folder: Path, files: dict[str, bytes]) -> PreparedDataset | None:
    """What becomes of these files, written to `folder`."""
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    first = next(iter(files))
    source, output = folder / (first.partition("/")[0]), folder / "prepared"
    shutil.rmtree(output, ignore_errors=True)

    def act() -> PreparedDataset:
        prepare(DataConfig(source=str(source), max_bad_share=1.0), output, num_workers=1)
        return PreparedDataset.open(output)

    try:
        return right_or_refused(act, source)
    finally:
        shutil.rmtree(source) if source.is_dir() else source.unlink()


@pytest.mark.parametrize("name", SOURCES)
@given(data=st.data())
def test_right_or_refused(folder, name, data):
    file = data.draw(st.sampled_from(sorted(SOURCES[name])))
    prepared(folder, SOURCES[name] | {file: data.draw(changed_bytes(SOURCES[name][file]))})


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_not_damaged_is_right(folder, name):
    """Else the other test could not fail."""
    assert len(prepared(folder, SOURCES[name])) == (12 if name == "cifar" else 4)
