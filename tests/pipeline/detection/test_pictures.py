import numpy as np
from faster_coco_eval.core import mask as run_lengths
from PIL import Image

from pipeline.detection.pictures import Drawn, Sample, draw_samples
from pipeline.evaluate.overlays import class_colours


def encoded(mask):
    return run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))


def test_truth_and_detections_side_by_side(tmp_path):
    """64 px are shown four times as large, below a line of titles; the best is drawn, as one is true."""
    region = np.zeros((64, 64), bool)
    region[32:56, 8:40] = True
    box = np.array([[8, 32, 40, 56]], np.float32)
    truth = Drawn(box, np.array([1]), (encoded(region),), crowd=np.array([False]))
    found = Drawn(
        np.concatenate([box, [[44, 4, 60, 20]]]),
        np.array([1, 0]),
        (encoded(region), encoded(~region)),
        scores=np.array([0.2, 0.1]),
    )
    image = np.full((64, 64, 3), 100, np.uint8)
    path = tmp_path / "overlay.png"
    draw_samples(path, [Sample(image, truth, found)], ["sand", "brick"])
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (18 + 256 + 6, 2 * (256 + 6), 3)
    inside = np.rint(0.55 * 100 + 0.45 * class_colours(2)[1].astype(float))
    for left in (0, 262):
        panel = sheet[18:274, left : left + 256]
        assert np.array_equal(panel[4 * 50, 4 * 30], inside)
        assert np.array_equal(panel[4 * 55 + 3, 4 * 20], class_colours(2)[1]), "the outline of the box"
        assert np.array_equal(panel[4 * 10, 4 * 50], [100] * 3)


def test_crowds_are_white_and_boxes_may_be_without_masks(tmp_path):
    truth = Drawn(np.array([[8, 8, 24, 24]], np.float32), np.array([0]), (None,), crowd=np.array([True]))
    nothing = Drawn(np.zeros((0, 4)), np.zeros(0, int), (), np.zeros(0))
    image = np.zeros((32, 64, 3), np.uint8)
    draw_samples(tmp_path / "overlay.png", [Sample(image, truth, nothing)], ["cell"])
    sheet = np.asarray(Image.open(tmp_path / "overlay.png"))
    assert sheet.shape == (18 + 128 + 6, 2 * 262, 3)
    assert np.array_equal(sheet[18 + 4 * 24 - 1, 4 * 16], [255] * 3), "the lower side of the box"
    assert not sheet[18 : 18 + 128, 262 : 262 + 256].any()
