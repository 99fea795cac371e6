"""Hugging Face's datasets, and webdataset."""

import pytest

from pipeline.datasets.multilabel import read_label_sets
from tests.exporters.drawn import CLASSES, SPLITS, classified
from tests.exporters.holding import hold_classes


@pytest.fixture
def folder(written_by):
    pytest.importorskip("pyarrow", reason="tables need the extra hub")
    return written_by("write_hub", "datasets, webdataset")


def hold_rows(data, labels):
    """Tables name images by their rows: by the order in which they were written."""
    for split in SPLITS:
        drawn = [n for n, (scene, _) in enumerate(classified()) if scene.split == split]
        found = data.indices(split).tolist()
        assert [data.size(row) for row in found] == [classified()[n][0].size for n in drawn]
        assert [labels(row) for row in found] == [classified()[n][1] for n in drawn]


@pytest.mark.parametrize("name", ["arrow-one", "paths-one", "bytes-one", "undecoded-one"])
def test_one_label(folder, prepared, name):
    data = prepared(folder / name)
    assert data.class_names == list(CLASSES)
    hold_rows(data, lambda row: data.labels[row])


def present(scene):
    labels = {thing.label for thing in scene.things}
    return [int(label in labels) for label in range(len(CLASSES))]


@pytest.mark.parametrize(
    "name", ["arrow-several", "paths-several", "bytes-several", "shards-several", "shards-matrix"]
)
def test_several_labels(folder, prepared, name):
    data = prepared(folder / name)
    matrix = read_label_sets(data)
    if name == "shards-several":
        assert data.class_names == sorted(CLASSES)
        matrix = matrix[:, [data.class_names.index(name) for name in CLASSES]]
    if name == "shards-matrix":
        assert data.class_names == ["0", "1", "2"]
    for split in SPLITS:
        expected = [present(scene) for scene, _ in classified() if scene.split == split]
        assert matrix[data.indices(split)].tolist() == expected


@pytest.mark.parametrize("name", ["shards-cls", "shards-json", "imagefolder"])
def test_shards_and_folders(folder, prepared, name, monkeypatch):
    data = prepared(folder / name)
    if name == "shards-cls":
        assert data.class_names == ["0", "1", "2"]
        data.class_names[:] = CLASSES
    hold_classes(data)
