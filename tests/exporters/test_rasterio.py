"""GeoTIFF by rasterio, that is by GDAL."""

import numpy as np
import pytest


@pytest.fixture
def folder(written_by):
    pytest.importorskip("tifffile", reason="channels need the extra channels")
    return written_by("write_rasterio", "rasterio")


def hold(data, folder, values, rows):
    for row in range(rows):
        number = data.path(row).rsplit("/", 1)[-1].removesuffix(".tif")
        expected = np.load(folder / f"{values}-{number}.npy")
        assert np.array_equal(data.image(row), expected.transpose(1, 2, 0).astype(np.float32))
        assert data.class_names[data.labels[row]] == "ab"[int(number) % 2]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("pixel", "integers"), ("band", "integers"), ("tiles", "integers"), ("lzw", "integers"),
        ("overviews", "integers"), ("mask", "integers"), ("floats", "floats"),
    ],
)  # fmt: skip
def test_bands_come_back(folder, prepared, kind, values):
    data = prepared(folder / kind, channels=5)
    assert len(data) == 6
    hold(data, folder, values, 6)


def test_pixels_without_data(folder, prepared):
    data = prepared(folder / "nodata", channels=5, max_bad_share=0.2)
    assert len(data) == 5
    hold(data, folder, "integers", 5)
    kept = prepared(folder / "nodata", channels=5, no_data="kept")
    first = next(row for row in range(6) if kept.path(row).endswith("/0.tif"))
    assert (kept.image(first)[0, 0] == 0).all()
