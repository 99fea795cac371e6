import io

import numpy as np
import pytest

from pipeline.datasets.channels.dicom import read_dicom
from pipeline.datasets.channels.stored import placed
from pipeline.datasets.decode import UndecodableImage

pydicom = pytest.importorskip("pydicom", reason="pydicom writes the files")

SLICE = np.random.default_rng(0).integers(0, 4096, (6, 7), dtype=np.uint16)  # of 12 bits


def dicom(values, *, bits=12, kind="MONOCHROME2", **elements) -> bytes:
    """A secondary capture as pydicom writes it."""
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    one = values[0] if "NumberOfFrames" in elements and values.ndim > 2 else values
    file.Rows, file.Columns = one.shape[:2]
    file.SamplesPerPixel = one.shape[2] if one.ndim == 3 else 1
    if one.ndim == 3:
        file.PlanarConfiguration = 0
    file.PhotometricInterpretation = kind
    file.BitsAllocated, file.BitsStored, file.HighBit = 8 * values.itemsize, bits, bits - 1
    file.PixelRepresentation = int(values.dtype.kind == "i")
    file.PixelData = values.tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, file, enforce_file_format=True)
    return stream.getvalue()


def pixels(content, options):
    return placed(read_dicom(content, options), options.num_channels, None)[:, :, 0]


@pytest.fixture
def grey(options):
    return options(num_channels=1)


def test_twelve_bits_come_back_in_the_units_of_the_modality(grey):
    assert np.array_equal(pixels(dicom(SLICE), grey), SLICE)
    ct = dicom(SLICE, RescaleSlope="2", RescaleIntercept="-1024", Modality="CT")
    assert np.array_equal(pixels(ct, grey), 2.0 * SLICE - 1024)
    signed = (SLICE.astype(np.int16) - 2048).astype(np.int16)
    assert np.array_equal(pixels(dicom(signed), grey), signed)


def test_high_values_that_are_black_are_turned_round(grey):
    assert np.array_equal(pixels(dicom(SLICE, kind="MONOCHROME1"), grey), 4095.0 - SLICE)
    rescaled = dicom(SLICE, kind="MONOCHROME1", RescaleSlope="2", RescaleIntercept="-1024")
    assert np.array_equal(pixels(rescaled, grey), 2.0 * (4095.0 - SLICE) - 1024)
    signed = SLICE.astype(np.int16) - np.int16(2048)
    assert np.array_equal(pixels(dicom(signed, kind="MONOCHROME1"), grey), -1.0 - signed)


def test_padding_gets_the_lowest_value_of_the_image(grey):
    values = SLICE.astype(np.int16)
    values[0, :3] = -2000
    rescale = {"RescaleIntercept": "-1000", "RescaleSlope": "1"}
    found = pixels(dicom(values, bits=16, PixelPaddingValue=-2000, **rescale), grey)
    lowest = int(values[values > -2000].min())
    assert found[0, :3].tolist() == [lowest - 1000] * 3
    assert np.array_equal(found[1:], values[1:] - 1000.0)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT"])
def test_the_window_of_the_header_is_that_of_pydicom(options, function):
    content = dicom(
        SLICE,
        RescaleSlope="1",
        RescaleIntercept="-1024",
        WindowCenter=["40", "500"],
        WindowWidth=["400", "1500"],
        VOILUTFunction=function,
    )
    file = pydicom.dcmread(io.BytesIO(content))
    shown = pydicom.pixels.apply_windowing(pydicom.pixels.apply_modality_lut(file.pixel_array, file), file)
    reading = options(num_channels=1, window_of_header=True)
    found = pixels(content, reading)
    assert 0 < found.mean() < 1  # some values are inside
    assert np.allclose(found, (shown + 1024) / 4095, atol=1e-6)


def test_colours_come_back(options):
    rgb = np.random.default_rng(1).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    found = placed(read_dicom(dicom(rgb, bits=8, kind="RGB"), options(num_channels=3)), 3, None)
    assert np.array_equal(found, rgb)


