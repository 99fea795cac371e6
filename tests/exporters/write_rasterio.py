"""Images of five bands as GeoTIFF by rasterio: python write_rasterio.py OUT"""

import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_origin

out = Path(sys.argv[1])
COUNT = 6


def save(kind, number, values, **profile):
    path = out / kind / "ab"[number % 2] / f"{number}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=bands, dtype=values.dtype,
        crs="EPSG:32633", transform=from_origin(500000, 4600000, 10, 10), **profile,
    ) as file:  # fmt: skip
        file.write(values)
        if kind == "overviews":
            file.build_overviews([2, 4], Resampling.average)
        if kind == "mask":
            file.write_mask(np.full((height, width), 255, np.uint8))


for number in range(COUNT):
    rng = np.random.default_rng(number)
    integers = rng.integers(1, 10000, (5, 48, 64)).astype(np.uint16)
    floats = rng.normal(size=(5, 48, 64)).astype(np.float32)
    np.save(out / f"integers-{number}.npy", integers)
    np.save(out / f"floats-{number}.npy", floats)
    save("pixel", number, integers, interleave="pixel")
    save("band", number, integers, interleave="band")
    save("tiles", number, integers, tiled=True, blockxsize=16, blockysize=16, compress="deflate", predictor=2)
    save("lzw", number, integers, compress="lzw")
    save("floats", number, floats, compress="deflate", predictor=3)
    save("overviews", number, integers)
    save("mask", number, integers)
    missing = integers.copy()
    missing[:, 0, 0] = 0 if number == 0 else missing[:, 0, 0]
    save("nodata", number, missing, nodata=0)
