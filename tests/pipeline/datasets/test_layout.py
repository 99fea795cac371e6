import pytest

from pipeline.datasets.layout import Layout


@pytest.mark.parametrize(
    ("folders", "folder", "expected"),
    [
        ([""], "", (None, None)),
        (["cat", "dog"], "cat", (None, "cat")),
        (["cat/young", "cat/old", "dog"], "cat/young", (None, "cat")),
        (["photos"], "photos", (None, None)),
        (["set/v1/cat", "set/v1/dog/x"], "set/v1/dog/x", (None, "dog")),
        (["train/cat", "test/cat"], "test/cat", ("test", "cat")),
        (["w/Train/cat", "w/VAL/cat"], "w/VAL/cat", ("VAL", "cat")),
        (["train", "valid"], "valid", ("valid", None)),
        (["train/cat"], "train/cat", ("train", "cat")),
        (["train/a/b/c", "validation/a"], "train/a/b/c", ("train", "a")),
        (["train/cat", "test/cat", "extra"], "extra", None),
        (["train/cat", "test/cat", ""], "", None),
        (["cat", "cats"], "cats", (None, "cats")),
    ],
)
def test_place(folders, folder, expected):
    assert Layout.of(folders).split_and_class(folder) == expected


@pytest.mark.parametrize(
    ("folders", "folder", "expected"),
    [
        # Split words in any case and form.
        (["Training/cat", "Testing/cat"], "Testing/cat", ("Testing", "cat")),
        (["cars_train", "cars_test"], "cars_test", ("cars_test", None)),
        (["obj_train_data", "obj_val_data"], "obj_val_data", ("obj_val_data", None)),
        (["GTSRB/Final_Training/Images/00", "GTSRB/Final_Training/Images/01", "GTSRB/Final_Test/Images"],
         "GTSRB/Final_Training/Images/01", ("Final_Training", "01")),
        (["trainSet/cat", "trainSet/dog", "testSet/dog"], "testSet/dog", ("testSet", "dog")),
        (["train2017", "val2017"], "val2017", ("val2017", None)),
        (["train/cat", "train/dog", "test_images"], "test_images", ("test_images", None)),
        (["bullet_train", "boat"], "bullet_train", (None, "bullet_train")),
        (["traindata/cat", "testdata/cat"], "testdata/cat", ("testdata", "cat")),
        (["trn/cat", "tst/cat"], "tst/cat", ("tst", "cat")),
        (["train/cat", "dev/cat"], "dev/cat", ("dev", "cat")),
        (["train/cat", "evaluation/cat"], "evaluation/cat", ("evaluation", "cat")),
        # Splits in class folders.
        (["cat/train", "cat/test", "dog/train", "dog/test"], "dog/test", ("test", "dog")),
        # The only folder in a split.
        (["train/w1/images", "train/w2/images", "val/images"], "val/images", ("val", None)),
        (["train/w1/images", "train/w2/images", "val/images"], "train/w1/images", ("train", "w1")),
        (["train/images", "valid/images"], "train/images", ("train", None)),
        (["train/images/cat", "train/images/dog", "val/images/dog"], "val/images/dog", ("val", "dog")),
        (["train/cat", "train/dog", "val/dog"], "val/dog", ("val", "dog")),
        (["train/good", "test/good", "test/broken"], "train/good", ("train", "good")),
    ],
)  # fmt: skip
def test_forms_that_tools_write(folders, folder, expected):
    assert Layout.of(folders).split_and_class(folder) == expected


def test_folders_that_could_be_either_need_the_key():
    folders = ["boat", "train", "car"]
    with pytest.raises(ValueError, match=r'found train/ beside boat/, car/: .*{ "train" = "class"'):
        Layout.of(folders)
    assert Layout.of(folders, {"train": "class"}).split_and_class("train") == (None, "train")
    assert Layout.of(folders, {"train": "train"}).split_and_class("car") is None
    with pytest.raises(ValueError, match=r"found Final_Test/, Final_Training/ beside photos/"):
        Layout.of(["Final_Training/a", "Final_Test/a", "photos"])
    (note,) = Layout.of(["bullet_train", "boat"]).notes
    assert note.startswith("caution: the folders bullet_train/ are taken for classes")
    assert not Layout.of(["bullet_train", "boat"], {"bullet_train": "class"}).notes


