"""Label maps, their lists and names, with damaged bytes: right, the unusable counted, or refused in words."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from tests.properties.damaged import changed_bytes, changed_json, right_or_refused

LABELS = np.arange(80, dtype=np.uint8).reshape(8, 10) % 2
LINES = "\n".join(f"images/{number}.png masks/{number}.png" for number in (1, 2, 3))
# What lies beside images/ and masks/.
BESIDE = {
    "classes.json": json.dumps({"classes": ["sky", "tree"], "ignore_index": 255}),
    "class_dict.csv": "name,r,g,b\nsky,0,0,0\ntree,1,1,1\n",
    "labelmap.txt": "# label:color_rgb:parts:actions\nsky:0,0,0::\ntree:1,1,1::\n",
    "class_names.txt": "sky\ntree\n",
    "label_colors.txt": "0 0 0 sky\n1 1 1 tree\n",
    "train.txt": LINES,
    "masks/2.png": None,  # a label map
}


def encoded(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("maps") / "set"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in (1, 2, 3):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 10, 3), dtype=np.uint8)
        (root / "images" / f"{number}.png").write_bytes(encoded(pixels))
        (root / "masks" / f"{number}.png").write_bytes(encoded(LABELS))
    return root


def prepared(root: Path) -> PreparedDataset:
    output = root.with_name("prepared")
    shutil.rmtree(output, ignore_errors=True)
    prepare(DataConfig(source=str(root), max_bad_share=1.0), output, num_workers=1)
    return PreparedDataset.open(output)


@pytest.mark.parametrize("file", BESIDE)
@given(data=st.data())
def test_right_or_refused(root, file, data):
    text = BESIDE[file]
    whole = encoded(LABELS) if text is None else text.encode()
    change = changed_bytes(whole)
    if file.endswith(".json"):
        change = st.one_of(change, changed_json(text))
    try:
        (root / file).write_bytes(data.draw(change))
        dataset = right_or_refused(lambda: prepared(root), root)
        for row in range(0 if dataset is None else len(dataset)):
            found = dataset.label_map(row)
            assert found.shape == (8, 10)
            assert set(np.unique(found).tolist()) <= {-1, *range(len(dataset.class_names))}
    finally:
        (root / file).unlink()
        if text is None:
            (root / file).write_bytes(whole)


@pytest.mark.parametrize("file", BESIDE)
def test_what_is_not_damaged_is_right(root, file):
    """Else the other test could not fail."""
    text = BESIDE[file]
    if text is not None:
        (root / file).write_text(text)
    dataset = prepared(root)
    assert len(dataset) == 3
    assert all(np.array_equal(dataset.label_map(row), LABELS) for row in range(3))
    if text is not None:
        (root / file).unlink()
