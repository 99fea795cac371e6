import numpy as np
import pytest

from pipeline.datasets.objects.annotated import AnnotatedImage, AnnotatedObject
from pipeline.datasets.source import BadAnnotation

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]  # 4 x 5 pixels


def packed(*found, size=(10, 12), **rest):
    """Boxes or objects, held against an image of 10 x 12 pixels."""
    objects = tuple(
        one if isinstance(one, AnnotatedObject) else AnnotatedObject(f"object {i}", i, one)
        for i, one in enumerate(found)
    )
    return AnnotatedImage(objects, size, "a.json", **rest).packed(10, 12)


def boxes_of(found):
    return np.frombuffer(found.boxes, np.float32).reshape(-1, 4).tolist()


def test_boxes_are_clipped_to_the_image():
    found = packed((-2, -3, 4.5, 5), (7, 8, 11, 13.5), (0, 0, 10, 12))
    assert boxes_of(found) == [[0, 0, 4.5, 5], [7, 8, 10, 12], [0, 0, 10, 12]]
    assert np.frombuffer(found.areas, np.float32).tolist() == [22.5, 12, 120]
    assert found.dropped == ()


def test_boxes_without_area_are_dropped_with_their_masks():
    """T18: degenerate boxes go with their masks."""
    dropped = AnnotatedObject("object 1", 1, (3, 4, 3, 6), segmentation=SQUARE)
    found = packed((1, 1, 2, 2), dropped, (5, 5, 5, 5), (5, 5, 8, 5), (6, 6, 7, 7))
    assert np.frombuffer(found.classes, np.int32).tolist() == [0, 4]
    assert len(found.segments) == 2
    assert found.dropped == ("object 1 in a.json", "object 2 in a.json", "object 3 in a.json")


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (
            (10, 2, 14, 5),
            r"object 0 in a\.json: box from .10, 2. to .14, 5. lies outside the image of 10 x 12",
        ),
        ((-5, 2, 0, 5), "lies outside"),
        ((2, 13, 4, 15), "lies outside"),
        ((5, 2, 4, 5), "expected a box from its left upper to its right lower corner"),
        ((5, float("nan"), 6, 5), "expected a box from its left upper"),
        ((5, 1, float("inf"), 5), "expected a box from its left upper"),
        ((0, 0, 1e308, 5), r"box from .0, 0. to .1e.308, 5. reaches far out of the image of 10 x 12"),
        ((0, -12.5, 5, 5), "reaches far out"),
    ],
)
def test_wrong_boxes(box, words):
    with pytest.raises(BadAnnotation, match=words):
        packed(box)


def test_another_size_names_both_and_the_file():
    """T17: annotations that were made for another size are refused, with both sizes."""
    with pytest.raises(BadAnnotation, match=r"image of 10 x 12 pixels, annotated as 12 x 10 in a\.json"):
        packed((1, 1, 2, 2), size=(12, 10))
    assert packed((1, 1, 2, 2), size=None).dropped == ()


def test_box_and_area_come_from_the_mask_where_they_are_not_given():
    found = packed(
        AnnotatedObject("object 0", 0, None, segmentation=SQUARE),
        AnnotatedObject("object 1", 1, (2, 3, 6, 8), area=7.5, crowd=True, segmentation=SQUARE),
    )
    assert boxes_of(found) == [[2, 3, 6, 8]] * 2
    assert np.frombuffer(found.areas, np.float32).tolist() == [20, 7.5]
    assert np.frombuffer(found.crowd, bool).tolist() == [False, True]
    with pytest.raises(BadAnnotation, match="expected a box or a mask, found neither"):
        packed(AnnotatedObject("object 0", 0, None))


