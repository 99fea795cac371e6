import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths
from pycocotools import mask as oracle

from pipeline.datasets.objects.segments import compressed, num_pixels
from pipeline.datasets.photo_scenes.rle import encode_mask
from pipeline.datasets.source import BadAnnotation

HEIGHT, WIDTH = 20, 30
TRIANGLE = [2.5, 3, 25, 4.25, 9, 17]
SQUARE = [20, 10, 28, 10, 28, 18, 20, 18]


def decoded(counts):
    return oracle.decode({"size": [HEIGHT, WIDTH], "counts": counts})


def test_four_ways_to_write_a_mask_give_equal_masks():
    """T16: polygon, multi-polygon, compressed and uncompressed run lengths; equal to pycocotools."""
    for polygons in ([TRIANGLE], [TRIANGLE, SQUARE]):
        expected = oracle.decode(oracle.merge(oracle.frPyObjects(polygons, HEIGHT, WIDTH)))
        packed = oracle.encode(np.asfortranarray(expected))["counts"]
        ways = [polygons, encode_mask(expected.astype(bool))]
        ways += [{"size": [HEIGHT, WIDTH], "counts": counts} for counts in (packed, packed.decode())]
        for segmentation in ways:
            counts = compressed(segmentation, WIDTH, HEIGHT)
            assert np.array_equal(decoded(counts), expected)
            found = run_lengths.decode({"size": [HEIGHT, WIDTH], "counts": counts})
            assert np.array_equal(found, expected)


def test_run_lengths_go_down_the_columns():
    """T16: a mask of rows 1 to 4 and column 2 has the box (2, 1, 1, 4), not the transposed one."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[1:5, 2] = True
    runs = [2 * HEIGHT + 1, 4, HEIGHT * WIDTH - 2 * HEIGHT - 5]
    counts = compressed({"size": [HEIGHT, WIDTH], "counts": runs}, WIDTH, HEIGHT)
    assert np.array_equal(decoded(counts), mask)
    assert oracle.toBbox({"size": [HEIGHT, WIDTH], "counts": counts}).tolist() == [2, 1, 1, 4]


def test_polygons_are_clipped_by_the_image(rng):
    for _ in range(20):
        polygon = (rng.uniform(-0.9, 1.9, (5, 2)) * (WIDTH, HEIGHT)).ravel().tolist()
        expected = oracle.decode(oracle.frPyObjects([polygon], HEIGHT, WIDTH))[..., 0]
        assert np.array_equal(decoded(compressed([polygon], WIDTH, HEIGHT)), expected)


def test_no_mask_and_no_area():
    """Also a box's two corners, which pycocotools would take for a box, and run lengths without a pixel."""
    empty = oracle.encode(np.zeros((HEIGHT, WIDTH), np.uint8, order="F"))["counts"]
    runs = [{"size": [HEIGHT, WIDTH], "counts": counts} for counts in ([600], [600, 0], empty)]
    for nothing in (None, [], [[]], [[1, 1, 5, 5]], [[1, 1, 5, 5], [2, 2]], *runs):
        assert compressed(nothing, WIDTH, HEIGHT) == b""
    assert num_pixels(compressed([SQUARE], WIDTH, HEIGHT), WIDTH, HEIGHT) == 64
    assert compressed([[1, 1, 5, 5], SQUARE], WIDTH, HEIGHT) == compressed([SQUARE], WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ({"size": [WIDTH, HEIGHT], "counts": [600]}, r"30 x 20 pixels, run lengths of size \[30, 20\]"),
        ({"counts": [600]}, "run lengths of size None"),
        ({"size": 600, "counts": [600]}, "run lengths of size 600"),
        (5, "expected polygons or run lengths, found 5"),
        ("none", "expected polygons or run lengths, found 'none'"),
        ({"size": [HEIGHT, WIDTH], "counts": [500, 99]}, "add up to 599 pixels, expected 30 x 20 = 600"),
        ({"size": [HEIGHT, WIDTH], "counts": [-1, 601]}, "whole numbers from 0"),
        ({"size": [HEIGHT, WIDTH], "counts": None}, "whole numbers from 0"),
        ({"size": [HEIGHT, WIDTH], "counts": "zz\xff"}, "add up to"),
        ([[1, 2, 3, 4, 5, 6, 7]], "found 7 numbers"),
        ([1, 2, 3, 4, 5, 6], "lists of x, y"),
        ([["a", 1, 2, 3, 4, 5]], "lists of x, y"),
        ([[10**400, 1, 2, 3, 4, 5]], "lists of x, y"),
        ([[0, 0, 5, 0, 5, 1e9]], "corner at 1e.09 is far outside the image of 30 x 20"),
        ([[0, 0, 5, 0, float("nan"), 1]], "corner at nan"),
    ],
)
def test_mistakes(segmentation, words):
    with pytest.raises(BadAnnotation, match=words):
        compressed(segmentation, WIDTH, HEIGHT)


@pytest.mark.parametrize("cut", [slice(None, -1), slice(1, None)])
def test_damaged_compressed_run_lengths_are_named(cut):
    """Found by properties: an error of the library's, which ended the whole preparation."""
    whole = run_lengths.segmToRle([TRIANGLE], WIDTH, HEIGHT)["counts"].decode()
    for counts in (whole[cut], whole + "P"):
        with pytest.raises(BadAnnotation, match="run lengths"):
            compressed({"size": [HEIGHT, WIDTH], "counts": counts}, WIDTH, HEIGHT)