def test_what_the_key_says_goes_over_names():
    parts = {"part-1": "train", "part-2": "test", "draft*": "unused"}
    layout = Layout.of(["part-1/a", "part-1/b", "part-2/a", "drafts/a"], parts)
    assert layout.split_and_class("part-2/a") == ("part-2", "a")
    assert layout.split_and_class("drafts/a") is None
    assert Layout.of(["train/a", "train/b"], are_classes=False).split_and_class("train/a") == ("train", None)


FOLDS = [f"{fold}/{name}" for fold in ("1", "2") for name in ("cat", "dog", "owl")]


def test_folders_of_the_same_names_in_each_are_refused():
    """Folds, sites, or splits in words of another language: the classes are one folder deeper."""
    with pytest.raises(
        ValueError, match=r'cat/, dog/, owl/, in each of 1/, 2/: .*"1" = "train", "2" = "test"'
    ):
        Layout.of(FOLDS)
    stated = Layout.of(FOLDS, {"1": "train", "2": "test"})
    assert [stated.split_and_class(folder) for folder in ("1/cat", "2/owl")] == [("1", "cat"), ("2", "owl")]
    assert Layout.of(FOLDS, {"1": "class"}).split_and_class("2/owl") == (None, "2")
    assert Layout.of(FOLDS, are_classes=False).split_and_class("2/owl") == (None, None)


def test_few_folders_of_the_same_names_in_many_are_a_doubt():
    sides = [f"{name}/{side}" for name in ("cat", "dog", "owl") for side in ("left", "right")]
    layout = Layout.of(sides)
    assert layout.split_and_class("cat/left") == (None, "cat")
    assert "left/, right/, in each of cat/, dog/, owl/" in layout.notes[0]
    assert not Layout.of(["cat/left", "cat/right", "dog/front", "dog/left"]).notes


@pytest.mark.parametrize("names", [("fold_1", "fold_2", "fold_3"), ("Fold0", "Fold1"), ("cv1", "cv2"),
                                   ("split-a", "split-b"), ("5-fold-1", "5-fold-2", "5-fold-3")])  # fmt: skip
@pytest.mark.parametrize("below", [("cat", "dog"), ("",)])
@pytest.mark.parametrize("above", ["", "train/"])
def test_folds_are_no_classes_unless_it_is_said(names, below, above):
    folders = [f"{above}{name}/{each}".rstrip("/") for name in names for each in below]
    with pytest.raises(ValueError, match=rf'folds of a cross-validation: .*"{names[0]}" = "test"'):
        Layout.of(folders)
    stated = Layout.of(folders, dict.fromkeys(names, "class"))
    assert {stated.split_and_class(folder)[1] for folder in folders} == set(names)


def test_the_key_that_a_refusal_of_folds_names_tests_on_one():
    folders = [f"fold_{number}/{name}" for number in (1, 2, 3) for name in ("cat", "dog")]
    with pytest.raises(ValueError, match=r'{ "fold_1" = "test", "fold_\*" = "train" } tests on one'):
        Layout.of(folders)
    layout = Layout.of(folders, {"fold_1": "test", "fold_*": "train"})
    assert layout.split_and_class("fold_1/dog") == ("fold_1", "dog")
    assert layout.split_and_class("fold_3/cat") == ("fold_3", "cat")


@pytest.mark.parametrize(
    ("folders", "words", "parts"),
    [
        (["query", "gallery"], "the parts of a search", {"query": "class", "gallery": "class"}),
        (["cat", "dog", "unlabeled"], 'images without labels: data.parts = { "unlabeled" = "unused" }',
         {"unlabeled": "unused"}),
        (["labeled/cat", "labeled/dog", "unlabeled"], '"labeled" = "train", "unlabeled" = "unused"',
         {"labeled": "train", "unlabeled": "unused"}),
        (["train/cat", "train/unlabelled", "test/cat"], "images without labels", {"unlabelled": "unused"}),
    ],
)  # fmt: skip
def test_other_parts_are_no_classes_unless_it_is_said(folders, words, parts):
    with pytest.raises(ValueError, match=words):
        Layout.of(folders)
    assert not Layout.of(folders, parts).notes
    assert not Layout.of(folders, are_classes=False).notes


@pytest.mark.parametrize(
    "names", [("fold", "cut"), ("split", "split 1 pin"), ("probe", "tube"), ("part1", "part2")]
)
def test_classes_with_such_words_are_classes(names):
    layout = Layout.of(names)
    assert [layout.split_and_class(name) for name in names] == [(None, name) for name in names]
