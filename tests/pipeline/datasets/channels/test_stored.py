import numpy as np
import pytest

from pipeline.datasets.channels.stored import Stored, placed, refuse_not_finite
from pipeline.datasets.decode import UndecodableImage

LAST = np.arange(24).reshape(2, 4, 3)


def test_channels_end_up_last_as_float32_of_the_same_numbers():
    for values in (LAST, LAST.transpose(2, 0, 1)):
        pixels = placed(Stored(values), 3, None)
        assert pixels.dtype == np.float32
        assert pixels.flags.c_contiguous
        assert np.array_equal(pixels, LAST)
    assert np.array_equal(placed(Stored(LAST[:, :, 0]), 1, None), LAST[:, :, :1])


def test_numbers_of_16_bits_and_floats_are_not_rounded():
    values = np.array([[0, 1, 40001, 65535]], np.uint16)
    assert placed(Stored(values), 1, None).ravel().tolist() == [0, 1, 40001, 65535]
    values = np.array([[-1.5, 0.1]], ">f4")  # of another machine's order
    assert np.array_equal(placed(Stored(values), 1, None).ravel(), values.ravel())


def test_both_ends_of_the_shape_could_be_the_channels():
    square = np.arange(3 * 4 * 3).reshape(3, 4, 3)
    with pytest.raises(UndecodableImage, match=r"first or last in the shape \(3, 4, 3\): state"):
        placed(Stored(square), 3, None)
    assert np.array_equal(placed(Stored(square), 3, "last"), square)
    assert np.array_equal(placed(Stored(square), 3, "first"), square.transpose(1, 2, 0))
    of_file = Stored(square, "first")  # the file says it
    assert np.array_equal(placed(of_file, 3, "last"), square.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (LAST, r"expected 5 channels \(data\.channels\), found 3"),
        (LAST[:, :, 0], "expected 5 channels.*found 1"),
        (np.zeros((2, 2, 2, 5)), r"expected rows, columns and channels, found the shape \(2, 2, 2, 5\)"),
        (np.zeros((0, 4, 5)), "no pixels"),
        (np.zeros((2, 4, 5), complex), "expected numbers, found complex128"),
        (np.full((2, 4, 5), "a"), "expected numbers, found <U1"),
    ],
)
def test_what_is_no_image_of_five_channels_is_refused(values, message):
    with pytest.raises(UndecodableImage, match=message):
        placed(Stored(values), 5, None)


def test_values_that_are_no_numbers_are_counted():
    pixels = np.zeros((2, 3, 5), np.float32)
    refuse_not_finite(pixels)
    pixels[0, 0, 1], pixels[1, 2, 0] = np.nan, np.inf
    with pytest.raises(UndecodableImage, match="2 of 30 values are NaN or infinite"):
        refuse_not_finite(pixels)
    too_large = placed(Stored(np.full((1, 1), 1e300)), 1, None)
    with pytest.raises(UndecodableImage, match="1 of 1 values"):
        refuse_not_finite(too_large)
