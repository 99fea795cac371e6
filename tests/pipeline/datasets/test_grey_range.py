import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def grey(tmp_path, write, rng):
    """grey(highest, count): a folder of 16-bit images with values up to `highest`."""

    def draw(highest, count=4):
        for number in range(count):
            stream = io.BytesIO()
            Image.fromarray(rng.integers(0, highest + 1, (40, 50)).astype(np.uint16)).save(stream, "PNG")
            write(tmp_path / f"set/{number}.png", stream.getvalue())
        return tmp_path / "set"

    return draw


@pytest.mark.parametrize("stored", [True, False])
def test_twelve_bits_are_spread_for_the_whole_set(grey, prepared, stored):
    root = grey(4095)
    dark = np.asarray(Image.open(root / "1.png")) // 4
    Image.fromarray(dark).save(root / "1.png")
    dataset = prepared(root, max_store_gib=2 if stored else 0)
    low, high = dataset.summary["grey_range"]
    assert (low < 10, 4080 < high <= 4095) == (True, True)
    (note,) = dataset.summary["notes"]
    assert note.startswith(f"16-bit grey: values from {low} to {high} become black to white")
    assert len(np.unique(dataset.image(0))) == 256
    assert 60 <= dataset.image(1).max() <= 65  # one range for all: a dark image stays dark


def test_sixteen_bits_keep_the_full_range(grey, prepared):
    dataset = prepared(grey(65535))
    assert dataset.summary["grey_range"] == [0, 65535]
    values = np.asarray(Image.open(dataset.summary["source"] + "/0.png"))
    assert np.array_equal(dataset.image(0)[..., 0], np.rint(values / 257))


def test_the_key_states_the_range(grey, prepared):
    root = grey(4095)
    dataset = prepared(root, grey_range=(0, 4095))
    values = np.asarray(Image.open(root / "0.png"))
    assert np.array_equal(dataset.image(0)[..., 0], np.floor(values * (255 / 4095) + 0.5))
    assert dataset.content_digest != prepared(root).content_digest


def test_images_of_8_bits_need_no_word(tmp_path, tree, prepared):
    summary = prepared(tree(tmp_path / "set", ["1.png", "2.png"])).summary
    assert (summary["grey_range"], summary["notes"]) == (None, [])


@pytest.fixture
def colours(tmp_path, write, rng):
    """colours(highest): a folder of four PNG files with 16-bit colours, and one with 8 bits."""
    imagecodecs = pytest.importorskip("imagecodecs", reason="writes colours of 16 bits: the extra `channels`")

    def draw(highest, name="set"):
        for number in range(4):
            values = rng.integers(0, highest + 1, (40, 50, 3)).astype(np.uint16)
            write(tmp_path / f"{name}/{number}.png", imagecodecs.png_encode(values))
        write(tmp_path / f"{name}/plain.png", imagecodecs.png_encode((values >> 8).astype(np.uint8)))
        return tmp_path / name

    return draw


def test_colours_of_the_full_range_keep_their_upper_bits(colours, prepared):
    dataset = prepared(colours(65535))
    assert dataset.summary["grey_range"] == [0, 65535]
    assert np.array_equal(dataset.image(3), dataset.image(4))


def test_colours_of_twelve_bits_are_refused_with_both_keys(colours, prepared):
    root = colours(4095)
    with pytest.raises(ValueError, match=r"none above 40\d\d .* 4 such images, of which 16 of 256 "):
        prepared(root)
    dataset = prepared(root, grey_range=(0, 65535))
    assert dataset.image(0).max() == 15
    (root / "plain.png").unlink()
    numbers = prepared(root, channels=3)
    assert 3800 < numbers.image(0).max() <= 4095
