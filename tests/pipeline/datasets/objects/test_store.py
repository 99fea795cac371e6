import numpy as np

from pipeline.datasets.array_files import write_arrays
from pipeline.datasets.objects.annotated import AnnotatedImage, AnnotatedObject
from pipeline.datasets.objects.store import ObjectWriter, StoredObjects

SQUARE = [[2, 3, 6, 3, 6, 8, 2, 8]]
IMAGES = [
    (AnnotatedObject("a", 2, (2, 3, 6, 8), segmentation=SQUARE), AnnotatedObject("b", 0, (0, 0, 1, 1), True)),
    (),
    (AnnotatedObject("c", 1, (1, 1, 2.5, 3), area=9.0), AnnotatedObject("d", 0, (4, 4, 4, 5))),
]


def stored(tmp_path, images, ids=(7, 9, 8)):
    with open(tmp_path / "segments.bin", "wb") as stream:
        writer = ObjectWriter(stream)
        for objects, image_id in zip(images, ids, strict=True):
            writer.add(AnnotatedImage(objects, None, "a.json", image_id).packed(10, 12))
    write_arrays(tmp_path / "objects.npz", **writer.arrays())
    sizes = np.array([[10, 12]] * len(images))
    return writer, StoredObjects(tmp_path / "segments.bin", tmp_path / "objects.npz", sizes)


def test_objects_come_back(tmp_path):
    _, found = stored(tmp_path, IMAGES)
    first, second, third = map(found.read, range(3))
    assert first.boxes.tolist() == [[2, 3, 6, 8], [0, 0, 1, 1]]
    assert (first.boxes.dtype, first.areas.dtype) == (np.float32, np.float32)
    assert (first.classes.tolist(), first.classes.dtype) == ([2, 0], np.int64)
    assert (first.crowd.tolist(), first.crowd.dtype) == ([False, True], bool)
    assert first.segments[1] is None
    assert first.masks(12, 10) is None, "one object has no mask"
    assert second.boxes.shape == (0, 4)
    assert second.masks(12, 10).shape == (0, 12, 10)
    assert third.areas.tolist() == [9]
    assert found.image_ids.tolist() == [7, 9, 8]


def test_masks_come_back(tmp_path):
    _, found = stored(tmp_path, [IMAGES[0][:1]], ids=[-1])
    expected = np.zeros((1, 12, 10), bool)
    expected[0, 3:8, 2:6] = True
    assert np.array_equal(found.read(0).masks(12, 10), expected)
    assert found.image_ids.tolist() == [0], "an image without an id is known by its row"


def test_a_set_without_any_object(tmp_path):
    writer, found = stored(tmp_path, [(), ()], ids=(1, 2))
    assert len(found.read(1).boxes) == 0
    assert writer.summary(np.array([0, 2]), 2)["num_without_objects"] == {"train": 1, "val": 0, "test": 1}


def test_objects_are_counted_by_split(tmp_path):
    writer, _ = stored(tmp_path, IMAGES)
    assert writer.summary(np.array([0, 0, 2]), 3) == {
        "class_counts": {"train": [1, 0, 1], "val": [0, 0, 0], "test": [0, 1, 0]},
        "crowd_counts": {"train": [1, 0, 0], "val": [0, 0, 0], "test": [0, 0, 0]},
        "num_objects": {"train": 2, "val": 0, "test": 1},
        "num_crowds": {"train": 1, "val": 0, "test": 0},
        "num_without_objects": {"train": 1, "val": 0, "test": 0},
        "num_masks": 1,
        "num_dropped_boxes": 1,
        "num_empty_masks": 0,
        "num_missing_areas": 0,
        "num_stray_masks": 0,
        "num_cut_boxes": 0,
        "num_corner_boxes": 1,
        "num_repeats": 0,
        "first_dropped_boxes": ["d in a.json"],
        "first_empty_masks": [],
        "first_missing_areas": [],
        "first_stray_masks": [],
        "first_cut_boxes": [],
        "first_corner_boxes": ["b in a.json"],
        "first_repeats": [],
    }


def test_all_doubts_are_counted_and_the_first_named(tmp_path):
    images = [
        tuple(
            AnnotatedObject(f"{image}-{i}", 0, (1, 1, 2, 2), area_missing=True, segmentation=[[]])
            for i in range(4)
        )
        for image in range(3)
    ]
    writer, _ = stored(tmp_path, images)
    summary = writer.summary(np.array([0, 0, 2]), 1)
    assert (summary["num_empty_masks"], summary["num_missing_areas"]) == (12, 12)
    first = [f"{name} in a.json" for name in ("0-0", "0-1", "0-2", "0-3", "1-0")]
    assert summary["first_empty_masks"] == summary["first_missing_areas"] == first


def test_what_is_read_may_be_written_to(tmp_path):
    _, found = stored(tmp_path, IMAGES)
    found.read(0).boxes[:] = 0
    assert found.read(0).boxes.any()
