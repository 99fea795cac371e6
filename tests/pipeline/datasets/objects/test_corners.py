"""How a whole set counts its corners."""

import pytest

from pipeline.datasets.objects.corners import Corners, counting_of

PLAIN = [(Corners(3, 4, 9, 8), (10, 12))] * 40


@pytest.mark.parametrize(
    ("more", "counting", "words"),
    [
        ([((0, 4, 9, 8), (10, 12))], "from-0", "1 of 41 objects have a corner below 1"),
        ([((3, 0, 10, 8), (10, 12))], "from-0", "1 of 41 objects have a corner below 1"),
        ([((3.5, 4, 9, 8), None)], "from-0", "1 of 41 objects have corners between whole numbers"),
        ([((3, 4, 10, 8.25), (10, 12))], "from-0", "corners between whole numbers"),
        (
            [((3, 4, 10, 8), (10, 12))],
            "from-1",
            "no corner is 0, and 1 of 41 objects end at the image's last",
        ),
        (
            [((3, 4, 9, 12), (10, 12))],
            "from-1",
            "no corner is 0, and 1 of 41 objects end at the image's last",
        ),
        ([((3, 4, 10, 8), None)], "from-1", "caution: corners: counted from 1"),
        ([], "from-1", "nothing in the files shows it, so check a box and set data.corners"),
        ([((23.0000000762, 4, 9, 8), None)], "from-1", "nothing in the files shows it"),
        ([((float("nan"), 0, 9, 8), None)], "from-1", "nothing in the files shows it"),
    ],
)
def test_what_settles_it(more, counting, words):
    found, line = counting_of([*PLAIN, *((Corners(*corners), size) for corners, size in more)], "auto")
    assert found == counting
    assert words in line


def test_a_few_decimals_among_thousands_show_nothing():
    """VOC 2012 has some, and counts from 1."""
    few = [(Corners(45.7, 4, 90, 80), (500, 375))] * 2 + [(Corners(1, 2, 500, 80), (500, 375))]
    assert counting_of([*PLAIN * 100, *few], "auto")[0] == "from-1"


def test_the_same_box_in_each_way_of_counting():
    """Columns 2 to 4 and rows 5 to 9 of the image, the first being column 0."""
    for counting, corners in (
        ("from-1", (3, 6, 5, 10)),
        ("from-0", (2, 5, 5, 10)),
        ("pixels-from-0", (2, 5, 4, 9)),
    ):
        assert counting_of([(Corners(*corners), None)], counting)[0] == counting
        assert Corners(*corners).box(counting) == (2, 5, 5, 10)


def test_boxes_that_end_one_pixel_before_the_edge_and_never_at_it_are_a_doubt():
    clamped = [
        (Corners(0, 4, 9, 8), (10, 12)),
        (Corners(3, 2, 7, 11), (10, 12)),
        (Corners(3, 4, 9, 8), (10, 12)),
    ]
    counting, line = counting_of(clamped, "auto")
    assert counting == "from-0"
    assert line.startswith("caution: ")
    assert "3 end one pixel before the image's edge" in line
    at_the_edge = [*clamped, (Corners(3, 4, 10, 8), (10, 12))]
    assert not counting_of(at_the_edge, "auto")[1].startswith("caution")
    assert not counting_of(clamped[:2], "auto")[1].startswith("caution")
