import numpy as np
from PIL import Image

from pipeline.dense_probes.contact_sheet import GAP, HEADER, PANEL
from pipeline.views.files import ATTENTION, BASE, COLOURS, HEAD
from pipeline.views.pictures import draw_attention, draw_colours

GREY = np.full((24, 24, 3), 90, np.uint8)


def panel_of(path, row, column):
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    top, left = HEADER + row * (PANEL + GAP), column * (PANEL + GAP)
    return pixels[top : top + PANEL, left : left + PANEL]


def test_each_head_has_a_panel_of_its_own_and_its_largest_share_is_white(tmp_path):
    attention = np.zeros((1, 2, 2, 2), np.float32)
    attention[0, 0] = [[0.4, 0.2], [0, 0]]
    attention[0, 1] = [[0, 0], [0, 0.1]]
    draw_attention(tmp_path, [GREY], attention)
    corners = {
        column: panel_of(tmp_path / ATTENTION, 0, column)[[5, 5, -5, -5], [5, -5, 5, -5], 0].tolist()
        for column in range(4)
    }
    assert corners == {
        0: [90, 90, 90, 90],
        1: [255, 128, 0, 64],  # their mean
        2: [255, 128, 0, 0],
        3: [0, 0, 0, 255],
    }


def test_both_sides_are_coloured_each_by_its_own_components(tmp_path):
    halves = np.zeros((1, 2, 2, 3), np.float32)
    halves[0, :, 1] = 9
    sides = {BASE: halves, HEAD: halves.transpose(0, 2, 1, 3)}
    draw_colours(tmp_path, [GREY], sides)
    base, head = (panel_of(tmp_path / COLOURS, 0, column)[:, :, 0] for column in (1, 2))
    assert (base[5, 5], base[-5, 5], base[5, -5]) == (0, 0, 255)
    assert (head[5, 5], head[-5, 5], head[5, -5]) == (0, 255, 0)
