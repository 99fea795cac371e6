import io

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.decode import UndecodableImage, decode, decode_values
from pipeline.datasets.depth import stated_bits

imagecodecs = pytest.importorskip("imagecodecs", reason="writes colours of 16 bits: the extra `channels`")


def written(form: str, dtype) -> bytes:
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (40, 40, 3), dtype=dtype)
    encode = {"png": imagecodecs.png_encode, "jp2": imagecodecs.jpeg2k_encode}[form]
    return encode(values, **({"level": 0} if form == "jp2" else {}))


@pytest.mark.parametrize("form", ["png", "jp2"])
@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_bits_are_those_that_the_file_was_written_with(form, dtype, bits):
    data = written(form, dtype)
    assert stated_bits(Image.open(io.BytesIO(data)), data) == bits


def test_16_bit_colours_as_a_photograph_keep_their_upper_bits():
    values = np.array([[[0, 255, 256], [32768, 65279, 65535]]], np.uint16)
    data = imagecodecs.png_encode(values)
    assert decode(data).tolist() == [[[0, 0, 1], [128, 254, 255]]]
    with pytest.raises(UndecodableImage, match=r"16-bit colours of which it is not known"):
        decode(data, grey_range=None)
    with pytest.raises(UndecodableImage, match=r"grey_range = \[0, 4095\] does not scale"):
        decode(data, grey_range=(0, 4095))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_16_bit_colours_are_no_label_map(count):
    data = imagecodecs.png_encode(np.full((4, 5, count), 3, np.uint16))
    with pytest.raises(UndecodableImage, match=r"expected values of 8 bits .*, found 16 bits"):
        decode_values(data)
