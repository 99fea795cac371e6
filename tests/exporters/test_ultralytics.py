"""Ultralytics' converters, to YOLO's files and to images of ten channels."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tests.exporters.drawn import CLASSES, classified, scenes
from tests.exporters.holding import hold_classes, hold_images, hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_ultralytics", "ultralytics.data.converter, cv2")


def test_boxes_from_coco(folder, prepared):
    hold_objects(prepared(folder / "boxes"), masks=False)


def test_polygons_from_coco(folder, prepared):
    """Outlines through the centres of border pixels; two parts become one outline, holes are filled."""
    hold_objects(prepared(folder / "masks"), masks=True, corners=1.05, overlap=0.45)


def test_polygons_from_label_maps(folder, prepared):
    """Each connected part of a class is an object, holes are filled."""
    data = prepared(folder / "from-maps")
    for scene, row in hold_images(data):
        found = data.objects(row)
        drawn = []
        for number in range(1, 1 + len(CLASSES)):
            parts, count = ndimage.label(scene.label_map() == number, np.ones((3, 3)))
            drawn += [(number - 1, parts == part) for part in range(1, 1 + count)]
        assert sorted(data.class_names[label] for label in found.classes) == sorted(
            CLASSES[label] for label, _ in drawn
        )
        masks = found.masks(*scene.size[::-1]) if len(found.classes) else []
        for label, mask in drawn:
            filled = ndimage.binary_fill_holes(mask)
            overlaps = [
                (one & filled).sum() / (one | filled).sum()
                for one, other in zip(masks, found.classes, strict=True)
                if data.class_names[other] == CLASSES[label]
            ]
            assert max(overlaps) > 0.45, scene.name


def test_ten_channels(folder, prepared):
    """A page of a file is a channel; the reddest one is the photograph's red, beyond 650 nm extrapolated."""
    data = prepared(folder / "bands", channels=10)
    hold_classes(data)
    drawn = {scene.name: scene for scene, _ in classified()}
    for row in range(len(data)):
        name = data.path(row).rsplit("/", 1)[-1].removesuffix(".tiff")
        photograph = np.asarray(Image.open(folder / "drawn" / f"{name}.jpg"), np.float64)
        bands = data.image(row)
        assert bands.shape == (*drawn[name].size[::-1], 10)
        # Wavelengths of its channels: 450 to 700 nm, where 475, 510 and 650 are blue, green and red.
        at = np.linspace(450, 700, 10)
        share = (at[3] - 510) / (650 - 510)
        expected = photograph[..., 1] * (1 - share) + photograph[..., 0] * share
        assert np.abs(bands[..., 3] - expected).max() <= 2
    assert {scene.split for scene in scenes()} == {"train", "val", "test"}
