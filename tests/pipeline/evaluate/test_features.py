from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.evaluate.feature_files import write_split
from pipeline.evaluate.features import batch_rows, extract, load_crops


def crop(images):
    return np.stack([image.transpose(2, 0, 1) for image in images]).astype(np.float32)


def forward(batch):
    pixels = batch.reshape(len(batch), -1)
    return np.stack([pixels, -pixels], axis=1), pixels + 1


def test_features_of_every_image_in_order_from_batches_of_one_shape(tmp_path):
    asked, shapes = [], set()

    def images(rows, at_least):
        asked.extend((row, at_least) for row in rows)
        return [np.full((2, 2, 3), row, np.uint8) for row in rows]

    dataset = SimpleNamespace(images=images)
    rows = np.array([3, 5, 8, 9, 20, 21, 30])
    parts = batch_rows(rows, 3)
    batches = [load_crops(dataset, part, resize=9, crop=crop, batch_size=3) for part in parts]

    def forward_and_note(batch):
        shapes.add(batch.shape)
        return forward(batch)

    features = extract(batches, map(len, parts), forward_and_note)
    write_split(tmp_path, "val", features, labels=rows % 2, index=rows)
    assert shapes == {(3, 3, 2, 2)}
    assert asked == [(row, 9) for row in rows]
    names = ("cls", "patch_mean", "labels", "index")
    stored = {name: np.load(tmp_path / f"val_{name}.npy") for name in names}
    np.testing.assert_array_equal(stored["cls"][:, 0], np.repeat(rows[:, None], 12, axis=1))
    np.testing.assert_array_equal(stored["cls"][:, 1], -stored["cls"][:, 0])
    np.testing.assert_array_equal(stored["patch_mean"], stored["cls"][:, 0] + 1)
    np.testing.assert_array_equal(stored["labels"], rows % 2)
    np.testing.assert_array_equal(stored["index"], rows)
    assert stored["cls"].dtype == np.float32


@pytest.mark.parametrize(
    ("num_images", "value", "error", "message"),
    [
        (4, 1.0, ValueError, "of 3 images came, expected 4"),
        (2, 1.0, ValueError, "more than the 2 images"),
        (3, np.nan, FloatingPointError, "not all finite"),
    ],
)
def test_wrong_features_leave_no_file(tmp_path, num_images, value, error, message):
    batch = np.full((3, 1, 2), value, np.float32), np.ones((3, 2), np.float32)
    with pytest.raises(error, match=rf"test_cls\.npy: .*{message}"):
        write_split(tmp_path, "test", [batch], labels=np.zeros(num_images), index=np.zeros(num_images))
    assert not list(tmp_path.glob("*cls*"))
    assert not list(tmp_path.glob("*patch_mean*"))


def test_half_precision_is_what_the_files_hold_and_what_does_not_fit_is_refused(tmp_path):
    values = np.random.default_rng(0).normal(size=(4, 1, 3)).astype(np.float32)
    options = {"labels": np.zeros(4), "index": np.arange(4), "dtype": "float16"}
    write_split(tmp_path, "train", [(values, values[:, 0])], **options)
    stored = np.load(tmp_path / "train_cls.npy")
    assert stored.dtype == np.float16
    np.testing.assert_array_equal(stored, values.astype(np.float16))
    with pytest.raises(FloatingPointError, match=r"train_cls\.npy: .* not all finite in float16"):
        write_split(tmp_path, "train", [(values * 1e6, values[:, 0])], **options)
