import numpy as np
import pytest
from PIL import Image

from pipeline.transforms.evaluation import center_crops

MEAN, STD = np.zeros(3), np.full(3, 1 / 255)


@pytest.mark.parametrize("shape", [(60, 91), (50, 50), (16, 23), (1, 1)])
def test_center_crops_are_pillows_resize_and_crop(rng, shape):
    image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    width = int(40 * shape[1] / shape[0])
    resized = Image.fromarray(image).resize((width, 40), Image.Resampling.BICUBIC)
    left = round((width - 32) / 2)
    expected = np.asarray(resized.crop((left, 4, left + 32, 36)))
    found = center_crops([image], 40, 32, mean=MEAN, std=STD)[0]
    np.testing.assert_allclose(found, expected.transpose(2, 0, 1), atol=1e-3)


def test_center_of_a_tall_image():
    # Rows 0 ... 199; the middle 100 x 100 starts at row 50.
    image = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None], (200, 100, 3))
    found = center_crops([image], 100, 100, mean=MEAN, std=STD)[0]
    np.testing.assert_allclose(found[0, :, 0], np.arange(50, 150), atol=1e-3)


def test_a_resize_smaller_than_the_crop_is_refused():
    with pytest.raises(ValueError, match="got 32 and 64"):
        center_crops([np.zeros((9, 9, 3), np.uint8)], 32, 64, mean=MEAN, std=STD)
