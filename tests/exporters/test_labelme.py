"""labelme, by its own writer of label files."""

import pytest

from tests.exporters.holding import hold_objects


@pytest.fixture
def folder(written_by):
    # Without its windows: labelme itself cannot be imported then.
    return written_by("write_labelme", "imgviz, loguru")


@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_label_files_beside_images(folder, prepared, kind):
    hold_objects(prepared(folder / kind), masks=kind == "masks")
