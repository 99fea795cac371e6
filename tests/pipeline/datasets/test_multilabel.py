"""Images with any number of classes, from what people have to the matrix of a prepared folder."""

import numpy as np
import pytest

from pipeline.config.data import DataConfig
from pipeline.datasets.catalog import open_source
from pipeline.datasets.multilabel import (
    UNLABELLED,
    is_labelled,
    label_words,
    labels_or_sets,
    read_label_sets,
    strata,
)
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.datasets.summary_lines import described
from pipeline.report.comparison.part_digest import part_digest

IMAGES = ["1.png", "2.png", "3.png", "4.png", "5.png"]
# What each image is drawn with; of the last nothing is known.
SETS = [("cat",), ("cat", "dog"), (), ("owl",), None]
MATRIX = [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1], [UNLABELLED] * 3]


def prepared(source, output, **section):
    summary = prepare(DataConfig(source=str(source), test_share=0.0, val_share=0.0, **section), output)
    return summary, PreparedDataset.open(output)


def matrix_by_path(dataset):
    found = read_label_sets(dataset)
    return {dataset.path(row).rsplit("/")[-1]: found[row].tolist() for row in range(len(dataset))}


LISTS = {
    "one cell": "path,label\n1.png,cat\n2.png,dog|cat\n3.png,[]\n4.png,owl\n5.png,\n",
    "a column for each class": (
        "path,cat,dog,owl\n1.png,1,0,0\n2.png,1,1,0\n3.png,0,0,0\n4.png,0,0,1\n5.png,,,\n"
    ),
}


@pytest.mark.parametrize("form", LISTS)
def test_a_list_becomes_the_matrix(tmp_path, tree, write, form):
    write(tree(tmp_path / "d", IMAGES) / "list.csv", LISTS[form])
    summary, dataset = prepared(tmp_path / "d", tmp_path / "out")
    assert summary["format"] == "csv"
    assert dataset.class_names == ["cat", "dog", "owl"]
    assert matrix_by_path(dataset) == dict(zip(IMAGES, MATRIX, strict=True))
    assert (dataset.labels == -1).all(), "what asks for one class finds none"
    assert labels_or_sets(dataset) is read_label_sets(dataset)
    assert [label_words(dataset, row) for row in range(5)] == ["cat", "cat, dog", "(none)", "owl", None]
    assert summary["class_counts"]["train"] == [2, 1, 1]
    lines = described(summary)
    assert (
        "labels: 1.00 for each image, at most 2; images with none of the classes: 1; "
        "images whose labels are not known, which no score takes: 1"
    ) in lines
    assert any("several for each image" in line for line in lines)


def test_several_lines_of_an_image_need_the_key(tmp_path, tree, write):
    text = "ImageID,LabelName\n1.png,cat\n2.png,cat\n2.png,dog\n"
    write(tree(tmp_path / "d", IMAGES[:2]) / "list.csv", text)
    columns = {"image": "ImageID", "label": "LabelName"}
    with pytest.raises(ValueError, match=r'found cat and dog; .* state data\.labels = "several"'):
        open_source(DataConfig(source=str(tmp_path / "d/list.csv"), columns=columns))
    section = {"columns": columns, "labels": "several"}
    _, dataset = prepared(tmp_path / "d/list.csv", tmp_path / "out", **section)
    assert matrix_by_path(dataset) == {"1.png": [1, 0], "2.png": [1, 1]}


def test_images_of_class_folders_stay_that_beside_a_table_of_flags(tmp_path, tree, write):
    names = [f"{folder}/{number}.png" for folder in ("ash", "oak") for number in range(5)]
    rows = "".join(f"{name},{row % 2},{(row + 1) % 2}\n" for row, name in enumerate(names))
    write(tree(tmp_path, names) / "list.csv", f"path,blurred,cropped\n{rows}")
    assert open_source(DataConfig(source=str(tmp_path)))[0] == "image-folder"


def test_uncertain_labels_are_one_clear_error(tmp_path, tree, write):
    write(tree(tmp_path, IMAGES[:2]) / "list.csv", "Path,cat,dog\n1.png,1.0,-1.0\n2.png,0.0,\n")
    with pytest.raises(ValueError, match=r"column 'dog', row 1: expected 0 or 1 for each class, found -1"):
        open_source(DataConfig(source=str(tmp_path)))


def test_lists_of_two_splits_must_have_the_same_columns(tmp_path, tree, write):
    tree(tmp_path, IMAGES[:4])
    write(tmp_path / "train.csv", "path,cat,dog\n1.png,1,0\n2.png,1,1\n")
    write(tmp_path / "test.csv", "path,dog,cat\n3.png,1,0\n4.png,1,1\n")
    with pytest.raises(ValueError, match=r"expected the columns of classes of test\.csv, \['dog', 'cat'\]"):
        open_source(DataConfig(source=str(tmp_path), format="csv"))


def test_metadata_of_the_hub_with_lists(tmp_path, tree, write):
    root = tree(tmp_path / "d", IMAGES[:2])
    write(
        root / "metadata.jsonl",
        '{"file_name": "1.png", "labels": ["cat"]}\n{"file_name": "2.png", "labels": ["dog", "cat"]}\n',
    )
    summary, dataset = prepared(root, tmp_path / "out")
    assert summary["format"] == "hub-folder"
    assert matrix_by_path(dataset) == {"1.png": [1, 0], "2.png": [1, 1]}


