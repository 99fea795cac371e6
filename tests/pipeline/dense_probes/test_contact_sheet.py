import numpy as np
from PIL import Image

from pipeline.dense_probes.contact_sheet import (
    GAP,
    HEADER,
    PANEL,
    blocks,
    boxed,
    labels,
    panel,
    tinted,
    write_sheet,
)


def test_panels_stand_where_their_row_and_column_say(tmp_path):
    rows = [
        [np.full((PANEL, PANEL, 3), 10 * row + column, np.uint8) for column in range(3)] for row in range(2)
    ]
    write_sheet(tmp_path / "sheet.png", ["one", "two", "three"], rows)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (HEADER + 2 * PANEL + GAP, 3 * PANEL + 2 * GAP, 3)
    step = PANEL + GAP
    for row in range(2):
        for column in range(3):
            top, left = HEADER + row * step, column * step
            assert (sheet[top : top + PANEL, left : left + PANEL] == 10 * row + column).all()


def test_patches_are_flat_squares_and_marks_keep_to_them():
    grey = blocks(np.array([[0.0, 1.0], [0.5, 0.2]]))
    assert grey.shape == (PANEL, PANEL, 3)
    half = PANEL // 2
    assert (grey[:half, half:] == 255).all()
    assert (grey[half:, :half] == 128).all()
    marked = tinted(grey, np.array([[True, False], [False, False]]))
    assert (marked[:half, :half] != 0).any()
    np.testing.assert_array_equal(marked[half:], grey[half:])
    np.testing.assert_array_equal(marked[:, half:], grey[:, half:])


def test_a_box_is_drawn_in_the_image_s_own_pixels():
    shown = panel(np.zeros((40, 80, 3), np.uint8))
    drawn = boxed(shown, np.array([[20, 10, 60, 30]]), 80, 40, "red")
    rows, columns = np.nonzero(drawn[..., 0])
    assert (rows.min(), rows.max()) == (PANEL // 4, 3 * PANEL // 4)
    assert (columns.min(), columns.max()) == (PANEL // 4, 3 * PANEL // 4)


def test_classes_differ_in_colour_and_ignored_pixels_are_white():
    shown = labels(np.arange(-1, 15, dtype=np.int16).reshape(4, 4), 15)
    step = PANEL // 4
    colours = shown[step // 2 :: step, step // 2 :: step].reshape(16, 3).astype(int)
    assert colours[0].tolist() == [255, 255, 255]
    distances = np.abs(colours[:, None] - colours).sum(axis=2)[~np.eye(16, dtype=bool)]
    assert distances.min() > 20
