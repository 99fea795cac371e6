"""Prepared folders of images with a test part."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare

NUM_TEST = 40


@pytest.fixture(scope="session")
def datasets(tmp_path_factory) -> dict[str, PreparedDataset]:
    """`first`; `moved`: its test images under other names beside other training images; `other`: its own."""
    folder = tmp_path_factory.mktemp("datasets")
    return {
        "first": _prepared(folder / "first", tests=range(1000, 1000 + NUM_TEST), trains=range(12), stem="a"),
        "moved": _prepared(folder / "moved", tests=range(1000, 1000 + NUM_TEST), trains=range(9), stem="b"),
        "other": _prepared(folder / "other", tests=range(2000, 2000 + NUM_TEST), trains=range(12), stem="a"),
    }


def _prepared(folder: Path, *, tests: range, trains: range, stem: str) -> PreparedDataset:
    for part, numbers in (("test", tests), ("train", trains)):
        for number in numbers:
            name = "even" if number % 2 == 0 else "odd"
            path = folder / part / name / f"{stem}{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (4, 5, 3), dtype=np.uint8)
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG")
            path.write_bytes(stream.getvalue())
    output = folder.with_name(f"{folder.name}-prepared")
    prepare(DataConfig(source=str(folder)), output, num_workers=1)
    return PreparedDataset.open(output)
