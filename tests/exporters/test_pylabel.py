"""pylabel, from COCO files that it read itself."""

import shutil

import pytest

from tests.exporters.drawn import scenes
from tests.exporters.holding import hold_objects


@pytest.fixture
def folder(written_by):
    return written_by("write_pylabel", "pylabel")


@pytest.mark.parametrize("kind", ["coco", "voc"])
def test_boxes(folder, prepared, kind):
    drawn = [scene for scene in scenes() if scene.things]
    hold_objects(prepared(folder / kind), masks=False, expected=drawn)


def test_yolo_whose_val_part_is_the_training_part(folder, prepared, tmp_path):
    shutil.copytree(folder / "yolo/train", tmp_path / "set")
    with pytest.raises(
        ValueError, match=r"train\.yaml: expected every image in one part, found images/scene"
    ):
        prepared(tmp_path / "set")
    description = tmp_path / "set/train.yaml"
    lines = description.read_text().splitlines()
    description.write_text("\n".join(line for line in lines if not line.startswith("val:")))
    drawn = [scene for scene in scenes() if scene.things and scene.split == "train"]
    hold_objects(prepared(tmp_path / "set", test_share=0.0), masks=False, expected=drawn)
