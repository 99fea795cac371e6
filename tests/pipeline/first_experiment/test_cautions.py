import pytest

from pipeline.first_experiment.cautions import cautions


def a_summary(**more):
    return {
        "annotation": "class",
        "class_names": ["cat", "dog"],
        "counts": {"train": 900, "val": 100, "test": 1000},
        "class_counts": {"train": [450, 450], "val": [50, 50], "test": [500, 500]},
        "mean": [0.4, 0.5, 0.5],
        "std": [0.2, 0.2, 0.2],
    } | more


def test_plenty_of_images_is_doubted_in_nothing():
    assert cautions(a_summary()) == ["channels: red, green and blue of 8 bits"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"mean": [0.4] * 3}, "channels: grey of 8 bits, read as three equal ones"),
        ({"channels": {}, "mean": [7.0], "std": [1.0]}, "channels: 1, of numbers as they are in the files"),
        # 1.96 x sqrt(0.5 x 0.5 / 50) = 0.1386
        ({"counts": {"test": 50}}, "caution: only 50 test images: the 95 % interval of an accuracy "
         "reaches up to 14 points to either side"),
        ({"counts": {"test": 0}}, "caution: no test images"),
        ({"annotation": "label-map", "counts": {"test": 9}}, "caution: only 9 test images"),
        ({"class_counts": {"train": [3, 9]}},
         "caution: fewer than 10 training images of class cat (3), dog (9)"),
        (
            {"annotation": "objects", "num_masks": 4, "num_objects": {"train": 5, "test": 1}},
            "masks: of 4 of 6 objects",
        ),
    ],
)  # fmt: skip
def test_what_cautions_say(more, message):
    assert any(line.startswith(message) for line in cautions(a_summary(**more)))


def test_without_labels_it_says_what_is_missing_and_how_to_give_it():
    summary = a_summary(class_names=[], class_counts={}, counts={"train": 50})
    channels, caution = cautions(summary)
    assert channels == "channels: red, green and blue of 8 bits"
    assert caution.startswith("caution: no labels: backbones are pretrained")
    assert "folder of its own" in caution


def test_of_many_rare_classes_a_few_are_named():
    names = [f"c{number}" for number in range(9)]
    (line,) = cautions(a_summary(class_names=names, class_counts={"train": [1] * 9}))[1:]
    assert (
        line
        == "caution: fewer than 10 training images of class c0 (1), c1 (1), c2 (1), c3 (1), c4 (1) and 4 more"
    )
