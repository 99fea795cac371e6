import io

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets import jpeg
from pipeline.datasets.decode import UndecodableImage, decode
from pipeline.datasets.jpeg import enough, plain_size, rgb_of_jpeg

pytest.importorskip("simplejpeg", reason="there is no wheel of it here")


@pytest.fixture
def photograph(rng):
    """Smooth colours with edges, 137 x 91 pixels."""
    small = Image.fromarray(rng.integers(0, 256, (12, 17, 3), dtype=np.uint8))
    return small.resize((137, 91), Image.Resampling.BICUBIC)


def encoded(image, **options):
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def by_pillow(monkeypatch, data, **options):
    """What is decoded where simplejpeg is not installed."""
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.datasets.decode.rgb_of_jpeg", lambda *args: None)
        return decode(data, **options)


def outcome(read, *args):
    """Pixels, or that there are none."""
    try:
        return read(*args).tobytes()
    except UndecodableImage:
        return None


KINDS = {
    "4:2:0": {"quality": 75},
    "4:2:2": {"quality": 90, "subsampling": 1},
    "4:4:4": {"quality": 60, "subsampling": 0},
    "progressive": {"quality": 85, "progressive": True},
    "RGB, not YCbCr": {"quality": 90, "keep_rgb": True},
    "restarts": {"quality": 70, "restart_marker_rows": 1},
}


@pytest.mark.parametrize("at_least", [None, 40, 20, 11])
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_those_of_pillow(photograph, monkeypatch, kind, at_least):
    """In full, and at the 1/2, 1/4 and 1/8 that Pillow decodes at."""
    data = encoded(photograph, **KINDS[kind])
    found = decode(data, at_least=at_least)
    assert np.array_equal(found, by_pillow(monkeypatch, data, at_least=at_least))
    assert found.shape[0] == {None: 91, 40: 46, 20: 23, 11: 12}[at_least]


@pytest.mark.parametrize("size", [(137, 91), (91, 137), (64, 64), (33, 500), (375, 500), (17, 16)])
@pytest.mark.parametrize("at_least", [1, 2, 4, 8, 16, 17, 45, 46, 91, 200])
def test_a_reduced_size_is_what_pillow_drafts(size, at_least):
    image = Image.open(io.BytesIO(encoded(Image.new("RGB", size))))
    image.draft(None, (at_least, at_least))
    assert enough(*size, at_least) == image.size


def test_it_is_really_used(photograph):
    assert rgb_of_jpeg(encoded(photograph), 137, 91) is not None
    assert rgb_of_jpeg(encoded(photograph), 69, 46).shape == (46, 69, 3)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_four_colours(photograph, monkeypatch, mode):
    data = encoded(photograph.convert(mode))
    assert np.array_equal(decode(data), by_pillow(monkeypatch, data))


def test_orientation_is_applied(photograph, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(photograph, exif=exif)
    assert decode(data).shape == (137, 91, 3)
    assert np.array_equal(decode(data), by_pillow(monkeypatch, data))
    # Annotated as it is stored, it is not turned.
    stored = decode(data, annotated_size=(137, 91))
    assert np.array_equal(stored, by_pillow(monkeypatch, data, annotated_size=(137, 91)))


@pytest.mark.parametrize("size", [(1, 1), (7, 90), (16, 16), (17, 300)])
@pytest.mark.parametrize("at_least", [None, 1])
def test_small_and_narrow_ones(photograph, monkeypatch, size, at_least):
    data = encoded(photograph.resize(size))
    assert np.array_equal(decode(data, at_least=at_least), by_pillow(monkeypatch, data, at_least=at_least))


def test_what_is_damaged_is_left_to_pillow(photograph, monkeypatch):
    data = encoded(photograph)
    with pytest.raises(UndecodableImage, match="damaged JPEG"):
        decode(data[: len(data) // 2])
    noisy = bytearray(data)
    noisy[len(data) // 2 : len(data) // 2 + 8] = b"\xff\xd0\xff\xd1\xff\xd2\xff\xd3"
    assert np.array_equal(decode(bytes(noisy)), by_pillow(monkeypatch, bytes(noisy)))


def test_other_pixels_than_pillows_are_not_used(photograph, monkeypatch):
    """As where Pillow was built with another library."""
    monkeypatch.setattr(jpeg, "_decoded", lambda data, width, height: np.zeros((height, width, 3), np.uint8))
    jpeg.is_used.cache_clear()
    assert not jpeg.is_used()
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    jpeg.is_used.cache_clear()
    assert rgb_of_jpeg(encoded(photograph), 137, 91) is None
    monkeypatch.undo()
    jpeg.is_used.cache_clear()
    assert jpeg.is_used()


def test_the_header_of_a_plain_file_is_read_without_pillow(photograph):
    exif = Image.Exif()
    exif[0x0112] = 6
    for options in (
        {"quality": 75},
        {"progressive": True},
        {"comment": b"words"},
        {"restart_marker_rows": 1},
    ):
        assert plain_size(encoded(photograph, **options)) == (137, 91)
    assert plain_size(encoded(photograph.convert("L"))) == (137, 91)
    # What may be turned or of other colours, and what is no JPEG file, is Pillow's.
    assert plain_size(encoded(photograph, exif=exif)) is None
    assert plain_size(encoded(photograph.convert("CMYK"))) is None
    assert plain_size(encoded(photograph, quality=90, keep_rgb=True)) is None
    assert plain_size(encoded(photograph)[:60]) is None
    assert plain_size(b"") is None


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_found_as_pillow_finds_them(photograph, monkeypatch, kind, rng):
    data = encoded(photograph, **KINDS[kind])
    for number in range(60):
        damaged = bytearray(data)
        for place in rng.integers(len(data), size=1 + number % 3):
            damaged[place] ^= 1 << rng.integers(8)
        found = bytes(damaged[: rng.integers(len(data))] if number % 3 == 0 else damaged)
        assert outcome(decode, found) == outcome(by_pillow, monkeypatch, found), number
