"""Parts in which every object is a crowd: nothing there is trained on or scored."""

import json

import pytest

from pipeline.datasets.summary_lines import described
from tests.pipeline.datasets.objects.coco_set import CATEGORIES


@pytest.fixture
def parts(tmp_path, tree):
    """parts(train, test): a COCO set of two parts, with the iscrowd of each of their four objects."""

    def write(**crowds):
        root = tree(tmp_path / "set", [f"{part}/{n}.png" for part in crowds for n in range(4)])
        (root / "annotations").mkdir()
        for part, flags in crowds.items():
            content = {
                "images": [{"id": n, "file_name": f"{n}.png"} for n in range(4)],
                "annotations": [
                    {"id": n, "image_id": n, "category_id": 1, "bbox": [0, 0, 2, 2], "iscrowd": flag}
                    for n, flag in enumerate(flags)
                ],
                "categories": CATEGORIES,
            }
            (root / f"annotations/instances_{part}.json").write_text(json.dumps(content))
        return root

    return write


@pytest.mark.parametrize("alone", ["train", "test"])
def test_a_part_of_crowds_alone_is_refused_where_objects_are_asked_for(parts, prepared, alone):
    other = {"train": "test", "test": "train"}[alone]
    root = parts(**{alone: (1, 1, 1, 1), other: (0, 1, 0, 0)})
    with pytest.raises(
        ValueError, match=rf'found 4 crowds only in the part {alone}, .*data\.crowds = "objects"'
    ):
        prepared(root, annotation="objects", val_share=0.0)
    data = prepared(root, annotation="objects", val_share=0.0, crowds="objects")
    assert data.summary["num_crowds"] == {"train": 0, "val": 0, "test": 0}
    lines = described(prepared(root, val_share=0.0).summary)
    assert f"caution: all objects of the parts {alone} are crowds" in lines


def test_crowds_among_objects_need_no_word(parts, prepared):
    data = prepared(parts(train=(0, 1, 1, 1), test=(1, 0, 0, 1)), annotation="objects", val_share=0.0)
    assert not any("all objects" in line for line in described(data.summary))
