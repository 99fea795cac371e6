"""A prepared data set of 10 random images, for training runs of seconds."""

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> PreparedDataset:
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(10, 24, 24, 3), dtype=np.uint8)
    np.savez(folder / "tiny.npz", train_images=images)
    output = folder / "prepared"
    output.mkdir()
    prepare(DataConfig(source=str(folder / "tiny.npz")), output, num_workers=1)
    return PreparedDataset.open(output)
