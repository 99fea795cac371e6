import numpy as np
import pytest

from pipeline.datasets.splits import SPLITS, TEST, TRAIN, UNUSED, VAL, plan_splits, without_a_part

SHARES = {"val_share": 0.1, "test_share": 0.2, "seed": 0}


def plan(counts, part_names, **changes):
    """counts: per part a dict label -> number of images."""
    parts = np.concatenate([np.full(sum(c.values()), i) for i, c in enumerate(counts)])
    labels = np.concatenate([np.repeat(list(c), list(c.values())) for c in counts])
    return parts, labels, plan_splits(parts, labels, part_names, **(SHARES | changes))


def num(result, code, labels=None, label=None):
    return int(np.sum((result.codes == code) & (True if labels is None else labels == label)))


def test_train_and_test():
    _, labels, result = plan([{0: 50, 1: 30}, {0: 5, 1: 5}], ["train", "Test"])
    assert [num(result, VAL, labels, c) for c in (0, 1)] == [5, 3]
    assert (num(result, TRAIN), num(result, TEST)) == (72, 10)
    assert result.names == {"train": "train", "val": "train (held out)", "test": "Test"}


def test_train_and_val_makes_val_the_test_part():
    parts, _, result = plan([{0: 50, 1: 50}, {0: 5, 1: 5}], ["train", "valid"])
    assert set(result.codes[parts == 1]) == {TEST}
    assert result.names == {"train": "train", "val": "train (held out)", "test": "valid"}


def test_all_three_stay_as_they_are():
    parts, _, result = plan([{0: 9}, {0: 5}, {0: 4}], ["train", "validation", "test"])
    assert np.array_equal(result.codes, [(TRAIN, VAL, TEST)[p] for p in parts])
    assert result.names == {"train": "train", "val": "validation", "test": "test"}


@pytest.mark.parametrize("name", [None, "train", "default"])
def test_a_lone_part_is_divided(name):
    _, labels, result = plan([{0: 100, 1: 50}], [name])
    assert [num(result, TEST, labels, c) for c in (0, 1)] == [20, 10]
    assert [num(result, VAL, labels, c) for c in (0, 1)] == [8, 4]
    words = name or "all images"
    assert result.names == {"train": words, "val": f"{words} (held out)", "test": f"{words} (held out)"}


@pytest.mark.parametrize("name", ["val", "Testing", "cars_test"])
def test_a_lone_part_for_testing_trains_only_where_a_key_says_so(name):
    words = rf"found only '{name}'; .* data\.parts = {{ \"{name}\" = \"train\" }}"
    with pytest.raises(ValueError, match=words):
        plan([{0: 100}], [name])
    _, _, result = plan([{0: 100}], [name], stated={name: "train"})
    assert [num(result, code) for code in (TRAIN, VAL, TEST)] == [72, 8, 20]


def test_a_stated_part_goes_over_its_name():
    stated = {"photos": "test", "train-extra": "unused"}
    parts, _, result = plan([{0: 50}, {0: 20}, {0: 9}], ["train", "photos", "train-extra"], stated=stated)
    assert set(result.codes[parts == 1]) == {TEST}
    assert set(result.codes[parts == 2]) == {UNUSED}


def test_unlabelled_images_all_train():
    _, _, result = plan([{-1: 30}], [None])
    assert num(result, TRAIN) == 30
    _, labels, result = plan([{0: 50, -1: 50}], [None])
    assert num(result, TRAIN, labels, -1) == 50


def test_shares_of_annotated_images_are_held_out():
    """Images with a label map or objects have no class: all of them count as one."""
    _, _, result = plan([{0: 100}], [None])
    assert [num(result, code) for code in (TRAIN, VAL, TEST)] == [72, 8, 20]
    _, _, result = plan([{0: 50}, {0: 20}], ["train", "val"])
    assert [num(result, code) for code in (TRAIN, VAL, TEST)] == [45, 5, 20]
    _, _, result = plan([{0: 1}], [None], val_share=0.9, test_share=0.9)
    assert num(result, TRAIN) == 1


def test_an_unlabelled_test_part_is_not_used():
    parts, _, result = plan([{0: 50}, {0: 10}, {-1: 20}], ["train", "val", "test"])
    assert set(result.codes[parts == 1]) == {TEST}
    assert set(result.codes[parts == 2]) == {UNUSED}


def test_an_unlabelled_validation_part_does_not_become_the_test_part():
    parts, _, result = plan([{0: 100}, {-1: 20}], ["train", "val"])
    assert set(result.codes[parts == 1]) == {UNUSED}
    assert [num(result, code) for code in (TRAIN, VAL, TEST)] == [72, 8, 20]


def test_small_classes_keep_a_training_image_and_still_fill_the_held_out_part():
    _, labels, result = plan([dict.fromkeys(range(40), 3) | {99: 1}], [None], val_share=0.9, test_share=0.9)
    assert all(num(result, TRAIN, labels, c) >= 1 for c in (*range(40), 99))
    # 10 % of 40 classes of 3: each class alone would round to 0.
    _, _, result = plan([dict.fromkeys(range(40), 3), {0: 1}], ["train", "test"])
    assert num(result, VAL) == 12


def test_the_seed_decides_and_repeats():
    first, again, other = (plan([{0: 100}], [None], seed=s)[2].codes for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(SPLITS) == 4


def test_no_training_part():
    with pytest.raises(ValueError, match=r"no training images.*'test', 'val'; .*data\.parts"):
        plan([{0: 3}, {0: 3}], ["test", "val"])


def test_images_without_a_part_beside_parts_are_said():
    parts = np.array([0, 0, 1, 2, 2, 2])
    (line,) = without_a_part(parts, ["train", "test", None], {})
    assert line.startswith(
        "caution: 3 images of no part are taken for training images, beside the parts test, train"
    )
    (line,) = without_a_part(parts, ["train", "test", "extra"], {})
    assert "caution: 3 images of the part 'extra' are taken" in line
    assert '"extra" = "unused"' in line
    assert without_a_part(parts, ["train", "test", "extra"], {"extra": "unused"}) == []
    assert without_a_part(np.zeros(3, int), [None], {}) == []
