import numpy as np
import pytest

from pipeline.datasets.array_files import write_arrays
from pipeline.datasets.label_maps.store import LabelMap, LabelMapWriter, StoredLabelMaps
from pipeline.datasets.source import BadAnnotation


def stored(tmp_path, maps):
    with open(tmp_path / "maps.bin", "wb") as stream:
        writer = LabelMapWriter(stream)
        for labels in maps:
            writer.add(LabelMap(labels).packed(labels.shape[1], labels.shape[0]))
    write_arrays(tmp_path / "maps.npz", **writer.arrays())
    sizes = np.array([labels.shape[::-1] for labels in maps])
    return writer, StoredLabelMaps(tmp_path / "maps.bin", tmp_path / "maps.npz", sizes)


def test_maps_come_back_exactly(tmp_path, rng):
    maps = [
        rng.integers(-1, highest + 1, (height, width)).astype(np.int16)
        for highest, height, width in ((254, 7, 9), (255, 3, 4), (0, 1, 1), (32_000, 5, 2))
    ]
    maps.append(np.full((4, 6), -1, np.int16))
    maps.append(np.asfortranarray(maps[0])[:, ::-1])
    _, found = stored(tmp_path, maps)
    for i, labels in enumerate(maps):
        assert found.read(i).dtype == np.int16
        assert np.array_equal(found.read(i), labels)


def test_a_map_of_a_photograph_takes_a_fraction_of_its_pixels(tmp_path):
    labels = np.repeat(np.repeat(np.arange(150, dtype=np.int16).reshape(10, 15), 50, axis=0), 45, axis=1)
    stored(tmp_path, [labels])
    assert (tmp_path / "maps.bin").stat().st_size < labels.size / 50


def test_pixels_are_counted_by_split(tmp_path, rng):
    maps = [rng.integers(-1, 3, (6, 5)).astype(np.int16) for _ in range(4)]
    writer, _ = stored(tmp_path, maps)
    summary = writer.summary(np.array([0, 2, 0, 3]), 4)
    for split, rows in (("train", (0, 2)), ("val", ()), ("test", (1,))):
        values = np.array([maps[row] for row in rows])
        assert summary["class_counts"][split] == [int(np.sum(values == label)) for label in range(4)]
        assert summary["num_ignored_pixels"][split] == int(np.sum(values == -1))


def test_the_digest_tells_labels_and_shapes(tmp_path):
    labels = np.zeros((2, 6), np.int16)
    digests = {
        stored(tmp_path, [values])[0].digest
        for values in (labels, labels.reshape(3, 4), labels + 1, labels - 1, labels.astype(">i2"))
    }
    assert len(digests) == 4, "the last one is the first in another order of bytes"


def test_another_size_than_the_image_names_both():
    with pytest.raises(BadAnnotation, match="image of 4 x 3 pixels, label map of 5 x 3"):
        LabelMap(np.zeros((3, 5), np.int16)).packed(4, 3)


def test_numbered_classes(tmp_path):
    """T8: labels that only make sense as a mistake are refused where no names say what is a class."""

    def names(*labels):
        return stored(tmp_path, [np.array([labels], np.int16)])[0].numbered_classes()

    assert names(0, 2, -1) == ("0", "1", "2")
    assert names(0) == ("0",)
    with pytest.raises(ValueError, match=r"only class 0 and ignored pixels.*data\.label_values = \[0, 255\]"):
        names(0, -1)
    with pytest.raises(ValueError, match="only ignored pixels"):
        names(-1)
    with pytest.raises(ValueError, match=r"label 254, which an ignored 255 becomes"):
        names(0, 3, 254)
    assert len(names(*range(9), 253, 254)) == 255


def test_a_cut_file_is_named(tmp_path):
    stored(tmp_path, [np.zeros((2, 2), np.int16)])
    (tmp_path / "maps.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"maps\.bin: expected \d+ bytes, found 1"):
        StoredLabelMaps(tmp_path / "maps.bin", tmp_path / "maps.npz", np.array([[2, 2]]))
