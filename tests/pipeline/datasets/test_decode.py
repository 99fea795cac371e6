import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.decode import UndecodableImage, decode, decode_values, rgb_from_array


def encoded(image: Image.Image, form: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_come_back_exactly(pixels, form):
    assert np.array_equal(decode(encoded(Image.fromarray(pixels), form)), pixels)


# How an upright image must be stored, so that turning it by the orientation restores it (EXIF 2.3, 4.6.4).
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_applied_once(pixels, orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](pixels)))
    assert np.array_equal(decode(encoded(stored, form, exif=exif)), pixels)


def test_senseless_orientation_is_ignored(pixels):
    exif = Image.Exif()
    exif[0x0112] = 77
    assert np.array_equal(decode(encoded(Image.fromarray(pixels), "PNG", exif=exif)), pixels)


def test_palette():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert decode(encoded(image, "PNG")).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    transparent = decode(encoded(image, "PNG", transparency=1))
    assert transparent.tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_alpha_is_composited_on_white():
    image = Image.fromarray(np.array([[[0, 0, 0, 255], [0, 0, 0, 0], [0, 100, 255, 51]]], dtype=np.uint8))
    # 51 / 255 = 0.2: 0.2 * (0, 100, 255) + 0.8 * 255
    assert decode(encoded(image, "PNG")).tolist() == [[[0, 0, 0], [255, 255, 255], [204, 224, 255]]]


def test_grey_alpha_and_colour_key():
    grey = Image.fromarray(np.array([[[40, 255], [40, 0]]], dtype=np.uint8))
    assert grey.mode == "LA"
    assert decode(encoded(grey, "PNG")).tolist() == [[[40] * 3, [255] * 3]]
    keyed = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], dtype=np.uint8))
    assert decode(encoded(keyed, "PNG", transparency=(9, 9, 9))).tolist() == [[[1, 2, 3], [255] * 3]]


def test_cmyk():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert np.abs(decode(encoded(image, "JPEG", quality=95)).astype(int) - [255, 0, 0]).max() <= 8
    assert np.array_equal(decode(encoded(image, "TIFF"))[0, 0], [255, 0, 0])


def test_grey_and_bilevel():
    assert decode(encoded(Image.fromarray(np.array([[7, 250]], dtype=np.uint8)), "PNG")).tolist() == [
        [[7] * 3, [250] * 3]
    ]
    assert decode(encoded(Image.new("1", (1, 1), 1), "PNG")).tolist() == [[[255] * 3]]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(form):
    values = np.array([[0, 128, 129, 257, 32768, 65278, 65535]], dtype=np.uint16)
    expected = np.rint(values / 257).astype(int)
    assert decode(encoded(Image.fromarray(values), form))[..., 0].tolist() == expected.tolist()


