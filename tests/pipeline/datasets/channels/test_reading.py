import sys

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.channels.reading import ChannelReading
from pipeline.datasets.decode import UndecodableImage


@pytest.mark.parametrize(("path", "package"), [("a.TIF", "tifffile"), ("a.dcm", "pydicom")])
def test_a_missing_package_is_one_error_that_names_the_extra(monkeypatch, path, package):
    monkeypatch.setitem(sys.modules, package, None)
    reading = ChannelReading.of(DataConfig(channels=5))
    with pytest.raises(ValueError, match=rf"{package}, which is not installed: .*\[channels\]") as caught:
        reading.pixels(path, b"content")
    assert not isinstance(caught.value, UndecodableImage)  # it is no image's fault


def test_what_prepare_noted_reads_as_prepare_read():
    config = DataConfig(channels=2, channel_axis="first", no_data="kept", window=(-1.5, 3.0), max_pixels=99)
    reading = ChannelReading.of(config)
    assert ChannelReading.from_summary({"channels": reading.to_summary()}) == reading
    values = np.array([[[-9.0, 0.5]], [[2.0, 9.0]]])
    assert reading.pixels("", values).tolist() == [[[-1.5, 2.0], [0.5, 3.0]]]
    assert ChannelReading.of(DataConfig()) is ChannelReading.from_summary({}) is None


def test_files_that_nothing_reads_and_empty_ones_are_refused():
    reading = ChannelReading.of(DataConfig(channels=2))
    with pytest.raises(UndecodableImage, match=r"expected \.npy, .*found \.jpg"):
        reading.pixels("a.jpg", b"content")
    with pytest.raises(UndecodableImage, match="empty file"):
        reading.pixels("a.npy", b"")
    with pytest.raises(UndecodableImage, match="more than max_pixels = 3"):
        ChannelReading.of(DataConfig(channels=2, max_pixels=3)).pixels("", np.zeros((3, 3, 2)))
