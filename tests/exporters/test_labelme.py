"""labelme, by its own writer of label files."""

import pytest

from tests.exporters.holding import hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_labelme", "labelme")


@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_label_files_beside_images(folder, prepared, kind):
    hold_objects(prepared(folder / kind), masks=kind == "masks")
