import numpy as np
import pytest

from pipeline.datasets.label_like import is_lossy, looks_like_labels


@pytest.fixture
def mixture(tmp_path, png, label_png, write):
    """mixture(photographs, label maps): files at paths with a number in braces, six of each."""

    def draw(photographs, label_maps):
        for number in range(6):
            write(tmp_path / "set" / photographs.format(number), png(number, 24, 20))
            values = np.random.default_rng(number).integers(0, 4, (20, 24))
            write(tmp_path / "set" / label_maps.format(number), label_png(values, "P" if number % 2 else "L"))
        return tmp_path / "set"

    return draw


@pytest.mark.parametrize(
    ("photographs", "label_maps", "named"),
    [
        ("images/cat_{}.png", "trimaps/cat_{}.png", r"trimaps/ .*\"trimaps\" = \"unused\""),
        ("leftImg8bit/train/x/{}.png", "gtFine/train/x/{}_labelIds.png", r"gtFine/ .*\"gtFine\" ="),
        ("training/image_2/{}.png", "training/semantic/{}.png", r"semantic/ "),
        ("{}.png", "{}_mask.png", r"\*_mask\.png .*\"\*_mask\.png\" = \"unused\""),
    ],
)
def test_label_maps_among_photographs_are_refused(mixture, prepared, photographs, label_maps, named):
    with pytest.raises(ValueError, match=rf"found 6 images that look like label maps .* in {named}"):
        prepared(mixture(photographs, label_maps), val_share=0, test_share=0)


def test_the_key_settles_it(mixture, prepared):
    root = mixture("images/{}.png", "trimaps/{}.png")
    dataset = prepared(root, parts={"trimaps": "unused"})
    assert (len(dataset), dataset.summary["num_outside_splits"]) == (6, 6)
    assert prepared(root, parts={"trimaps": "class"}).class_names == ["images", "trimaps"]
    beside = mixture("photos/{}.png", "photos/{}_mask.png")
    (dataset,) = (prepared(beside / "photos", parts={"*_mask.png": "unused"}),)
    assert [dataset.path(i) for i in range(6)] == [f"{i}.png" for i in range(6)]


def test_sets_of_few_values_are_left_alone(mixture, prepared, label_png, write):
    root = mixture("a/{}.jpg.txt", "circle/{}.png")
    for number in range(6):
        write(root / f"square/{number}.png", label_png(np.eye(20) > 0, "1" if number % 2 else "L"))
    assert prepared(root).class_names == ["circle", "square"]


def test_ids_of_many_values_are_told_by_their_areas(rng):
    ids = np.repeat(np.repeat(np.arange(100, dtype=np.uint8).reshape(10, 10), 20, axis=0), 20, axis=1)
    assert looks_like_labels(np.dstack([ids] * 3), 100)
    assert not looks_like_labels(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8), 256)
    assert is_lossy("x/a.JPG")
    assert not is_lossy("a.jpg.png")
    shot = np.full((200, 200, 3), 255, np.uint8)  # a thing on white
    shot[40:160, 40:160] = rng.integers(0, 256, (120, 120, 3))
    assert not looks_like_labels(shot, 256)
