import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.config.data import CropConfig
from pipeline.native.cuda import sources
from pipeline.transforms.crop_parameters import draw_crop_parameters, plain_parameters
from pipeline.transforms.packing import CROP_ORDER, IMAGE_ENTRY, pack
from pipeline.transforms.plain import render_crops_plain

BYTES = {"int64_t": 8, "int32_t": 4, "float": 4, "uint8_t": 1}


def noise(rng, height, width):
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(("struct", "record"), [("ImageEntry", IMAGE_ENTRY), ("CropOrder", CROP_ORDER)])
def test_records_are_laid_out_as_the_structs(struct, record):
    text = Path(sources.FOLDER, "augment_records.cuh").read_text()
    body = re.sub("//.*", "", re.search(rf"struct {struct} {{(.*?)}};", text, re.DOTALL).group(1))
    sizes = []  # in bytes, of each number in turn
    for kind, names in re.findall(r"(\w+) ([^;]+);", body):
        for name in names.split(","):
            count = int(re.search(r"\[(\d+)\]|$", name).group(1) or 1)
            sizes += [BYTES[kind]] * count
    expected = [
        field.base.itemsize
        for field, _ in record.fields.values()
        for _ in range(int(np.prod(field.shape, dtype=int)))
    ]
    assert sizes == expected
    assert record.itemsize == sum(sizes), "no padding between"


def test_images_and_orders_lie_where_the_entries_say(rng):
    images = [noise(rng, 5, 7), noise(rng, 40, 30)[::2, ::3], noise(rng, 1, 1)]
    boxes = np.array([[0, 0, 7, 5], [1, 2, 3, 4], [0, 0, 1, 1], [0, 0, 10, 20]])
    large = plain_parameters(np.array([0, 1, 2, 1]), boxes, size=9)
    small = plain_parameters(np.array([1]), boxes[3:], size=4)
    packed = pack(images, [(large, 9), (replace(small, flip=np.ones(1, bool)), 4)])
    entries = packed.data[: 3 * IMAGE_ENTRY.itemsize].view(IMAGE_ENTRY)
    for image, entry in zip(images, entries, strict=True):
        at, height, width = entry.tolist()
        assert (height, width) == image.shape[:2]
        assert np.array_equal(packed.data[at : at + image.size].reshape(image.shape), image)
    assert [(orders.num_crops, orders.size) for orders in packed.orders] == [(4, 9), (1, 4)]
    for orders, parameters in zip(packed.orders, (large, small), strict=True):
        end = orders.at + orders.num_crops * CROP_ORDER.itemsize
        records = packed.data[orders.at : end].view(CROP_ORDER)
        assert np.array_equal(records["box"], parameters.box)
        assert np.array_equal(records["image"], parameters.image)
        assert orders.most_rows <= orders.all_rows <= orders.num_crops * orders.most_rows
    assert records["flip"].tolist() == [1]


def test_rows_are_those_that_the_resize_touches(rng):
    # A source row counts if the crop changes with it.
    height, size = 61, 8
    sizes = np.array([[height, 20]])
    for _ in range(20):
        parameters = draw_crop_parameters(rng, sizes, CropConfig(), size=size, role=2)
        still = plain_parameters(np.zeros(1), parameters.box, size=size)
        (orders,) = pack([np.zeros((height, 20, 3), np.uint8)], [(still, size)]).orders
        seen = []
        for row in range(height):
            # On grey, so that negative weights show, too.
            image = np.full((height, 20, 3), 128, np.uint8)
            image[row] = 255
            crop = render_crops_plain([image], still, size, scale=np.ones(3), bias=np.zeros(3))
            if (crop != 128).any():
                seen.append(row)
        touched = seen[-1] - seen[0] + 1
        # Outermost weights may be too small to change a level.
        assert touched <= orders.most_rows == orders.all_rows <= touched + 4


def test_what_reaches_outside_is_refused(rng):
    parameters = plain_parameters(np.zeros(1), np.array([[0, 0, 9, 8]]), size=4)
    with pytest.raises(ValueError, match="outside its image"):
        pack([noise(rng, 8, 8)], [(parameters, 4)])
    with pytest.raises(ValueError, match=r"image 0 .* found \(8, 8\) uint8"):
        pack([np.zeros((8, 8), np.uint8)], [(parameters, 4)])
