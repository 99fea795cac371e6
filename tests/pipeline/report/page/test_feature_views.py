"""What the page shows of a network that was looked at."""

import json

import numpy as np
import pytest
from PIL import Image

from pipeline.report.page.feature_views import feature_views
from pipeline.views.files import ATTENTION, BASE, HEAD, Views, write_views

CLASSES = ["left", "right"]


class Images:
    """Stands for a data set whose even rows are of the first class; row 5 has no label."""

    class_names = CLASSES
    labels = np.array([-1 if row == 5 else row % 2 for row in range(40)])

    def __init__(self):
        self.num_read = 0
        self.summary = {}

    def picture(self, row, at_least):
        self.num_read += 1
        return np.full((60, 60, 3), row, np.uint8)

    def path(self, row):
        return f"{row}.png"


@pytest.fixture
def artifact(tmp_path):
    """Ten shown images and six of a bank, in which base and head have other neighbours."""
    rows, bank_rows = np.arange(10), np.arange(20, 26)
    angles = np.linspace(0, 1.2, 10)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    bank = np.stack([np.cos(np.arange(6)), np.sin(np.arange(6))], axis=1).astype(np.float32)
    maps = {BASE: np.stack([np.arange(10), np.zeros(10)], axis=1), HEAD: np.zeros((10, 2))}
    of_bank = {BASE: bank, HEAD: bank[::-1]}
    views = Views("test", rows, bank_rows, {BASE: vectors, HEAD: vectors}, of_bank, maps)
    write_views(tmp_path, views)
    Image.new("RGB", (30, 20)).save(tmp_path / ATTENTION)
    return tmp_path


def test_base_and_head_each_have_a_map_and_neighbours_of_the_same_images(artifact):
    (found,), _ = feature_views({"hssl": artifact}, Images(), "images")
    assert [side.title for side in found.sides] == ["hssl, base", "hssl, auxiliary head"]
    assert (found.part, found.num_bank) == ("test", 6)
    base, head = found.sides
    assert [each.query["path"] for each in base.neighbours] == [
        each.query["path"] for each in head.neighbours
    ]
    # The first image lies at angle 0: bank row 20 is nearest to it, by the head the bank is turned around.
    assert base.neighbours[0].nearest[0]["path"] == "20.png"
    assert head.neighbours[0].nearest[0]["path"] == "25.png"
    assert base.neighbours[0].nearest[0]["cosine"] == pytest.approx(1)
    assert base.neighbours[0].nearest[0]["class"] == "left"
    assert [picture.title for picture in found.pictures] == [picture.alt for picture in found.pictures]
    assert found.pictures[0].title.startswith("hssl: what the CLS token of the last block attends to")


def test_a_thumbnail_of_a_map_is_there_once_for_all_arms_and_sides(artifact):
    dataset = Images()
    found, thumbnails = feature_views({"ibot": artifact, "hssl": artifact}, dataset, "images")
    assert {*thumbnails} == {f"images-{row}" for row in range(10)}
    assert dataset.num_read == 10 + 6
    points = found[0].sides[0].map.spec["data"]["values"]
    assert [point["image"] for point in points] == [*thumbnails]
    assert [point["x"] for point in points] == [*range(10)]
    assert {point["x"] for point in found[0].sides[1].map.spec["data"]["values"]} == {0}
    assert (points[4]["class"], points[5]["class"]) == ("left", "no label")
    assert "data:image" not in json.dumps(found[0].sides[0].map.spec)


def test_too_few_images_for_a_map_have_neighbours(artifact):
    few = {BASE: np.eye(3, 2, dtype=np.float32)}
    write_views(artifact, Views("test", np.arange(3), np.arange(20, 23), few, few, {}))
    (found,), thumbnails = feature_views({"hssl": artifact}, Images(), "images")
    assert (found.sides[0].map, thumbnails) == (None, {})
    assert len(found.sides[0].neighbours) == 3
