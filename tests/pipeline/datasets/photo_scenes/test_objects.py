"""Objects: boxes, areas and masks agree with what is visible in the image."""

import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.photo_scenes import draw
from pipeline.datasets.photo_scenes.objects import MIN_VISIBLE_PIXELS, draw_objects
from pipeline.datasets.photo_scenes.textures import Textures
from pipeline.datasets.photographs import Region

CONFIG = PhotoScenesConfig(drawing="objects", image_size=64, num_train=200, num_val=5, num_test=10)


@pytest.fixture(scope="module")
def scenes():
    return draw(CONFIG)


def decoded(segmentation):
    height, width = segmentation["size"]
    return run_lengths.decode(run_lengths.frPyObjects(segmentation, height, width)).astype(bool)


def test_box_and_area_agree_with_the_mask(scenes):
    for described in scenes.annotations["train"]["annotations"]:
        mask = decoded(described["segmentation"])
        assert mask.shape == (64, 64)
        assert described["area"] == mask.sum() >= MIN_VISIBLE_PIXELS
        left, top, width, height = described["bbox"]
        assert mask[top : top + height, left : left + width].sum() == mask.sum()
        inside = mask[top : top + height, left : left + width]
        assert inside[0].any()
        assert inside[-1].any()
        assert inside[:, 0].any()
        assert inside[:, -1].any()


def test_masks_hold_visible_pixels_of_their_class_alone_and_all_of_them():
    """Photographs of one grey level each: a pixel's level tells what is visible there."""
    levels = tuple(np.full((100, 100), 20 * label + 10, np.uint8) for label in range(6))
    regions = {"train": tuple((Region(0, 0, 100, 100),) for _ in levels)}
    plain = Textures(levels, regions, min_crop=32, max_crop=96, even_light=False)
    names = tuple("abcdef")
    images, found = draw_objects(plain, split="train", num_images=60, size=48, seed=0, class_names=names)
    covered = np.zeros(images.shape[:3], int)
    for described in found["annotations"]:
        mask = decoded(described["segmentation"])
        covered[described["image_id"]] += mask
        level = 20 * (described["category_id"] - 1) + 10
        assert (images[described["image_id"]][mask] == level).all()
    assert covered.max() == 1
    for image, seen in zip(images, covered, strict=True):
        background = np.unique(image[seen == 0])
        assert len(background) == 1
        assert background[0] not in image[seen == 1]


def test_ids_are_unique_and_refer_to_images_and_categories(scenes):
    found = scenes.annotations["train"]
    ids = [described["id"] for described in found["annotations"]]
    assert len(set(ids)) == len(ids)
    assert [image["id"] for image in found["images"]] == list(range(200))
    assert [category["name"] for category in found["categories"]] == list(scenes.class_names)
    used = {described["category_id"] for described in found["annotations"]}
    assert used == {category["id"] for category in found["categories"]}


def test_few_images_are_empty_and_most_have_several_objects(scenes):
    images_of_objects = [described["image_id"] for described in scenes.annotations["train"]["annotations"]]
    counts = np.bincount(images_of_objects, minlength=200)
    assert 0.01 < (counts == 0).mean() < 0.12
    assert (counts >= 2).mean() > 0.5


def test_sizes_vary_widely(scenes):
    areas = [described["area"] for described in scenes.annotations["train"]["annotations"]]
    assert np.quantile(areas, 0.95) > 6 * np.quantile(areas, 0.05)


def test_same_seed_same_bytes_and_another_seed_other_scenes(scenes):
    again, other = draw(CONFIG), draw(CONFIG.model_copy(update={"seed": 1}))
    np.testing.assert_array_equal(scenes.images["test"], again.images["test"])
    assert scenes.annotations == again.annotations
    assert scenes.annotations["test"] != other.annotations["test"]
    assert (scenes.labels["train"] == -1).all()
