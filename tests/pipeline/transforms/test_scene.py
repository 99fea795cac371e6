from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths
from PIL import Image

from pipeline.datasets.targets import Objects
from pipeline.transforms.scene import Scene, cropped, flipped, resized, scene_of, without_degenerate
from tests.pipeline.transforms.painted import check, painted_scene


def objects_scene(boxes, masks=None, size=(20, 30)):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(boxes)
    image = np.zeros((*size, 3), np.uint8)
    return Scene(image, None, boxes, np.arange(count), np.zeros(count, bool), masks)


@pytest.mark.parametrize(
    "size", [(100, 120), (50, 60), (200, 240), (99, 121), (37, 90), (160, 64), (301, 17), (100, 121)]
)
def test_resizing_keeps_everything_in_place(size):
    """T9: image, labels, boxes and masks painted with coordinates agree after a resize."""
    scene = resized(painted_scene(100, 120), *size)
    assert scene.size == size
    # Half a new pixel, in old ones, is how far a label's value may come from; one more for rounded colours.
    check(scene, tolerance=1 + max(100 / size[0], 120 / size[1]) / 2)


@pytest.mark.parametrize("window", [(0, 0, 100, 120), (7, 11, 50, 60), (37, 50, 63, 70), (0, 30, 90, 20)])
@pytest.mark.parametrize("masks", [True, False])
def test_cropping_keeps_everything_in_place(window, masks):
    """T9: ... after a crop."""
    check(cropped(painted_scene(100, 120, masks=masks), *window), tolerance=0.6)


def test_flipping_keeps_everything_in_place():
    """T9: ... after a flip."""
    check(flipped(painted_scene(100, 119)), tolerance=0.6)


def test_a_chain_keeps_everything_in_place():
    """T9: ... after several of them."""
    scene = resized(painted_scene(100, 120), 133, 91)
    scene = flipped(cropped(flipped(scene), 20, 3, 90, 80))
    check(resized(scene, 64, 100), tolerance=3)


def test_flip_is_width_minus_x():
    """T18: flip is x -> W - x (no -1), and undoes itself."""
    scene = objects_scene([[3, 4, 10.5, 12], [0, 0, 30, 20]])
    mirrored = flipped(scene)
    np.testing.assert_array_equal(mirrored.boxes, np.float32([[19.5, 4, 27, 12], [0, 0, 30, 20]]))
    painted = painted_scene(40, 50)
    twice = flipped(flipped(painted))
    for name in ("image", "label_map", "boxes", "classes", "crowd", "masks"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(painted, name))


