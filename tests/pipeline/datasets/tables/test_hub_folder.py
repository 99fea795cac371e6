import json

import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import detect, open_source


def seen(root, **section):
    name, source = open_source(DataConfig(source=str(root), **section))
    assert name == "hub-folder"
    return [(entry.path, entry.class_name, entry.split) for entry in source.entries()]


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_metadata_in_split_folders(tmp_path, tree, write, png):
    tree(tmp_path, ["train/1.png", "test/sub/2.png"])
    write(tmp_path / "train/metadata.jsonl", lines({"file_name": "1.png", "label": 3, "text": "a, b"}))
    write(tmp_path / "test/metadata.csv", "file_name,label\nsub/2.png,3\n")
    assert seen(tmp_path) == [("test/sub/2.png", "3", "test"), ("train/1.png", "3", "train")]


def test_metadata_at_the_top_names_the_split_by_folder(tmp_path, tree, write, prepared):
    tree(tmp_path, ["train/1.png", "train/2.png", "test/1.png", "README.png"])
    rows = [{"file_name": name, "label": name[-5]} for name in ("train/1.png", "train/2.png", "test/1.png")]
    write(tmp_path / "metadata.jsonl", lines(*rows))
    dataset = prepared(tmp_path, val_share=0.0)
    assert (dataset.class_names, dataset.split_names) == (["1", "2"], {"train": "train", "test": "test"})
    assert dataset.summary["num_outside_splits"] == 1


def test_metadata_without_labels_leaves_the_images(tmp_path, tree, write):
    tree(tmp_path, ["1.png"])
    write(tmp_path / "metadata.jsonl", lines({"file_name": "1.png", "objects": {"bbox": []}}))
    assert detect(DataConfig(source=str(tmp_path))) == "image-folder"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            lines({"file_name": "1.png", "text": "x"}),
            r"expected a column of labels, found \['file_name', 'text'\]",
        ),
        ('{"file_name": "1.png", "label": 1}\n{"label"\n', r"metadata\.jsonl, line 2: expected JSON"),
        (lines({"file_name": "..", "label": 1}), r"line 1: expected file_name to be a path, found '\.\.'"),
        (lines({"file_name": None, "label": 1}), r"line 1: expected file_name to be a path, found None"),
    ],
)
def test_wrong_metadata_is_one_clear_error(tmp_path, tree, write, text, words):
    tree(tmp_path, ["1.png"])
    write(tmp_path / "metadata.jsonl", text)
    with pytest.raises(ValueError, match=words):
        seen(tmp_path, format="hub-folder")


def test_several_labels_are_refused_where_one_is_stated(tmp_path, tree, write):
    tree(tmp_path, ["1.png"])
    write(tmp_path / "metadata.jsonl", lines({"file_name": "1.png", "label": [1, 2]}))
    with pytest.raises(ValueError, match=r"line 1: expected one label, found \[1, 2\]: one label"):
        seen(tmp_path, format="hub-folder", labels="one")


def test_two_files_may_say_the_same_but_not_otherwise(tmp_path, tree, write):
    tree(tmp_path, ["1.png"])
    write(tmp_path / "metadata.csv", "file_name,label\n1.png,3\n")
    write(tmp_path / "metadata.jsonl", lines({"file_name": "1.png", "label": 3}))
    assert seen(tmp_path) == [("1.png", "3", None)]
    write(tmp_path / "metadata.jsonl", lines({"file_name": "1.png", "label": 4}))
    with pytest.raises(ValueError, match=r"1\.png: expected one of the labels, found 3 and 4"):
        seen(tmp_path)


def test_labels_can_be_left_out(tmp_path, tree, write):
    tree(tmp_path, ["1.png"])
    write(tmp_path / "metadata.jsonl", lines({"file_name": "1.png", "label": [1, 2]}))
    assert seen(tmp_path, columns={"label": ""}) == [("1.png", None, None)]


def test_metadata_in_parquet_and_paths_of_windows(tmp_path, tree):
    arrow = pytest.importorskip("pyarrow", reason="tables need the extra hub")
    import pyarrow.parquet

    tree(tmp_path, ["train/cats/1.png", "train/2.png", "1.png"])
    rows = {"file_name": ["cats\\1.png", "D:\\set\\train\\2.png"], "label": ["cat", "dog"]}
    pyarrow.parquet.write_table(arrow.table(rows), tmp_path / "train/metadata.parquet")
    name, source = open_source(DataConfig(source=str(tmp_path)))
    assert name == "hub-folder"
    assert [(entry.path, entry.class_name, entry.split) for entry in source.entries()] == [
        ("train/cats/1.png", "cat", "train"),
        ("train/2.png", "dog", "train"),
    ]
