import io

import numpy as np
import pytest

from pipeline.datasets.channels.stored import placed
from pipeline.datasets.channels.tiff import read_tiff
from pipeline.datasets.decode import UndecodableImage

tifffile = pytest.importorskip("tifffile", reason="tifffile writes the files")


def tiff(values, **options) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def pixels(content, options):
    return placed(read_tiff(content, options), options.num_channels, options.channel_axis)


_CONTIG = {"photometric": "minisblack", "planarconfig": "contig"}
# What programs make of five bands: GDAL's pixel and band interleaving, pages, ImageJ, OME, and what tifffile
# itself makes of (H, W, 5) when nothing is said: a page for each row.
WAYS = {
    "bands of a pixel": (lambda b: b, _CONTIG),
    "planes": (lambda b: b.transpose(2, 0, 1), {"planarconfig": "separate", "photometric": "minisblack"}),
    "pages": (lambda b: b.transpose(2, 0, 1), {"photometric": "minisblack"}),
    "pages without a word": (lambda b: b.transpose(2, 0, 1), {"photometric": "minisblack", "metadata": None}),
    "rows as pages": (lambda b: b, {"photometric": "minisblack"}),
    "ImageJ": (lambda b: b.transpose(2, 0, 1), {"imagej": True, "metadata": {"axes": "CYX"}}),
    "OME": (lambda b: b.transpose(2, 0, 1), {"ome": True, "metadata": {"axes": "CYX"}}),
    "compressed": (lambda b: b, _CONTIG | {"compression": "zlib"}),
    "tiles, big": (lambda b: b, _CONTIG | {"tile": (16, 16), "bigtiff": True}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_five_bands_come_back_number_by_number(bands, options, way, dtype):
    turn, written = WAYS[way]
    values = bands.astype(dtype) / (1 if dtype == "uint16" else 7)
    values = values.astype(dtype)
    found = pixels(tiff(turn(values), **written), options())
    assert np.array_equal(found, values)


def test_one_and_three_channels(bands, options):
    grey = bands[:, :, 0]
    assert np.array_equal(pixels(tiff(grey), options(num_channels=1))[:, :, 0], grey)
    rgb = bands[:, :, :3]
    assert np.array_equal(pixels(tiff(rgb, photometric="rgb"), options(num_channels=3)), rgb)


def test_zero_as_white_is_turned_round(bands, options):
    written = tiff(bands, photometric="miniswhite", planarconfig="contig")
    assert np.array_equal(pixels(written, options()), 65535 - bands)


def test_overviews_are_passed_over_and_several_images_refused(bands, options):
    large = np.tile(bands, (8, 8, 1))
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        kind = _CONTIG | {"metadata": None}
        writer.write(large, **kind)
        writer.write(large[::2, ::2], subfiletype=1, **kind)
    assert np.array_equal(pixels(stream.getvalue(), options()), large)
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(large, **kind)
        writer.write(large[:30, :20], **kind)
    with pytest.raises(UndecodableImage, match="expected one image, found 2 of the shapes"):
        read_tiff(stream.getvalue(), options())


def test_pixels_without_data_are_refused_or_kept(bands, options):
    values = bands.astype(np.float32)
    values[0, 0, 0] = values[1, 1, 1] = -9999
    written = tiff(values, metadata=None, extratags=[(42113, "s", 0, "-9999", True)], **_CONTIG)
    with pytest.raises(UndecodableImage, match=r"2 of 210 values are -9999.*GDAL_NODATA.*data.no_data"):
        read_tiff(written, options())
    assert np.array_equal(pixels(written, options(no_data_is_kept=True)), values)


def test_what_is_no_image_of_channels_is_refused(bands, options):
    stack = np.zeros((2, 3, 6, 7), np.uint16)
    with pytest.raises(UndecodableImage, match="expected one axis beside rows and columns, found ZCYX"):
        read_tiff(tiff(stack, imagej=True, metadata={"axes": "ZCYX"}), options())
    with pytest.raises(UndecodableImage, match="palette"):
        read_tiff(tiff(np.zeros((6, 7), np.uint8), colormap=np.zeros((3, 256), np.uint16)), options())
    with pytest.raises(UndecodableImage, match="more than max_pixels = 10 allows"):
        read_tiff(tiff(bands, **_CONTIG), options(max_pixels=10))
    with pytest.raises(UndecodableImage, match="expected one image, found 0"):
        read_tiff(b"II*\0 no more", options())
    with pytest.raises(UndecodableImage, match="TIFF that cannot be read"):
        read_tiff(tiff(bands, **_CONTIG)[:-40], options())
    with pytest.raises(UndecodableImage, match="TIFF that cannot be read"):
        read_tiff(b"no TIFF", options())
