import numpy as np
import pytest

from pipeline.datasets.label_subset import LabelSubset, read_subset, stratified_positions, write_subset


def per_class(labels, positions, num_classes):
    return np.bincount(labels[positions], minlength=num_classes).tolist()


def test_a_tenth_of_every_class(rng):
    labels = rng.permutation(np.repeat(np.arange(4), [100, 200, 300, 50]))
    positions = stratified_positions(np.random.default_rng(0), labels, 0.1)
    assert per_class(labels, positions, 4) == [10, 20, 30, 5]
    assert (np.diff(positions) > 0).all()


def test_every_class_has_an_image_however_small_the_share(rng):
    labels = np.repeat(np.arange(5), [1, 3, 40, 2, 10])
    assert per_class(labels, stratified_positions(rng, labels, 1e-6), 5) == [1] * 5


def test_small_classes_do_not_all_round_down():
    # A hundred classes of 13 images: 130 images are a tenth, 1.3 of each class.
    labels = np.repeat(np.arange(100), 13)
    positions = stratified_positions(np.random.default_rng(0), labels, 0.1)
    assert len(positions) == 130
    assert set(per_class(labels, positions, 100)) == {1, 2}


def test_the_choice_is_the_generators():
    labels = np.arange(1000) % 10
    first, again, other = (
        stratified_positions(np.random.default_rng(seed), labels, 0.1).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other
    # Every image has its chance.
    rng = np.random.default_rng(0)
    counts = np.bincount(np.concatenate([stratified_positions(rng, labels, 0.1) for _ in range(400)]))
    assert counts.mean() == pytest.approx(40)
    assert 15 < counts.min() <= counts.max() < 70


def test_all_and_none():
    labels = np.array([0, 0, 1])
    assert stratified_positions(np.random.default_rng(0), labels, 1.0).tolist() == [0, 1, 2]
    assert stratified_positions(np.random.default_rng(0), np.empty(0, int), 0.5).tolist() == []


def test_what_is_written_is_read_again(tmp_path):
    write_subset(tmp_path, LabelSubset(0.01, np.array([2, 5, 9])))
    subset = read_subset(tmp_path)
    assert (subset.share, subset.rows.tolist()) == (0.01, [2, 5, 9])
    assert subset.task("knn") == "knn-1%"
    assert subset.description == ", 1 % of the training labels (3 images)"
    assert subset.chosen(np.arange(10)).tolist() == [2, 5, 9]


def test_without_a_directory_the_subset_is_everything():
    subset = read_subset(None)
    assert (subset.task("knn"), subset.description, subset.chosen(np.arange(3)).tolist()) == (
        "knn",
        "",
        [0, 1, 2],
    )


def test_shares_are_named_as_people_write_them():
    names = [LabelSubset(share, np.arange(1)).task("x") for share in (0.001, 0.07, 0.1, 0.5)]
    assert names == ["x-0.1%", "x-7%", "x-10%", "x-50%"]


def test_a_missing_or_damaged_subset_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"subset\.json: no subset of labels here"):
        read_subset(tmp_path)
    write_subset(tmp_path, LabelSubset(0.5, np.arange(3)))
    np.save(tmp_path / "rows.npy", np.arange(2))
    with pytest.raises(ValueError, match=r"rows\.npy: expected int64 \(3,\), found int64 \(2,\)"):
        read_subset(tmp_path)
