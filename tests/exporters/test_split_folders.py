"""split-folders, which copies the files of class folders into parts."""

import json

import pytest

from tests.exporters.drawn import CLASSES


@pytest.fixture
def folder(written_by):
    return written_by("write_split_folders", "splitfolders")


@pytest.mark.parametrize("kind", ["ratio", "fixed"])
def test_parts_and_classes(folder, prepared, kind):
    data = prepared(folder / kind)
    assert data.class_names == sorted(CLASSES)
    found = {}
    for split in ("train", "val", "test"):
        for row in data.indices(split).tolist():
            found[data.path(row)] = (split, data.class_names[data.labels[row]])
    written = json.loads((folder / f"{kind}.json").read_text())
    assert found == {path: tuple(path.split("/")[:2]) for path in written}