@pytest.mark.parametrize(("frame", "number"), [("first", 0), ("middle", 2)])
def test_one_of_several_frames(options, frame, number):
    frames = np.random.default_rng(2).integers(0, 4096, (5, 6, 7), dtype=np.uint16)
    content = dicom(frames, NumberOfFrames="5", RescaleSlope="2", RescaleIntercept="-1024")
    found = pixels(content, options(num_channels=1, frame=frame))
    assert np.array_equal(found, 2.0 * frames[number] - 1024)
    rgb = np.random.default_rng(3).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
    content = dicom(rgb, bits=8, kind="RGB", NumberOfFrames="5")
    found = placed(read_dicom(content, options(num_channels=3, frame=frame)), 3, None)
    assert np.array_equal(found, rgb[number])


def group(**elements) -> "pydicom.Dataset":
    """A functional group of an enhanced file with one sequence for each of the names."""
    found = pydicom.Dataset()
    for name, values in elements.items():
        item = pydicom.Dataset()
        for key, value in values.items():
            setattr(item, key, value)
        setattr(found, name, pydicom.Sequence([item]))
    return found


def test_an_enhanced_file_rescales_each_frame_by_itself(options):
    """Its RescaleSlope is in functional groups: for all frames, or for one."""
    frames = np.random.default_rng(2).integers(0, 4096, (3, 6, 7), dtype=np.uint16)
    shared = {"PixelValueTransformationSequence": {"RescaleSlope": "2", "RescaleIntercept": "-1024"}}
    own = [
        {"PixelValueTransformationSequence": {"RescaleSlope": str(n), "RescaleIntercept": "5"}}
        for n in (3, 4, 6)
    ]
    windows = {"FrameVOILUTSequence": {"WindowCenter": "1000", "WindowWidth": "2001"}}
    for_all = dicom(
        frames,
        NumberOfFrames="3",
        SharedFunctionalGroupsSequence=pydicom.Sequence([group(**shared, **windows)]),
    )
    assert np.array_equal(pixels(for_all, options(num_channels=1, frame="middle")), 2.0 * frames[1] - 1024)
    windowed = pixels(for_all, options(num_channels=1, frame="middle", window_of_header=True))
    assert np.allclose(windowed, np.clip((2.0 * frames[1] - 1024 - 999.5) / 2000 + 0.5, 0, 1), atol=1e-6)
    for_each = dicom(
        frames,
        NumberOfFrames="3",
        SharedFunctionalGroupsSequence=pydicom.Sequence([group(**shared)]),
        PerFrameFunctionalGroupsSequence=pydicom.Sequence([group(**each) for each in own]),
    )
    assert np.array_equal(pixels(for_each, options(num_channels=1, frame="middle")), 4.0 * frames[1] + 5)
    single = dicom(SLICE, SharedFunctionalGroupsSequence=pydicom.Sequence([group(**shared)]))
    assert np.array_equal(pixels(single, options(num_channels=1)), 2.0 * SLICE - 1024)


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (lambda: b"DICM", {}, "DICOM that cannot be read"),
        (lambda: dicom(SLICE)[:-40], {}, "DICOM that cannot be read"),
        (lambda: dicom(SLICE, kind="PALETTE COLOR"), {}, "found PALETTE COLOR"),
        (lambda: dicom(SLICE, NumberOfFrames="3"), {}, r'expected one frame, found 3: data\.frame = "first"'),
        (lambda: dicom(SLICE), {"window_of_header": True}, "no WindowCenter and WindowWidth"),
        (
            lambda: dicom(SLICE, WindowCenter="40", WindowWidth="1"),
            {"window_of_header": True},
            "a window 1 wide is none",
        ),
        (lambda: dicom(SLICE), {"max_pixels": 10}, "7 x 6 pixels, more than max_pixels = 10"),
    ],
)
def test_what_is_no_image_is_refused(options, content, changes, message):
    with pytest.raises(UndecodableImage, match=message):
        read_dicom(content(), options(num_channels=1, **changes))
