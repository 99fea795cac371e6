"""Mosaics: the label map says where each class was painted."""

import numpy as np
import pytest

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.photo_scenes import draw
from pipeline.datasets.photo_scenes.mosaics import NUM_TILES, draw_mosaics, warped_voronoi
from pipeline.datasets.photo_scenes.textures import Textures
from pipeline.datasets.photographs import Region

CONFIG = PhotoScenesConfig(drawing="mosaics", image_size=48, num_train=60, num_val=6, num_test=6)


@pytest.fixture(scope="module")
def mosaics():
    return draw(CONFIG)


def test_label_map_agrees_with_where_each_class_was_painted():
    """Photographs of one grey level each: the level of a pixel tells its class."""
    levels = tuple(np.full((100, 100), 20 * label + 10, np.uint8) for label in range(8))
    regions = {"val": tuple((Region(0, 0, 100, 100),) for _ in levels)}
    plain = Textures(levels, regions, min_crop=32, max_crop=96, even_light=False)
    images, label_maps = draw_mosaics(plain, split="val", num_images=20, size=40, seed=3)
    np.testing.assert_array_equal(images, np.repeat((20 * label_maps + 10)[..., None], 3, axis=3))


def test_shapes_types_and_labels(mosaics):
    assert mosaics.images["train"].shape == (60, 48, 48, 3)
    assert mosaics.label_maps["train"].shape == (60, 48, 48)
    assert mosaics.label_maps["train"].dtype == np.uint8
    assert (mosaics.labels["train"] == -1).all()


def test_number_of_classes_in_an_image_and_over_the_split(mosaics):
    counts = np.array([len(np.unique(label_map)) for label_map in mosaics.label_maps["train"]])
    assert counts.max() <= NUM_TILES[1]
    assert np.median(counts) >= NUM_TILES[0]
    assert set(np.unique(mosaics.label_maps["train"])) == set(range(len(mosaics.class_names)))


def test_same_seed_same_bytes_and_another_seed_other_maps(mosaics):
    again, other = draw(CONFIG), draw(CONFIG.model_copy(update={"seed": 1}))
    np.testing.assert_array_equal(mosaics.images["test"], again.images["test"])
    np.testing.assert_array_equal(mosaics.label_maps["test"], again.label_maps["test"])
    assert (mosaics.label_maps["test"] != other.label_maps["test"]).any(axis=(1, 2)).all()


def test_borders_are_irregular_but_tiles_hold_together(rng):
    """Most pixels have neighbours of their own tile, and borders are no straight lines."""
    tiles = warped_voronoi(rng, 4, 64)
    assert (tiles[1:] == tiles[:-1]).mean() > 0.9
    border_rows = [np.flatnonzero(np.diff(row))[:1] for row in tiles]
    assert len({int(row[0]) for row in border_rows if len(row)}) > 8
