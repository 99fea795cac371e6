"""Batches are functions of seed and step, and keep crowds apart."""

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.config.dense import DetectConfig, DetectHeadConfig, DetectViewConfig, FinetuneSchedule
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.detection.batches import BatchMaker, ground_truth_of, rows_to_train_on

CONFIG = DetectConfig(
    frozen=False,
    heads=DetectHeadConfig(),
    view=DetectViewConfig(short_sides=(32, 48), max_long_side=64, crop_probability=0.0),
    schedule=FinetuneSchedule(num_steps=4, batch_size=3),
    seed=5,
    num_bootstrap=10,
    num_pictures=1,
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> PreparedDataset:
    """Scenes of 32 px; of 40 images, some are without objects."""
    output = tmp_path_factory.mktemp("objects")
    scenes = {"drawing": "objects", "image_size": 32, "num_train": 40, "num_val": 2, "num_test": 4}
    prepare(DataConfig.model_validate({"photo_scenes": scenes}), output, num_workers=1)
    return PreparedDataset.open(output)


def maker(dataset, **changes):
    config = CONFIG.model_copy(update=changes)
    rows = dataset.indices("train")
    return BatchMaker(dataset, rows, config, dataset.mean, dataset.std, 32)


def test_a_batch_is_a_function_of_seed_and_step(drawn):
    first, again = maker(drawn)(2), maker(drawn)(2)
    assert first.names == again.names
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.sample_seeds, again.sample_seeds)
    assert all(np.array_equal(a.boxes, b.boxes) for a, b in zip(first.truths, again.truths, strict=True))
    for other in (maker(drawn)(3), maker(drawn, seed=6)(2)):
        assert first.names != other.names
        assert not np.array_equal(first.sample_seeds, other.sample_seeds)


def test_what_a_batch_holds(drawn):
    batch = maker(drawn)(0)
    assert batch.images.shape[:2] == (3, 3)
    assert not batch.images.shape[2] % 32
    assert set(batch.sizes.ravel().tolist()) <= {32, 48}
    assert len(set(batch.sample_seeds.tolist())) == 3
    for truth, image, (height, width) in zip(batch.truths, batch.images, batch.sizes.tolist(), strict=True):
        assert truth.masks.shape == (len(truth.boxes), height, width)
        assert not image[:, height:].any()
        assert (truth.boxes <= [width, height, width, height]).all()


def test_t14_crowds_are_no_truths(painted_scene):
    """T14: they are kept apart from what is learnt, masks too."""
    scene = painted_scene(32, 32, [(0, 0, 8, 8, 1), (8, 8, 24, 24, 2), (0, 20, 9, 31, 0)], crowd=[1])
    truth = ground_truth_of(scene)
    assert truth.classes.tolist() == [1, 0]
    assert truth.boxes.tolist() == [[0, 0, 8, 8], [0, 20, 9, 31]]
    assert truth.crowds.tolist() == [[8, 8, 24, 24]]
    assert np.array_equal(truth.masks, scene.masks[[0, 2]])


def test_t13_images_without_objects_may_be_left_out(drawn):
    """T13: by a flag, and it is said how many."""
    messages = []
    rows = drawn.indices("train")
    assert np.array_equal(rows_to_train_on(drawn, skip_empty=False, say=messages.append), rows)
    assert not messages
    kept = rows_to_train_on(drawn, skip_empty=True, say=messages.append)
    empty = [row for row in rows.tolist() if not len(drawn.objects(row).boxes)]
    assert empty, "the drawing has images without objects"
    assert kept.tolist() == [row for row in rows.tolist() if row not in empty]
    assert messages == [f"view.skip_empty: {len(empty)} of 40 training images show no object: left out"]