def medmnist(path, rng, train, test, **more):
    """A file in the form of medmnist 3.0.2's chestmnist.npz."""
    arrays = {}
    for part, labels in (("train", train), ("test", test)):
        arrays[f"{part}_images"] = rng.integers(0, 256, (len(labels), 6, 6), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.asarray(labels)
    np.savez(path, **arrays, **more)
    return path


def test_chestmnists_form(tmp_path, rng):
    labels = rng.integers(0, 2, (20, 14)).astype(np.uint8)
    source = medmnist(tmp_path / "chestmnist.npz", rng, labels[:12], labels[12:])
    summary, dataset = prepared(source, tmp_path / "out")
    assert dataset.class_names == [str(number) for number in range(14)]
    np.testing.assert_array_equal(read_label_sets(dataset), labels)
    assert "labels: 14 columns of 0 and 1, several for each image" in summary["notes"]


def test_columns_with_exactly_one_1_are_one_class_each_unless_stated(tmp_path, rng):
    labels = np.eye(3, dtype=np.uint8)[[0, 2, 1, 1]]
    source = medmnist(tmp_path / "one.npz", rng, labels, labels[:2])
    summary, dataset = prepared(source, tmp_path / "one")
    assert dataset.labels.tolist() == [0, 2, 1, 1, 0, 2]
    assert read_label_sets(dataset) is None
    assert any("exactly one 1 for each image: one class each" in note for note in summary["notes"])
    _, dataset = prepared(source, tmp_path / "several", labels="several")
    np.testing.assert_array_equal(read_label_sets(dataset), labels[[0, 1, 2, 3, 0, 1]])


@pytest.mark.parametrize(
    ("train", "test", "section", "words"),
    [
        ([[0, 2], [1, 0]], [[0, 1]], {}, r"expected labels \(2, classes\) of 0 and 1, found shape \(2, 2\)"),
        ([[0, 1], [1, 1]], [[0, 1, 1]], {}, r"expected labels of equally many columns in all parts"),
        (
            [[0, 1], [1, 1]],
            [[0, 1]],
            {"labels": "one"},
            r"expected one label for each image, found 2 columns",
        ),
    ],
)
def test_a_wrong_matrix_is_one_clear_error(tmp_path, rng, train, test, section, words):
    source = medmnist(tmp_path / "m.npz", rng, train, test)
    with pytest.raises(ValueError, match=words):
        open_source(DataConfig(source=str(source), **section))


def test_a_format_of_one_label_refuses_the_key(tmp_path, tree):
    tree(tmp_path, ["a/1.png", "b/2.png"])
    with pytest.raises(ValueError, match=r"data\.labels: data in the format image-folder has one label"):
        open_source(DataConfig(source=str(tmp_path), labels="several"))


def test_strata_are_each_images_rarest_class():
    # dog is there once, owl once (the first counts), cat twice.
    assert strata(np.array(MATRIX, np.int8)).tolist() == [0, 1, 3, 2, -1]
    assert strata(np.zeros((2, 0), np.int8)).tolist() == [-1, -1], "no image has any class"
    assert is_labelled(np.array(MATRIX, np.int8)).tolist() == [True] * 4 + [False]


def test_held_out_parts_keep_the_share_of_rare_classes(tmp_path, rng):
    labels = np.zeros((300, 3), np.uint8)
    labels[:, 0] = rng.random(300) < 0.5
    labels[:10, 1] = 1
    labels[290:, 2] = 1
    arrays = {"images": rng.integers(0, 256, (300, 4, 4), dtype=np.uint8), "labels": labels}
    np.savez(tmp_path / "a.npz", **arrays)
    summary = prepare(
        DataConfig(source=str(tmp_path / "a.npz"), test_share=0.2, val_share=0.2), tmp_path / "out"
    )
    for place in (1, 2):
        counts = {part: found[place] for part, found in summary["class_counts"].items()}
        assert counts["test"] == 2
        assert counts["val"] in (1, 2)
        assert sum(counts.values()) == 10


def test_the_digest_is_of_the_labels_too(tmp_path, tree, write):
    root = tree(tmp_path / "d", IMAGES[:2])
    digests = set()
    for text in ("1.png,cat|dog\n2.png,cat\n", "1.png,cat|dog\n2.png,dog\n"):
        write(root / "list.csv", f"path,label\n{text}")
        digests.add(prepared(root, tmp_path / f"out{len(digests)}")[0]["content_digest"])
    assert len(digests) == 2


def test_results_on_other_labels_do_not_belong_together(tmp_path, tree, write):
    root, digests = tree(tmp_path / "d", IMAGES[:3]), set()
    for number, last in enumerate(("dog", "cat", "cat|dog")):
        write(root / "list.csv", f"path,label\n1.png,cat|dog\n2.png,cat\n3.png,{last}\n")
        _, dataset = prepared(root, tmp_path / f"out{number}")
        digests.add(part_digest(tmp_path / f"out{number}", dataset.split_names["train"]))
    assert len(digests) == 3


def test_a_file_that_is_gone_or_another_is_named(tmp_path, tree, write):
    root = tree(tmp_path / "d", IMAGES)
    write(root / "list.csv", LISTS["one cell"])
    _, dataset = prepared(root, tmp_path / "out")
    np.save(tmp_path / "out" / "label_sets.npy", np.zeros((2, 3), np.int8))
    with pytest.raises(ValueError, match=r"label_sets\.npy: expected int8 \(5, 3\), found int8 \(2, 3\)"):
        read_label_sets(dataset)
    (tmp_path / "out" / "label_sets.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"label_sets\.npy: missing"):
        read_label_sets(dataset)


def test_one_class_each_has_no_matrix(tmp_path, tree):
    tree(tmp_path / "d", ["a/1.png", "a/2.png", "b/3.png"])
    summary, dataset = prepared(tmp_path / "d", tmp_path / "out")
    assert "label_sets" not in summary
    assert not (tmp_path / "out" / "label_sets.npy").exists()
    assert read_label_sets(dataset) is None
    assert [label_words(dataset, row) for row in range(3)] == ["a", "a", "b"]
