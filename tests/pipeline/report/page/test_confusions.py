import json

import numpy as np
import pytest

from pipeline.report.page import confusions as module
from pipeline.report.page.confusions import (
    Counted,
    confusions,
    most_confused,
    read_confusion,
    with_thumbnails,
)

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
    found = confusions([read_confusion(artifact, "knn", "hssl", "images")])
    (kept,), thumbnails = with_thumbnails(found, {"images": Images()})
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
    monkeypatch.setattr(module, "_MOST_THUMBNAILS", 4)
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


def test_of_many_classes_those_most_confused_are_shown_with_shares_of_all_their_images():
    counts = np.diag(np.full(100, 5))
    counts[70, 90], counts[3, 70], counts[2, 1] = 9, 4, 1
    names = [f"c{number}" for number in range(100)]
    cells = {(70, 90): [7], (2, 2): [8], (5, 5): [9]}
    other = np.diag(np.full(100, 5))
    other[50, 51] = 2
    found = confusions([Counted("knn", "ibot", "images", names, other, None),
                        Counted("knn", "hssl", "images", names, counts, cells)])  # fmt: skip
    for each in found:
        assert each.class_names == ["c1", "c2", "c3", "c50", "c51", "c70", "c90"]
        assert "Of 100 classes, the 7" in each.figure.caption
    assert found[1].totals.tolist() == [5, 6, 9, 5, 5, 14, 5]
    assert found[1].cells == {(5, 6): [7], (1, 1): [8]}
    shares = {(v["truth"], v["predicted"]): v["%"] for v in found[1].figure.spec["data"]["values"]}
    assert shares["c70", "c90"] == pytest.approx(100 * 9 / 14, abs=0.01)


def test_no_more_classes_are_chosen_than_can_be_read():
    rng = np.random.default_rng(0)
    chosen = most_confused(rng.integers(0, 50, (1000, 1000)))
    assert 38 <= len(chosen) <= 40
    assert most_confused(np.eye(1000, dtype=int)).tolist() == [*range(40)]
    assert most_confused(np.eye(60, dtype=int)).tolist() == [*range(60)]
