"""The floor of k-NN, against scikit-learn's neighbours of the same pixels."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier

from pipeline.config.data import DataConfig
from pipeline.config.stages import PixelsConfig, RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.evaluate.probes.settings import KnnConfig
from stages import pixels, probe

RUNTIME = RuntimeConfig(threads=1)
SIZES = {"train": 90, "val": 20, "test": 60}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Stripes of three directions at random phases under noise: pixels tell some of them apart, not all."""
    folder = tmp_path_factory.mktemp("stripes")
    rng, arrays = np.random.default_rng(3), {}
    y, x = np.mgrid[:24, :24]
    for split, size in SIZES.items():
        labels = np.arange(size) % 3
        phases = rng.uniform(0, 3, size)[:, None, None]
        waves = np.stack([x, y, x + y])[labels]
        shades = 128 + 12 * np.sin(waves / 4 + phases)
        images = shades[..., None] + rng.normal(0, 60, (size, 24, 24, 3)) + [40, 0, -40]
        arrays |= {f"{split}_images": images.clip(0, 255).astype(np.uint8), f"{split}_labels": labels}
    np.savez(folder / "stripes.npz", **arrays)
    prepared = folder / "prepared"
    prepared.mkdir()
    prepare(DataConfig(source=str(folder / "stripes.npz")), prepared, num_workers=1)
    return arrays, prepared


def extracted(prepared, output, **settings):
    output.mkdir()
    config = PixelsConfig(normalization="dataset", batch_size=7, **settings)
    pixels.run(config, output, data=prepared, runtime=RUNTIME)
    return output


def test_neighbours_of_pixels_are_those_of_scikit_learn(drawn, tmp_path):
    arrays, prepared = drawn
    features = extracted(prepared, tmp_path / "pixels", resize=24, side=24)
    probe.run(KnnConfig(ks=(5,), num_bootstrap=20), tmp_path, features=features, runtime=RUNTIME)
    mean, std = (np.float64(values) for values in _statistics(arrays["train_images"]))
    flat = {
        split: ((arrays[f"{split}_images"] / 255 - mean) / std).transpose(0, 3, 1, 2).reshape(size, -1)
        for split, size in SIZES.items()
    }
    oracle = KNeighborsClassifier(5, metric="cosine", weights=lambda distances: np.exp(-distances / 0.07))
    expected = oracle.fit(flat["train"], arrays["train_labels"]).predict(flat["test"])
    with np.load(tmp_path / "predictions.npz") as stored:
        np.testing.assert_array_equal(stored["predictions"], expected)
        assert 0.4 < np.mean(expected == stored["labels"]) < 0.95, "too easy, or too hard, to tell anything"
    np.testing.assert_allclose(np.load(features / "test_cls.npy")[:, 0], flat["test"], atol=1e-4)


def _statistics(images):
    """Of the training pixels, by channel, in [0, 1]."""
    return (images / 255).mean(axis=(0, 1, 2)), (images / 255).std(axis=(0, 1, 2))


def test_a_small_picture_of_the_centre_is_that_of_pillow(drawn, tmp_path):
    arrays, prepared = drawn
    features = extracted(prepared, tmp_path / "small", resize=12, side=8)
    dataset = PreparedDataset.open(prepared)
    small = [
        np.asarray(Image.fromarray(image).resize((12, 12), Image.Resampling.BICUBIC))[2:10, 2:10] / 255
        for image in arrays["val_images"]
    ]
    expected = ((np.stack(small) - dataset.mean) / dataset.std).transpose(0, 3, 1, 2).reshape(20, -1)
    found = np.load(features / "val_cls.npy")[:, 0]
    np.testing.assert_allclose(found, expected, atol=1.01 / 255 / dataset.std.min())
    summary = json.loads((features / "features.json").read_text())
    assert (summary["embed_dim"], summary["num_images"]) == (192, SIZES)
