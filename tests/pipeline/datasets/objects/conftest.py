"""The small COCO set as files."""

import pytest

from pipeline.storage.files import write_json
from tests.pipeline.datasets.objects.coco_set import TRAIN, VAL, annotation, content


@pytest.fixture
def coco(tmp_path, png, write):
    """Three training images, of which the second has no object, and two for validation."""
    root = tmp_path / "coco"
    for folder, ids in (("train2017", (9, 4, 7)), ("val2017", (5, 6))):
        for i in ids:
            write(root / f"images/{folder}/{i}.png", png(i))
    crowd = {"size": [4, 5], "counts": [4, 12, 4]}
    train = [
        annotation(1, 9, 90),
        annotation(2, 9, 1, segmentation=crowd, iscrowd=1, bbox=[1, 0, 3, 4], area=12),
        annotation(3, 7, 13),
    ]
    (root / "annotations").mkdir()
    write_json(root / TRAIN, content((9, 4, 7), train))
    write_json(root / VAL, content((5, 6), [annotation(1, 5, 1)]))
    write(root / "annotations/captions_train2017.json", "[]")
    return root
