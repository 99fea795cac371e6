"""pascal-voc-writer, whose corners are those that it is given."""

import pytest

from tests.exporters.holding import hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_voc_writer", "pascal_voc_writer")


@pytest.mark.parametrize("kind", ["from-0", "from-1"])
@pytest.mark.parametrize("place", ["beside", "apart"])
def test_boxes(folder, prepared, place, kind):
    data = prepared(folder / f"{place}-{kind}")
    hold_objects(data, masks=False)
    assert any(f"counted {kind.replace('-', ' ')}" in note for note in data.summary["notes"])
