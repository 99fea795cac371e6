import json

import numpy as np
import pytest

from pipeline.report.page import confusions
from pipeline.report.page.confusions import read_confusion, with_thumbnails

NAMES = ["</script>", "b"]


class Images:
    """Stands for a data set."""

    def picture(self, row, at_least):
        return np.full((60, 60, 3), row, np.uint8)

    def path(self, row):
        return f"{row}.png"


@pytest.fixture
def artifact(tmp_path):
    """Nine images: 4 right of class 0, 3 of them taken for class 1, 2 right of class 1."""
    labels, predictions = np.repeat([0, 0, 1], [4, 3, 2]), np.repeat([0, 1, 1], [4, 3, 2])
    np.savez(tmp_path / "predictions.npz", labels=labels, predictions=predictions, index=np.arange(10, 19))
    lines = [["true class", *NAMES], ["</script>", 4, 3], ["b", 0, 2]]
    text = "\n".join(",".join(map(str, line)) for line in lines)
    (tmp_path / "confusion.csv").write_text(text + "\n")
    return tmp_path


def shown(artifact):
    found = read_confusion(artifact, "knn", "hssl", "images")
    (kept,), thumbnails = with_thumbnails([found], {"images": Images()})
    return kept, thumbnails


def test_each_cell_has_its_images_and_each_image_is_there_once(artifact):
    kept, thumbnails = shown(artifact)
    assert {cell: [*rows] for cell, rows in kept.cells.items()} == {
        (0, 0): [10, 11, 12, 13], (0, 1): [14, 15, 16], (1, 1): [17, 18],
    }  # fmt: skip
    assert {name: entry["path"] for name, entry in thumbnails.items()} == {
        f"images-{row}": f"{row}.png" for row in range(10, 19)
    }
    assert "</" not in kept.json
    grid = json.loads(kept.json)
    assert (grid["names"], grid["counts"]) == (NAMES, [[4, 3], [0, 2]])
    assert grid["cells"]["0,1"] == ["images-14", "images-15", "images-16"]


def test_where_there_is_no_room_every_cell_gets_its_first_image_before_any_a_second(artifact, monkeypatch):
    monkeypatch.setattr(confusions, "_MOST_THUMBNAILS", 4)
    kept, thumbnails = shown(artifact)
    assert {cell: [*rows] for cell, rows in kept.cells.items()} == {
        (0, 1): [14, 15],
        (0, 0): [10],
        (1, 1): [17],
    }
    assert len(thumbnails) == 4


def test_counts_of_pixels_have_no_images_behind_them(artifact):
    (artifact / "predictions.npz").unlink()
    kept, thumbnails = shown(artifact)
    assert (kept.cells, kept.json, thumbnails) == (None, "", {})