def test_the_image_is_resized_by_pillow_with_antialiasing(rng):
    """T9: images bilinear."""
    image = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    expected = Image.fromarray(image).resize((15, 10), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(resized(Scene(image), 10, 15).image, np.asarray(expected))
    stripes = np.zeros((4, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(resized(Scene(stripes), 4, 16).image[:, 1:-1].astype(int) - 100).max() <= 15


# No centre of a new pixel falls on an old edge, where Pillow's rounding decides: odd to even sizes.
@pytest.mark.parametrize("size", [(38, 52), (16, 30), (78, 104), (2, 2), (156, 206)])
def test_labels_are_resized_to_the_nearest_as_pillow_does(rng, size):
    """T9: labels nearest, with half-pixel centres."""
    labels = rng.integers(-1, 100, (39, 51)).astype(np.int16)
    scene = Scene(np.zeros((39, 51, 3), np.uint8), label_map=labels)
    expected = Image.fromarray(labels.astype(np.int32)).resize(size[::-1], Image.Resampling.NEAREST)
    found = resized(scene, *size).label_map
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_boxes_are_scaled_and_keep_their_type():
    scene = resized(objects_scene([[3, 4, 15, 12]]), 40, 45)
    np.testing.assert_allclose(scene.boxes, [[4.5, 8, 22.5, 24]])
    assert scene.boxes.dtype == np.float32


def test_degenerate_boxes_are_dropped_with_their_masks():
    """T18: one pixel or less wide or high after clipping, or wholly outside: gone, with class and mask."""
    boxes = [[2, 2, 9, 9], [0, 0, 5.5, 9], [12, 5, 18, 11], [20, 5, 28, 9], [6, 6.5, 12, 30]]
    masks = np.zeros((5, 20, 30), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, np.array(boxes).astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    for known in (masks, None):
        scene = replace(objects_scene(boxes, known), crowd=np.array([False, True, False, False, True]))
        # Columns 5 ... 14, rows 1 ... 7.
        part = cropped(scene, 1, 5, 7, 10)
        np.testing.assert_array_equal(part.classes, [0, 2, 4])
        np.testing.assert_array_equal(part.crowd, [False, False, True])
        assert part.masks is None or part.masks.shape == (3, 7, 10)


def test_boxes_are_recomputed_from_masks_after_a_crop():
    """T18: an L whose foot is cut off leaves the box of its stem, not the clipped box of the L."""
    mask = np.zeros((1, 20, 30), bool)
    mask[0, 2:18, 4:8] = True
    mask[0, 14:18, 4:25] = True
    scene = objects_scene([[4, 2, 25, 18]], mask)
    np.testing.assert_array_equal(cropped(scene, 0, 0, 12, 30).boxes, [[4, 2, 8, 12]])
    np.testing.assert_array_equal(cropped(scene, 0, 10, 20, 20).boxes, [[0, 14, 15, 18]])
    clipped = cropped(objects_scene([[4, 2, 25, 18]]), 0, 0, 12, 30)
    np.testing.assert_array_equal(clipped.boxes, [[4, 2, 25, 12]])


def test_an_object_with_no_pixel_in_the_window_is_dropped():
    """T18: the box of a ring reaches into the window, the ring does not."""
    mask = np.ones((1, 20, 30), bool)
    mask[0, 2:-2, 2:-2] = False
    scene = objects_scene([[0, 0, 30, 20]], mask)
    assert len(cropped(scene, 5, 5, 10, 10).boxes) == 0
    assert len(cropped(replace(scene, masks=None), 5, 5, 10, 10).boxes) == 1


def test_an_object_that_the_window_does_not_cut_keeps_its_annotated_box():
    mask = np.zeros((1, 20, 30), bool)
    mask[0, 5:9, 6:11] = True
    scene = objects_scene([[5.6, 4.7, 11.2, 9.3]], mask)
    np.testing.assert_allclose(cropped(scene, 2, 3, 15, 20).boxes, [[2.6, 2.7, 8.2, 7.3]], rtol=1e-6)


def test_objects_without_pixels_are_dropped_after_shrinking():
    """T18: also where it was a resize that made them degenerate."""
    scene = painted_scene(100, 120)
    small = without_degenerate(resized(scene, 10, 12))
    np.testing.assert_array_equal(small.classes, [0, 1])  # the third is 0.8 pixels wide now
    assert small.masks.shape == (2, 10, 12)
    # Two specks, far from the centres of the new pixels: their box is wide, their mask is empty.
    specks = np.zeros((1, 20, 30), bool)
    specks[0, [5, 14], [5, 24]] = True
    assert len(without_degenerate(resized(objects_scene([[5, 5, 25, 15]], specks), 4, 6)).boxes) == 0


@pytest.mark.parametrize("masks", [np.zeros((0, 20, 30), bool), None])
def test_no_objects(masks):
    """T13: an image without objects goes through every transform."""
    scene = objects_scene([], masks)
    for result in (
        resized(scene, 11, 40),
        cropped(scene, 2, 2, 9, 9),
        flipped(scene),
        without_degenerate(scene),
    ):
        assert result.boxes.shape == (0, 4)
        assert result.boxes.dtype == np.float32
        assert result.classes.shape == result.crowd.shape == (0,)
        assert masks is None or result.masks.shape == (0, *result.size)


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, 26, 5, 5), (16, 0, 5, 5), (0, 0, 0, 5)])
def test_a_window_outside_the_image_is_refused(window):
    with pytest.raises(ValueError, match="expected a window inside 20 x 30 pixels"):
        cropped(objects_scene([]), *window)


def dataset(annotation, **methods):
    image = np.zeros((6, 8, 3), np.uint8)
    return SimpleNamespace(
        annotation=annotation, image=lambda i: image, path=lambda i: f"images/{i}.png", **methods
    )


def test_scene_of_each_kind_of_annotation():
    labels = np.ones((6, 8), np.int16)
    mask = np.zeros((6, 8), bool)
    mask[1:3, 2:7] = True
    objects = Objects(
        boxes=np.float32([[2, 1, 7, 3]]),
        classes=np.array([4]),
        crowd=np.array([False]),
        areas=np.float32([10]),
        segments=(run_lengths.encode(np.asfortranarray(mask.astype(np.uint8))),),
    )
    assert scene_of(dataset("class"), 0).label_map is None
    assert scene_of(dataset("class"), 0).boxes is None
    assert scene_of(dataset("label-map", label_map=lambda i: labels), 0).label_map is labels
    scene = scene_of(dataset("objects", objects=lambda i: objects), 0)
    np.testing.assert_array_equal(scene.masks, [mask])
    np.testing.assert_array_equal(scene.classes, [4])
    only_boxes = replace(objects, segments=(None,))
    assert scene_of(dataset("objects", objects=lambda i: only_boxes), 0).masks is None


def test_a_label_map_or_mask_of_another_size_is_refused_with_the_name():
    labels = np.ones((8, 6), np.int16)
    with pytest.raises(ValueError, match=r"images/3\.png: expected a label map of 6 x 8 .* found 8 x 6"):
        scene_of(dataset("label-map", label_map=lambda i: labels), 3)
    other = run_lengths.encode(np.asfortranarray(np.ones((5, 5), np.uint8)))
    objects = Objects(np.zeros((1, 4), np.float32), np.zeros(1, int), np.zeros(1, bool), np.ones(1), (other,))
    with pytest.raises(ValueError, match=r"images/3\.png: expected masks of 6 x 8"):
        scene_of(dataset("objects", objects=lambda i: objects), 3)
