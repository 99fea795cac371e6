import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.label_maps.coding import LabelCoding, coding
from pipeline.datasets.source import BadAnnotation

CONFIG = DataConfig()


def test_values_become_labels_and_ignored_ones_minus_one():
    values = np.array([[0, 1, 150], [2, 0, 149]], np.uint8)
    labels = LabelCoding(tuple(range(1, 151)), (0,)).labels(values)
    assert labels.dtype == np.int16
    assert labels.tolist() == [[-1, 0, 149], [1, -1, 148]]
    assert LabelCoding((0, 255), ()).labels(np.array([[0, 255]], np.uint8)).tolist() == [[0, 1]]
    assert LabelCoding(None, (255,)).labels(np.array([[7, 300, 255]], np.uint16)).tolist() == [[7, 300, -1]]


@pytest.mark.parametrize("value", [21, 254])
def test_a_value_that_is_no_class_is_refused(value):
    """T8: 254, which an ignored 255 becomes when somebody lowers labels by one, is no class."""
    values = np.array([[0, 20, value], [value, 255, 3]], np.uint8)
    with pytest.raises(BadAnnotation, match=rf"2 pixels of value {value}, expected 0 to 20 or 255 .ignored"):
        LabelCoding(tuple(range(21)), (255,)).labels(values)


def test_numbers_beyond_16_bits_are_refused():
    for value in (-3, 70_000):
        with pytest.raises(BadAnnotation, match=f"1 pixels of value {value}"):
            LabelCoding(None, ()).labels(np.array([[1, value]], np.int32))


def test_two_channels():
    """T12: ImageNet-S: a label is R + 256 G."""
    pixels = np.zeros((1, 3, 3), np.uint8)
    pixels[0, 1] = (3, 1, 0)
    pixels[0, 2] = (1000 % 256, 1000 // 256, 0)
    assert LabelCoding(tuple(range(920)), (1000,), "R + 256 G").labels(pixels).tolist() == [[0, 259, -1]]
    pixels[0, 0, 2] = 1
    with pytest.raises(BadAnnotation, match="B = 0"):
        LabelCoding(None, (), "R + 256 G").labels(pixels)


def test_class_and_instance_in_one_pixel():
    """ADE20K in full: a pixel's class is R // 10 * 256 + G, and B tells its instances apart."""
    pixels = np.array([[[0, 0, 0], [110, 162, 7], [119, 162, 255], [10, 56, 3]]], np.uint8)
    assert LabelCoding(None, (0,), "R // 10 * 256 + G").labels(pixels).tolist() == [[-1, 2978, 2978, 312]]


def test_colours_are_no_numbers():
    """T12: a palette mask that was saved with its colours is refused, not read as something else."""
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[1, 1] = (1, 1, 2)
    with pytest.raises(
        BadAnnotation, match="expected a palette index or grey value in each pixel, found col"
    ):
        LabelCoding(None, ()).labels(colours)
    with pytest.raises(BadAnnotation, match=r"expected R \+ 256 G in each pixel, found one number"):
        LabelCoding(None, (), "R + 256 G").labels(np.zeros((2, 2), np.uint8))


def test_three_equal_channels_are_one_number():
    numbers = np.array([[0, 2, 255]], np.uint8)
    labels = LabelCoding(None, (255,)).labels(np.repeat(numbers[..., None], 3, axis=2))
    assert labels.tolist() == [[0, 2, -1]]
    table = LabelCoding((0, 1), (255,), colours=((7, 7, 7), (0, 0, 0)))
    assert table.labels(np.array([[[0, 0, 0], [7, 7, 7]]], np.uint8)).tolist() == [[1, 0]], (
        "a table goes first"
    )


def test_the_data_section_goes_over_the_format():
    names = ("a", "b")
    assert coding(CONFIG, class_names=names, ignored=(0,), first=1) == LabelCoding((1, 2), (0,))
    config = DataConfig(label_values=(0, 255))
    assert coding(config, class_names=names, ignored=(255,)) == LabelCoding((0, 255), ())
    config = DataConfig(ignored_labels=(7, 8))
    assert coding(config, class_names=None, ignored=(255,)) == LabelCoding(None, (7, 8))
    with pytest.raises(ValueError, match=r"data\.label_values: expected 3 values.*found 2"):
        coding(DataConfig(label_values=(1, 2)), class_names=("a", "b", "c"), ignored=())
