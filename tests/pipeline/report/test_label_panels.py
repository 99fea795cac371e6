"""Pixels of a label map's panel, counted by hand."""

import numpy as np
import pytest

from pipeline.datasets.targets import IGNORED
from pipeline.report.label_panels import background_class, label_panel

COLOURS = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250]], np.uint8)


def panel(labels, background):
    image = np.full((*np.shape(labels), 3), 100, np.uint8)
    return np.asarray(label_panel(image, np.array(labels), COLOURS, background, len(labels[0])))


def test_a_class_is_tinted_within_its_outline_and_the_background_left_alone():
    labels = np.zeros((9, 9), int)
    labels[2:7, 2:7] = 1
    shown = panel(labels, background=0)
    assert (shown[labels == 0] == 100).all()
    assert (shown[3:6, 3:6] == [50, 175, 50]).all()
    outline = labels == 1
    outline[3:6, 3:6] = False
    assert (shown[outline] == COLOURS[1]).all()


def test_without_a_background_every_class_has_its_colour():
    shown = panel(np.zeros((4, 4), int), background=None)
    assert (shown == [175, 50, 50]).all()


def test_ignored_pixels_are_striped_over_the_image():
    shown = panel(np.full((12, 12), IGNORED), background=None)
    white = (shown == 255).all(axis=2)
    assert white.sum() == 12 * 12 // 3, "two of six diagonals"
    assert (shown[~white] == 100).all()


def test_labels_stand_where_their_pixels_are_when_enlarged():
    labels = np.array([[0, 0, 1, 1]] * 2)
    shown = np.asarray(label_panel(np.zeros((2, 4, 3), np.uint8), labels, COLOURS, 0, 40))
    assert shown.shape == (20, 40, 3)
    assert (shown[:, :20] == 0).all()
    assert (shown[:, 20:] != 0).any(axis=2).all()


@pytest.mark.parametrize(
    ("names", "layout", "expected"),
    [
        (["wall", "Background"], "image-masks", 1),
        (["_background_", "cat"], "voc-masks", 0),
        (["0", "1"], "voc-masks", 0),
        (["0", "1"], "ade20k", None),
        (["wall", "building"], "ade20k", None),
    ],
)
def test_which_class_is_the_background(names, layout, expected):
    assert background_class(names, layout) == expected