def test_a_mask_that_is_not_there_is_none_and_is_named():
    for segmentation in ([[]], [[2, 3, 6, 8]], {"size": [12, 10], "counts": [120]}):
        found = packed(AnnotatedObject("object 0", 0, (2, 3, 6, 8), segmentation=segmentation))
        assert found.segments == (b"",)
        assert found.empty_masks == ("object 0 in a.json",)
        assert np.frombuffer(found.areas, np.float32).tolist() == [20], "of the box"
    assert packed(AnnotatedObject("object 0", 0, (2, 3, 6, 8), segmentation=[])).empty_masks == ()
    outline = [[2.1, 3.1, 2.2, 3.1, 2.2, 3.2]]
    found = packed(AnnotatedObject("object 0", 0, (2, 3, 6, 8), segmentation=outline))
    assert found.segments != (b"",), "an outline that holds no pixel's centre is COCO's empty mask"
    assert found.empty_masks == ("object 0 in a.json",)


@pytest.mark.parametrize(
    ("box", "is_stray"),
    [
        ((2, 3, 6, 8), False),
        ((1, 1, 8, 10), False),  # drawn loosely, by two pixels at most
        ((0, 0, 9, 8), True),  # 20 of 72 pixels
        ((2, 3, 9, 12), True),  # x, y, x, y where x, y, width, height belong
        ((7, 3, 10, 8), True),
    ],
)
def test_a_mask_that_lies_elsewhere_than_its_box_is_named(box, is_stray):
    found = packed(AnnotatedObject("object 0", 0, box, segmentation=SQUARE))
    assert found.stray_masks == (("object 0 in a.json",) if is_stray else ())
    assert boxes_of(found) == [list(box)]


def test_boxes_beyond_the_image_and_within_its_first_pixel_are_named():
    found = packed((0, 0, 12, 14), (0, 0, 12.5, 5), (-3, 0, 4, 5), (0.2, 0.1, 0.9, 1))
    assert found.cut_boxes == ("object 1 in a.json", "object 2 in a.json")
    assert found.corner_boxes == ("object 3 in a.json",)


def test_objects_that_another_one_repeats_are_named():
    """The same class, box and mask; another class or a mask beside the box is another object."""
    box = (2, 3, 6, 8)
    objects = [AnnotatedObject(f"object {number}", label, box) for number, label in enumerate((0, 1, 0))]
    assert packed(*objects, AnnotatedObject("object 3", 0, box, segmentation=SQUARE)).repeats == (
        "object 2 in a.json",
    )


def test_an_area_larger_than_the_image_is_none():
    found = packed(
        AnnotatedObject("object 0", 0, (2, 3, 6, 8), area=120.0),
        AnnotatedObject("object 1", 0, (2, 3, 6, 8), area=120.5),
        AnnotatedObject("object 2", 0, (2, 3, 6, 8), area_missing=True, segmentation=[[2, 3, 6, 3, 6, 8]]),
    )
    assert np.frombuffer(found.areas, np.float32).tolist()[:2] == [120, 20]
    assert 0 < np.frombuffer(found.areas, np.float32)[2] < 20, "of the mask"
    assert found.missing_areas == ("object 1 in a.json", "object 2 in a.json")


def test_a_problem_is_said_with_the_name():
    with pytest.raises(BadAnnotation, match=r"object 0 in a\.json: no number"):
        packed(AnnotatedObject("object 0", 0, None, problem="no number"))


def test_a_wrong_mask_names_its_object():
    with pytest.raises(BadAnnotation, match=r"object 0 in a\.json: expected polygons"):
        packed(AnnotatedObject("object 0", 0, (1, 1, 2, 2), segmentation=[[1, 2, 3]]))


def test_an_image_without_objects_is_a_valid_one():
    """T13: no objects are no mistake."""
    assert boxes_of(packed()) == []


def test_the_digest_tells_everything():
    square = AnnotatedObject("x", 0, (2, 3, 6, 8), segmentation=SQUARE)
    found = {
        packed(square._replace(**change), image_id=image_id).digest
        for change, image_id in (
            ({}, 1), ({}, 2), ({"label": 1}, 1), ({"crowd": True}, 1), ({"area": 1.0}, 1),
            ({"box": (2, 3, 6, 7)}, 1), ({"segmentation": None}, 1), ({"name": "y"}, 1),
        )
    }  # fmt: skip
    assert len(found) == 7, "a name for messages is no content"
