"""Damaged images of numbers: finite numbers of the asked shape, or a refusal in words."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.data import DataConfig
from pipeline.datasets.channels.options import Options
from pipeline.datasets.channels.reading import ChannelReading
from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from tests.properties.damaged import changed_bytes, right_or_refused

BANDS = np.random.default_rng(0).integers(0, 4096, (6, 7, 5), dtype=np.uint16)


def npy(values: np.ndarray = BANDS) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def tiff(**options) -> bytes:
    tifffile = pytest.importorskip("tifffile", reason="tifffile writes the files")
    stream = io.BytesIO()
    tifffile.imwrite(stream, BANDS, photometric="minisblack", **options)
    return stream.getvalue()


def png() -> bytes:
    """16 bits of grey, by hand."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in BANDS[:, :, 0])
    head = struct.pack(">IIBBBBB", 7, 6, 16, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def dicom() -> bytes:
    pydicom = pytest.importorskip("pydicom", reason="pydicom writes the files")
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    file.Rows, file.Columns, file.SamplesPerPixel = 6, 7, 1
    file.PhotometricInterpretation, file.PixelRepresentation = "MONOCHROME2", 0
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.RescaleSlope, file.RescaleIntercept = "2", "-1024"
    file.PixelData = np.ascontiguousarray(BANDS[:, :, 0]).tobytes()
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, file, enforce_file_format=True)
    return stream.getvalue()


# name of a file -> what writes it, and its channels
KINDS = {
    "a.npy": (npy, 5),
    "a.tif": (tiff, 5),
    "deflated.tiff": (lambda: tiff(compression="zlib", predictor=True), 5),
    "tiled.tif": (lambda: tiff(tile=(16, 16), compression="zlib"), 5),
    "a.png": (png, 1),
    "a.dcm": (dicom, 1),
}


def read(name: str, content: bytes, num_channels: int, **changes) -> np.ndarray | None:
    plain = {"channel_axis": None, "window_of_header": False, "no_data_is_kept": False}
    reading = ChannelReading(Options(num_channels=num_channels, max_pixels=10_000, **plain | changes))
    try:
        return reading.pixels(name, content)
    except UndecodableImage:
        return None


@pytest.mark.parametrize("name", KINDS)
def test_what_is_whole_is_read(name):
    make, num_channels = KINDS[name]
    assert read(name, make(), num_channels).shape == (6, 7, num_channels)


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_damaged_files(name, data):
    make, num_channels = KINDS[name]
    content = data.draw(changed_bytes(make()))
    pixels = read(name, content, num_channels, no_data_is_kept=data.draw(st.booleans()))
    if pixels is not None:
        assert pixels.dtype == np.float32
        assert pixels.ndim == 3
        assert pixels.shape[2] == num_channels
        assert 0 < pixels.size <= 10_000 * num_channels
        assert np.isfinite(pixels).all()


@pytest.mark.parametrize("name", KINDS)
@given(content=st.binary(max_size=300))
def test_any_bytes(name, content):
    assert read(name, content, KINDS[name][1]) is None


@given(data=st.data())
def test_arrays_of_any_shape_and_kind(data):
    """Bands are found where the shape says so, and refused where it does not."""
    shape = data.draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 7]), max_size=5))
    kind = data.draw(st.sampled_from(["u1", "i2", ">u4", "i8", "f2", "f4", "f8", "c8", "?", "U3", "M8[s]"]))
    values = np.zeros(shape, kind)
    if kind[:1] == "f" and values.size and data.draw(st.booleans()):
        values.flat[0] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    axis = data.draw(st.sampled_from([None, "first", "last"]))
    pixels = read("a.npy", npy(values), 5, channel_axis=axis)
    if pixels is not None:
        assert pixels.shape[2] == 5
        assert np.isfinite(pixels).all()


@given(data=st.data())
def test_a_damaged_hdf5_file(data, tmp_path_factory):
    h5py = pytest.importorskip("h5py", reason="h5py writes the files")
    root = tmp_path_factory.mktemp("hdf5")
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        file["images"], file["labels"] = np.stack([BANDS] * 8), np.arange(8) % 2
    (root / "a.h5").write_bytes(data.draw(changed_bytes(whole.getvalue())))
    config = DataConfig(source=str(root / "a.h5"), channels=5)
    if right_or_refused(lambda: prepare(config, root / "out"), root) is not None:
        dataset = PreparedDataset.open(root / "out")
        assert all(dataset.image(row).shape == (6, 7, 5) for row in range(len(dataset)))
