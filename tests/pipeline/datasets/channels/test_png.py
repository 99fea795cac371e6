import io
import sys

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.channels.png import read_png
from pipeline.datasets.decode import UndecodableImage


def written(image: Image.Image, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


def test_grey_of_16_bits_and_colours_of_8_come_back(bands, options):
    grey = bands[:, :, 0]
    assert np.array_equal(read_png(written(Image.fromarray(grey)), options()).values, grey)
    rgb = (bands[:, :, :3] >> 8).astype(np.uint8)
    assert np.array_equal(read_png(written(Image.fromarray(rgb)), options()).values, rgb)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_colours_of_16_bits_come_back(bands, options, count):
    """Grey and alpha, RGB, RGB and alpha; Pillow would keep the upper 8 bits."""
    imagecodecs = pytest.importorskip("imagecodecs", reason="colours of 16 bits: the extra `channels`")
    values = bands[:, :, :count].copy()
    if count != 3:
        values[..., -1] = 65535
    data = imagecodecs.png_encode(values)
    expected = values[..., 0] if count == 2 else values[..., :3]
    found = read_png(data, options(num_channels=3)).values
    assert np.array_equal(found.reshape(expected.shape), expected)
    with pytest.raises(UndecodableImage, match="max_pixels = 5"):
        read_png(data, options(max_pixels=5))
    with pytest.raises(UndecodableImage, match="cannot be read"):
        read_png(data[:-40], options())
    if count != 3:
        values[0, 0, -1] = 7
        with pytest.raises(UndecodableImage, match="transparent"):
            read_png(imagecodecs.png_encode(values), options())


def test_without_the_extra_its_name_is_said(bands, options, monkeypatch):
    imagecodecs = pytest.importorskip("imagecodecs", reason="colours of 16 bits: the extra `channels`")
    data = imagecodecs.png_encode(bands[:, :, :3].copy())
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(ValueError, match=r"imagecodecs, which is not installed: .*\[channels\]"):
        read_png(data, options())


def test_palettes_and_other_formats_are_refused(options):
    with pytest.raises(UndecodableImage, match="palette"):
        read_png(written(Image.new("P", (4, 4))), options())
    with pytest.raises(UndecodableImage, match="expected a PNG file"):
        read_png(written(Image.new("RGB", (4, 4)), "JPEG"), options())
    with pytest.raises(UndecodableImage, match="max_pixels"):
        read_png(written(Image.new("L", (400, 400))), options())
