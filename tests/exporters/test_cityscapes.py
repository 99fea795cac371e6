"""Cityscapes' own drawing of polygons."""

import numpy as np
import pytest

from tests.exporters.drawn import scenes


@pytest.fixture
def folder(written_by):
    return written_by("write_cityscapes", "cityscapesscripts.preparation.json2labelImg")


def test_label_maps(folder, prepared):
    """Groups are their class, caravans are not scored, license plates leave the car below them."""
    data = prepared(folder / "cityscapes")
    assert (len(data.class_names), data.split_names) == (19, {"train": "train", "test": "val"})
    rows = {data.path(row).rsplit("/", 1)[-1].split("_")[0]: row for row in range(len(data))}
    drawn = [scene for scene in scenes() if scene.split != "test"]  # the test part has no labels
    assert sorted(rows) == sorted(scene.name for scene in drawn)
    names = (*(data.class_names.index(name) for name in ("car", "person")), -1)
    for scene in drawn:
        expected = np.full(scene.size[::-1], data.class_names.index("road"))
        for thing in scene.things:
            x1, y1, x2, y2 = thing.box
            expected[y1:y2, x1:x2] = names[thing.label]
        expected[-4:, :6] = data.class_names.index("car")
        assert np.array_equal(data.label_map(rows[scene.name]), expected), scene.name
