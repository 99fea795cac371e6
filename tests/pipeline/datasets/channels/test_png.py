import io

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


def test_palettes_and_other_formats_are_refused(options):
    with pytest.raises(UndecodableImage, match="palette"):
        read_png(written(Image.new("P", (4, 4))), options())
    with pytest.raises(UndecodableImage, match="expected a PNG file"):
        read_png(written(Image.new("RGB", (4, 4)), "JPEG"), options())
    with pytest.raises(UndecodableImage, match="max_pixels"):
        read_png(written(Image.new("L", (400, 400))), options())