def test_pixels_without_a_known_range_are_refused():
    with pytest.raises(UndecodableImage, match="floating-point"):
        decode(encoded(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF"))
    with pytest.raises(UndecodableImage, match="from -5 to 3"):
        decode(encoded(Image.fromarray(np.array([[-5, 3]], dtype=np.int32)), "TIFF"))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_truncated_files_are_refused(rng, form):
    data = encoded(Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), form)
    with pytest.raises(UndecodableImage):
        decode(data[: len(data) * 2 // 3])


def test_what_is_no_image_is_refused():
    with pytest.raises(UndecodableImage, match="empty file"):
        decode(b"")
    with pytest.raises(UndecodableImage, match="not an image"):
        decode(b"only some words in a file called .jpg")
    with pytest.raises(UndecodableImage, match="not an image"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")


@pytest.mark.parametrize("side", [8000, 12000, 60000])
def test_bombs_are_refused_by_name_before_decoding(side):
    # A header that promises side * side pixels, and no pixels behind it.
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data += struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(UndecodableImage, match=r"decompression bomb.*max_pixels = 60000000"):
        decode(data, max_pixels=60_000_000)


def test_max_pixels_is_the_largest_number_allowed(pixels):
    data = encoded(Image.fromarray(pixels), "PNG")
    assert decode(data, max_pixels=54).shape == (6, 9, 3)
    with pytest.raises(UndecodableImage, match="9 x 6"):
        decode(data, max_pixels=53)


@pytest.mark.parametrize(
    ("at_least", "expected"), [(None, 400), (300, 400), (200, 200), (150, 200), (50, 50), (1, 50)]
)
def test_a_jpeg_is_reduced_but_never_below_what_is_enough(at_least, expected):
    data = encoded(Image.new("RGB", (800, 400), "red"), "JPEG")
    assert decode(data, at_least=at_least).shape == (expected, 2 * expected, 3)
    assert decode(encoded(Image.new("RGB", (80, 40)), "PNG"), at_least=10).shape == (40, 80, 3)


def test_a_path_is_read(tmp_path, pixels):
    path = tmp_path / "ein Bild mit Umlaut ä.png"
    Image.fromarray(pixels).save(path)
    assert np.array_equal(decode(path), pixels)
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "missing.png")


def test_many_threads(rng):
    images = [rng.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(40)]
    files = [encoded(Image.fromarray(image), "PNG") for image in images]
    with ThreadPoolExecutor(8) as pool:
        for image, decoded in zip(images, pool.map(decode, files), strict=True):
            assert np.array_equal(image, decoded)


def test_arrays(rng):
    grey = rng.integers(0, 256, (4, 5), dtype=np.uint8)
    for array in (grey, grey[..., None]):
        assert np.array_equal(rgb_from_array(array), np.stack([grey] * 3, axis=-1))
    rgba = np.full((1, 1, 4), 0, np.uint8)
    assert rgb_from_array(rgba).tolist() == [[[255, 255, 255]]]
    with pytest.raises(ValueError, match=r"\(3, 4, 5\)"):
        rgb_from_array(np.zeros((3, 4, 5), np.uint8))
    with pytest.raises(ValueError, match="float64"):
        rgb_from_array(np.zeros((3, 4)))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", STORED)
def test_annotated_images_turn_only_to_the_annotated_size(pixels, orientation, form):
    """T17: EXIF orientation is applied only if that makes the size match what the annotations say."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(pixels), form, exif=exif, quality=95)
    height, width = pixels.shape[:2]
    upright, stored = decode(data), decode(data, annotated_size=(width, height))
    plain = decode(encoded(Image.fromarray(pixels), form, quality=95))
    assert np.array_equal(stored, plain)
    assert np.array_equal(decode(data, annotated_size=(3, 3)), plain)
    turned = decode(data, annotated_size=(height, width))
    assert np.array_equal(turned, upright if orientation >= 5 else plain)


def test_values_are_not_converted(rng):
    grey = rng.integers(0, 256, (5, 7), dtype=np.uint8)
    palette = Image.fromarray(grey)
    palette.putpalette(rng.integers(0, 256, 768, dtype=np.uint8).tobytes())
    for form, options in (("PNG", {}), ("PNG", {"transparency": 3}), ("BMP", {}), ("TIFF", {})):
        assert np.array_equal(decode_values(encoded(palette, form, **options)), grey)
        assert np.array_equal(decode_values(encoded(Image.fromarray(grey), form)), grey)
    wide = rng.integers(0, 2**16, (5, 7)).astype(np.uint16)
    for form in ("PNG", "TIFF"):
        assert np.array_equal(decode_values(encoded(Image.fromarray(wide), form)), wide)
    colours = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(decode_values(encoded(Image.fromarray(colours), "PNG")), colours)
    assert (
        decode_values(encoded(Image.fromarray(grey > 99), "PNG")).tolist() == (grey > 99).astype(int).tolist()
    )


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_values_of_few_bits_are_not_spread(bits):
    """Pillow multiplies grey values of 2 and 4 bits, so that the largest becomes white."""
    row = {1: b"\xa0", 2: b"\x1b", 4: b"\x01\x2f"}[bits]
    expected = {1: [1, 0, 1, 0], 2: [0, 1, 2, 3], 4: [0, 1, 2, 15]}[bits]

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    assert decode_values(data).tolist() == [expected]


def test_what_holds_no_values(rng):
    grey = Image.fromarray(rng.integers(0, 256, (5, 7), dtype=np.uint8))
    for data, words in (
        (encoded(grey, "JPEG"), "JPEG changes values: expected PNG"),
        (encoded(grey, "WEBP"), "WEBP changes values"),
        (encoded(grey.convert("CMYK"), "TIFF"), "found mode CMYK"),
        (encoded(grey, "PNG")[:60], "damaged PNG"),
        (b"", "empty file"),
        (b"words", "not an image"),
    ):
        with pytest.raises(UndecodableImage, match=words):
            decode_values(data)
    with pytest.raises(UndecodableImage, match="decompression bomb"):
        decode_values(encoded(grey, "PNG"), max_pixels=30)


@pytest.mark.parametrize("highest", [1, 5, 20, 254, 255, 300, 4095, 65535])
def test_grey_values_are_those_that_a_pgm_file_states(highest):
    """Pillow spreads them over 0..255 or 0..65535: 0, 5, 20 of 20 become 0, 64, 255."""
    values = np.unique(np.linspace(0, highest, 50).astype(int))
    head = b"%d 1\n# a comment of 3 words\n%d\n" % (len(values), highest)
    binary = b"P5 " + head + values.astype(np.uint8 if highest < 256 else ">u2").tobytes()
    plain = b"P2 " + head + b" ".join(b"%d" % value for value in values)
    for data in (binary, plain):
        assert decode_values(data).tolist() == [values.tolist()]
    assert decode(binary)[0, -1].tolist() == [255] * 3


def test_colour_values_of_16_bits_are_refused():
    for data in (
        b"P6 2 1 4095\n" + np.arange(6).astype(">u2").tobytes(),
        tiff(np.arange(12).reshape(2, 2, 3), bits=16, photometric=2),
    ):
        with pytest.raises(UndecodableImage, match=r"expected values of 8 bits .* found 16 bits"):
            decode_values(data)
    assert decode_values(b"P6 2 1 20\n" + bytes(range(6))).tolist() == [[[0, 1, 2], [3, 4, 5]]]


def tiff(values: np.ndarray, *, bits: int, photometric: int) -> bytes:
    """An uncompressed TIFF file of (H, W) or (H, W, C) unsigned integers of 8 or 16 bits."""
    height, width, channels = (*values.shape, 1)[:3]
    pixels = np.ascontiguousarray(values, f"<u{bits // 8}").tobytes()
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, photometric),
        (273, 4, 1, 8), (277, 3, 1, channels), (278, 3, 1, height), (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    end = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    bits_of_each = b""
    if channels > 1:
        place = 8 + len(pixels) + 2 + len(end) + 4
        end = end.replace(struct.pack("<HHII", *tags[2]), struct.pack("<HHII", 258, 3, channels, place))
        bits_of_each = struct.pack(f"<{channels}H", *[bits] * channels)
    start = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    return start + pixels + struct.pack("<H", len(tags)) + end + bytes(4) + bits_of_each


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_a_tiff_in_which_0_is_white(bits, photometric):
    """Labels are the numbers in the file; a picture is inverted, at 8 bits and at 16."""
    values = np.array([[0, 3, 200], [2**bits - 1, 7, 1]])
    data = tiff(values, bits=bits, photometric=photometric)
    assert decode_values(data).tolist() == values.tolist()
    assert decode(data)[0, 0].tolist() == [0 if photometric else 255] * 3


def test_16_bit_grey_is_scaled_from_the_range_that_is_given():
    values = np.array([[0, 100, 2100, 4100, 60000]], np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    assert decode(data, grey_range=(100, 4100))[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(UndecodableImage, match=r"not known what range is used: state data\.grey_range"):
        decode(data, grey_range=None)
    negative = encoded(Image.fromarray(np.array([[-5, 3]], dtype=np.int32)), "TIFF")
    assert decode(negative, grey_range=(-5, 3))[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("start", "package"),
    [(b"\0\0\0\x1cftypheic", "pillow-heif"), (b"\xff\x0a\x89\x07", "pillow-jxl-plugin")],
)
def test_a_missing_plug_in_is_named(monkeypatch, start, package):
    monkeypatch.setattr("pipeline.datasets.decode.FORMATS", ("JPEG", "PNG"))
    with pytest.raises(UndecodableImage, match=f"needs a plug-in for Pillow: install {package}"):
        decode(start + bytes(40))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_alpha_channel_without_transparency_is_left_out(rng, mode):
    pixels = rng.integers(0, 256, (5, 7, len(mode)), dtype=np.uint8)
    pixels[..., -1] = 255
    expected = pixels[..., 0] if mode == "LA" else pixels[..., :3]
    assert np.array_equal(decode_values(encoded(Image.fromarray(pixels), "PNG")), expected)
    pixels[0, 0, -1] = 254
    with pytest.raises(UndecodableImage, match="found transparent ones"):
        decode_values(encoded(Image.fromarray(pixels), "PNG"))
