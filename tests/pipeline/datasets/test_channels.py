"""Folders of images with channels, from files to a prepared set."""

import csv

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.datasets.summary_lines import described
from pipeline.report.data_sheets import write_data_sheets

CLASSES = ("field", "water")


@pytest.fixture
def bands(tmp_path):
    """A folder of two classes with 20 arrays of five channels each; row -> array."""
    rng = np.random.default_rng(0)
    arrays = {}
    for label, name in enumerate(CLASSES):
        (tmp_path / "bands" / name).mkdir(parents=True)
        for number in range(20):
            values = rng.normal(1000 * (1 + label), [1, 10, 100, 1000, 5], (8 + number % 3, 9, 5))
            arrays[f"{name}/{number:02d}.npy"] = values.astype(np.float32)
            np.save(tmp_path / "bands" / name / f"{number:02d}.npy", values.astype(np.float32))
    return tmp_path / "bands", arrays


def opened(folder, output, **changes) -> PreparedDataset:
    prepare(DataConfig(source=str(folder), channels=5, **changes), output)
    return PreparedDataset.open(output)


@pytest.mark.parametrize("max_store_gib", [2.0, 0.0])
def test_numbers_come_through_as_they_are(bands, tmp_path, max_store_gib):
    folder, arrays = bands
    dataset = opened(folder, tmp_path / "out", max_store_gib=max_store_gib)
    assert dataset.summary["stored"] == bool(max_store_gib)
    assert len(dataset) == 40
    assert dataset.has_channels
    assert dataset.num_channels == 5
    for row in range(40):
        image = dataset.image(row)
        assert image.dtype == np.float32
        assert np.array_equal(image, arrays[dataset.path(row)])
        assert dataset.class_names[dataset.labels[row]] == dataset.path(row).partition("/")[0]


def test_mean_and_deviation_are_those_of_the_training_part(bands, tmp_path):
    folder, arrays = bands
    dataset = opened(folder, tmp_path / "out")
    training = [arrays[dataset.path(row)].reshape(-1, 5) for row in dataset.indices("train").tolist()]
    pixels = np.concatenate(training).astype(np.float64)
    assert np.allclose(dataset.mean, pixels.mean(axis=0), rtol=1e-6)
    assert np.allclose(dataset.std, pixels.std(axis=0), rtol=1e-6)


def test_other_counts_of_channels_and_values_that_are_no_numbers_are_left_out(bands, tmp_path):
    folder, _ = bands
    np.save(folder / "field/20.npy", np.zeros((8, 8, 3), np.float32))
    np.save(folder / "water/20.npy", np.full((8, 8, 5), np.nan, np.float32))
    seen = r"2 of 42 images [\s\S]* field/20\.npy: expected 5 channels.*found 3\n.*320 of 320 values"
    with pytest.raises(ValueError, match=seen):
        opened(folder, tmp_path / "strict")
    dataset = opened(folder, tmp_path / "out", max_bad_share=0.1)
    assert len(dataset) == 40
    with open(tmp_path / "out/quarantine.csv", newline="") as stream:
        assert [line["path"] for line in csv.DictReader(stream)] == ["field/20.npy", "water/20.npy"]
    lines = described(dataset.summary, tmp_path / "out")
    assert any(line.startswith("left out, the first: field/20.npy: expected 5 channels") for line in lines)
    assert any(line.startswith("left out: 2 images") for line in lines)


def test_what_is_read_how_is_said(bands, tmp_path):
    lines = described(opened(bands[0], tmp_path / "out").summary)
    assert any(line.startswith("channels: 5, as float32, not rounded") for line in lines)
    assert any("colour is left alone" in line and "segmentation and detection" in line for line in lines)
    assert any(line.startswith("pictures show channels 0, 1, 2 as red, green and blue") for line in lines)


def test_a_window_cuts_values(bands, tmp_path):
    folder, arrays = bands
    dataset = opened(folder, tmp_path / "stated", window=[900, 1100])
    for row in range(len(dataset)):
        assert np.array_equal(dataset.image(row), np.clip(arrays[dataset.path(row)], 900, 1100))
    pixels = np.concatenate([each.reshape(-1, 5) for each in arrays.values()])
    low, high = np.percentile(pixels, (0.1, 99.9), axis=0)
    for stored in (2.0, 0.0):
        dataset = opened(folder, tmp_path / f"percentile{stored}", window="percentile", max_store_gib=stored)
        for row in range(len(dataset)):
            expected = np.clip(arrays[dataset.path(row)], low, high)
            assert np.allclose(dataset.image(row), expected, rtol=1e-6)
    with pytest.raises(ValueError, match='window "header" is of DICOM files'):
        opened(folder, tmp_path / "header", window="header")


def test_pictures_are_rgb_of_8_bits(bands, tmp_path):
    dataset = opened(bands[0], tmp_path / "out", picture_channels=[4, 2, 0])
    picture = dataset.picture(0)
    assert picture.dtype == np.uint8
    assert picture.shape == (*dataset.image(0).shape[:2], 3)
    pixels = np.concatenate([dataset.image(row).reshape(-1, 5) for row in dataset.indices("train").tolist()])
    low, high = np.percentile(pixels[:, [4, 2, 0]], (1, 99), axis=0)
    expected = np.clip((dataset.image(0)[:, :, [4, 2, 0]] - low) / (high - low), 0, 1) * 255
    assert abs(picture - expected).max() <= 1
    train, *_ = write_data_sheets(dataset, tmp_path / "sheets")
    with Image.open(train) as sheet:
        assert sheet.height == 2 * 230 + 15  # two rows of five, and a line below


def test_data_without_the_key_say_so(bands, tmp_path):
    with pytest.raises(ValueError, match=r"no images found.*\.npy are images with data\.channels"):
        prepare(DataConfig(source=str(bands[0])), tmp_path / "out")
    with pytest.raises(ValueError, match="data in the format photo-scenes is read as RGB of 8 bits"):
        prepare(DataConfig(channels=5), tmp_path / "out")


def test_the_digest_tells_the_reading_not_the_pictures(bands, tmp_path):
    folder, _ = bands
    plain = opened(folder, tmp_path / "1").content_digest
    assert opened(folder, tmp_path / "2", picture_channels=[2, 1, 0]).content_digest == plain
    assert opened(folder, tmp_path / "3", window=[0, 1]).content_digest != plain


def test_many_files_go_through_worker_processes(tmp_path):
    (tmp_path / "bands/a").mkdir(parents=True)
    for number in range(300):
        np.save(tmp_path / f"bands/a/{number:03d}.npy", np.full((2, 2, 5), number, np.uint16))
    prepare(DataConfig(source=str(tmp_path / "bands"), channels=5), tmp_path / "out", num_workers=2)
    dataset = PreparedDataset.open(tmp_path / "out")
    for row in (0, 150, 299):
        assert (dataset.image(row) == int(dataset.path(row)[2:5])).all()


def test_a_list_names_the_files_without_their_suffix(bands, tmp_path):
    folder, arrays = bands
    lines = [f"{path.removesuffix('.npy')},{label % 3}" for label, path in enumerate(arrays)]
    (folder / "labels.csv").write_text("\n".join(["path,label", *lines]))
    for output, stored in (("stored", 2.0), ("files", 0.0)):
        dataset = opened(folder / "labels.csv", tmp_path / output, max_store_gib=stored)
        assert dataset.class_names == ["0", "1", "2"]
        for row in range(40):
            assert np.array_equal(dataset.image(row), arrays[dataset.path(row)])
