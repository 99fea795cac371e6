import numpy as np
import pytest
from PIL import Image


def put(root, write, png, label_png, pairs, values=(0, 1, 2, 255, 1)):
    for number, (image, mask) in enumerate(pairs):
        write(root / image, png(number))
        write(root / mask, label_png([values] * 4))
    return root


SPLIT_BELOW = [
    (f"images/{split}/x/{i}.png", f"masks/{split}/x/{i}.png") for split in ("train", "test") for i in "ab"
]
SPLIT_ABOVE = [
    (f"{split}/images/{i}.png", f"{split}/masks/{i}.png") for split in ("train", "test") for i in "ab"
]
MMSEG = [
    (f"img_dir/{split}/{i}.png", f"ann_dir/{split}/{i}.png") for split in ("train", "test") for i in "ab"
]


@pytest.mark.parametrize("pairs", [SPLIT_BELOW, SPLIT_ABOVE, MMSEG])
def test_split_folders(tmp_path, write, png, label_png, prepared, pairs):
    dataset = prepared(put(tmp_path / "data", write, png, label_png, pairs), val_share=0.5)
    assert (dataset.summary["format"], dataset.annotation) == ("image-masks", "label-map")
    assert dataset.summary["counts"] == {"train": 1, "val": 1, "test": 2}
    assert dataset.class_names == ["0", "1", "2"]
    assert {dataset.path(i) for i in range(4)} == {image for image, _ in pairs}
    assert dataset.label_map(0).tolist() == [[0, 1, 2, -1, 1]] * 4


def test_no_split_folders(tmp_path, write, png, label_png, prepared):
    pairs = [(f"images/{i}.jpg", f"labels/{i}.png") for i in range(10)]
    dataset = prepared(put(tmp_path / "data", write, png, label_png, pairs), class_names=["a", "b", "c"])
    assert dataset.summary["counts"] == {"train": 7, "val": 1, "test": 2}
    assert dataset.class_names == ["a", "b", "c"]


def test_lists(tmp_path, write, png, label_png, prepared):
    root = put(tmp_path / "data", write, png, label_png, [("a/1.png", "b/1.png"), ("a/2.png", "b/2.png")])
    write(root / "train.txt", "a/1.png b/1.png\n")
    write(root / "test.txt", "a/2.png b/2.png\n")
    dataset = prepared(root)
    assert dataset.summary["format"] == "image-masks"
    assert dataset.summary["counts"] == {"train": 1, "val": 0, "test": 1}


def test_binary_masks(tmp_path, write, png, label_png, prepared):
    pairs = [(f"images/{i}.png", f"masks/{i}.png") for i in range(4)]
    root = put(tmp_path / "data", write, png, label_png, pairs, (0, 255, 255, 0, 0))
    with pytest.raises(
        ValueError, match=r"only class 0 and ignored pixels; .*data\.label_values = \[0, 255\]"
    ):
        prepared(root)
    dataset = prepared(root, label_values=[0, 255])
    assert dataset.class_names == ["0", "1"]
    assert dataset.label_map(0).tolist() == [[0, 1, 1, 0, 0]] * 4


def test_one_bit_masks(tmp_path, write, png, prepared):
    write(tmp_path / "data/images/1.png", png(0))
    (tmp_path / "data/masks").mkdir()
    Image.fromarray(np.array([[True, False, True, True, False]] * 4)).save(tmp_path / "data/masks/1.png")
    assert prepared(tmp_path / "data").label_map(0).tolist() == [[1, 0, 1, 1, 0]] * 4


def test_what_does_not_fit_is_quarantined(tmp_path, write, png, label_png, prepared):
    pairs = [(f"images/{i}.png", f"masks/{i}.png") for i in range(6)]
    root = put(tmp_path / "data", write, png, label_png, pairs)
    (root / "masks/0.png").unlink()
    write(root / "masks/1.png", label_png([[0, 1]] * 4))
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(root / "masks/2.jpg")
    (root / "masks/2.png").unlink()
    write(root / "masks/3.png", b"no image")
    dataset = prepared(root, max_bad_share=0.7)
    assert dataset.summary["num_quarantined"] == 4
    reasons = (dataset.directory / "quarantine.csv").read_text().splitlines()[1:]
    assert reasons[0] == "images/0.png,no label map: expected masks/0.png"
    assert reasons[1] == '"images/1.png","image of 5 x 4 pixels, label map of 2 x 4"'.replace(
        '"images/1.png"', "images/1.png"
    )
    assert "label map masks/2.jpg: JPEG changes values" in reasons[2]
    assert "label map masks/3.png: not an image" in reasons[3]


def test_an_all_ignored_mask_is_a_valid_one(tmp_path, write, png, label_png, prepared):
    pairs = [(f"images/{i}.png", f"masks/{i}.png") for i in range(4)]
    root = put(tmp_path / "data", write, png, label_png, pairs)
    write(root / "masks/0.png", label_png(np.full((4, 5), 255)))
    dataset = prepared(root)
    assert len(dataset) == 4
    assert set(dataset.label_map(0).ravel()) == {-1}


def test_the_image_turns_with_its_label_map(tmp_path, write, label_png, prepared, rng):
    """T17: EXIF orientation is applied only where that gives the image the size of its label map."""
    pixels = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned by a quarter
    for name, shape in (("turned", (6, 4)), ("as-stored", (4, 6)), ("neither", (5, 5))):
        path = tmp_path / f"data/images/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, exif=exif)
        write(tmp_path / f"data/masks/{name}.png", label_png(np.ones(shape)))
    for store in (1, 0):
        dataset = prepared(tmp_path / "data", max_bad_share=0.5, max_store_gib=store, test_share=0)
        images = {dataset.path(i): dataset.image(i) for i in range(2)}
        assert np.array_equal(images["images/as-stored.png"], pixels)
        assert np.array_equal(images["images/turned.png"], np.rot90(pixels, -1))
    assert "image of 6 x 4 pixels, label map of 5 x 5" in (dataset.directory / "quarantine.csv").read_text()


@pytest.mark.parametrize("ending", ["_mask", "_segmentation"])
def test_masks_called_after_their_images(tmp_path, write, png, label_png, prepared, ending):
    pairs = [
        (f"images/{split}/{i}.png", f"masks/{split}/{i}{ending}.png")
        for split in ("train", "test")
        for i in "ab"
    ]
    dataset = prepared(put(tmp_path / "data", write, png, label_png, pairs), val_share=0)
    assert dataset.summary["counts"] == {"train": 2, "val": 0, "test": 2}
    assert dataset.label_map(0).tolist() == [[0, 1, 2, -1, 1]] * 4


def test_colours_with_a_class_dict(tmp_path, write, png, prepared):
    """CamVid as it is often passed on: train/ and train_labels/, names with _L, class_dict.csv."""
    colours = np.array([[64, 128, 64], [192, 0, 128], [0, 0, 0]], np.uint8)
    values = np.array([[0, 1, 2, 2, 1]] * 4)
    for number, name in enumerate(("train/a", "train/b", "test/c")):
        split, stem = name.split("/")
        write(tmp_path / f"data/{name}.png", png(number))
        (tmp_path / f"data/{split}_labels").mkdir(exist_ok=True)
        Image.fromarray(colours[values]).save(tmp_path / f"data/{split}_labels/{stem}_L.png")
    write(tmp_path / "data/class_dict.csv", "name,r,g,b\nAnimal,64,128,64\nArchway,192,0,128\nVoid,0,0,0\n")
    dataset = prepared(tmp_path / "data", val_share=0)
    assert (dataset.summary["format"], dataset.class_names) == ("image-masks", ["Animal", "Archway", "Void"])
    assert dataset.summary["counts"] == {"train": 2, "val": 0, "test": 1}
    assert all(np.array_equal(dataset.label_map(i), values) for i in range(3))


def test_masks_in_a_folder_below(tmp_path, write, png, label_png, prepared):
    """Oxford pets: annotations/trimaps/, beside folders and files of other kinds."""
    pairs = [(f"images/cat_{i}.png", f"annotations/trimaps/cat_{i}.png") for i in range(10)]
    root = put(tmp_path / "pets", write, png, label_png, pairs, values=(1, 2, 3, 3, 1))
    write(root / "annotations/trimaps/._cat_0.png", "x")
    write(root / "annotations/list.txt", "cat_0 1 1 1\n")
    dataset = prepared(root, annotation="label-map")
    assert dataset.summary["format"] == "image-masks"
    assert dataset.label_map(0).tolist() == [[1, 2, 3, 3, 1]] * 4


def test_folders_without_a_common_name_are_no_pair(tmp_path, write, png, label_png, prepared):
    pairs = [(f"images/{i}.png", f"masks/other{i}.png") for i in range(4)]
    root = put(tmp_path / "data", write, png, label_png, pairs)
    with pytest.raises(ValueError, match="expected label maps, found at most a class for each image"):
        prepared(root, annotation="label-map")


def test_opaque_alpha_is_left_out_and_colours_need_a_table(tmp_path, write, png, prepared):
    root = tmp_path / "data"
    for number in range(4):
        write(root / f"images/{number}.png", png(number))
        write(root / f"masks/{number}.png", b"")
        pixels = np.array([[(0, 0, 0, 255), (0, 255, 0, 255), *[(0, 0, 0, 255)] * 3]] * 4, np.uint8)
        Image.fromarray(pixels).save(root / f"masks/{number}.png")
    with pytest.raises(ValueError, match=r"found colours such as \(0, 255, 0\); class_dict\.csv"):
        prepared(root)
    write(root / "class_dict.csv", "name,r,g,b\nground,0,0,0\nplant,0,255,0\n")
    dataset = prepared(root, test_share=0, val_share=0)
    assert dataset.label_map(0).tolist() == [[0, 1, 0, 0, 0]] * 4
    pixels[0, 0, 3] = 128
    Image.fromarray(pixels).save(root / "masks/0.png")
    with pytest.raises(ValueError, match=r"masks/0\.png: .* opaque RGB pixels, found transparent ones"):
        prepared(root)


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_palettes_of_each_file_are_no_classes(tmp_path, png, write, prepared, suffix):
    """As programs write them that keep the colours that occur: index 1 is another class in each file."""
    for number in range(4):
        write(tmp_path / f"data/images/{number}.jpg", png(number))
        labels = Image.fromarray(np.array([[0, 1, 2, 1, 0]] * 4, np.uint8), "P")
        labels.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        if number == 3:
            labels = labels.remap_palette([0, 2, 1])
        (tmp_path / "data/masks").mkdir(exist_ok=True)
        labels.save(tmp_path / f"data/masks/{number}.{suffix}")
    with pytest.raises(
        ValueError, match=r"images/3\.jpg: expected one palette for all label maps, found index 1 as the colo"
    ):
        prepared(tmp_path / "data")
    (tmp_path / f"data/masks/3.{suffix}").unlink()
    (tmp_path / "data/images/3.jpg").unlink()
    assert prepared(tmp_path / "data", test_share=0.4).label_map(0)[0].tolist() == [0, 1, 2, 1, 0]


@pytest.mark.parametrize(
    ("values", "listed"), [((0, 128, 255, 0, 0), "0, 128, 255"), ((0, 10, 20, 10, 0), "0, 10, 20")]
)
def test_grey_levels_far_apart_are_no_numbers_of_classes(
    tmp_path, write, png, label_png, prepared, values, listed
):
    """They would be 129 or 21 classes, of which most never occur, and 255 would count for nothing."""
    pairs = [(f"images/{i}.png", f"masks/{i}.png") for i in range(4)]
    root = put(tmp_path / "data", write, png, label_png, pairs, values)
    with pytest.raises(ValueError, match=rf"only the labels 0, .* data\.label_values, .* as \[{listed}\]"):
        prepared(root)
    stated = [int(value) for value in listed.split(", ")]
    assert prepared(root, label_values=stated).label_map(0)[0].tolist() == [stated.index(v) for v in values]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("Images/{}.jpg", "Masks/{}.PNG"),
        ("JPEGImages/{}.jpg", "ground_truth/{}.png"),
        ("original/{}.jpg", "segmentation/{}.png"),
        ("images/{}.jpg", "gt/{}_gt.png"),
        ("images/x/{}.jpg", "masks/x/mask_{}.png"),
    ],
)
def test_words_and_names_that_people_use(tmp_path, write, png, label_png, prepared, image, mask):
    pairs = [(image.format(i), mask.format(i)) for i in range(4)]
    dataset = prepared(put(tmp_path / "data", write, png, label_png, pairs), test_share=0.4)
    assert dataset.summary["format"] == "image-masks"
    assert all(dataset.label_map(i)[0].tolist() == [0, 1, 2, -1, 1] for i in range(4))


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}_images/{}.jpg", "{}_masks/{}.png"),
        ("Images_{}/{}.jpg", "Labels_{}/{}.png"),
        ("{}_set/images/{}.jpg", "{}_set/masks/{}.png"),
        ("images/{}_data/{}.jpg", "masks/{}_data/{}.png"),
    ],
)
def test_split_words_in_names_of_folders(tmp_path, write, png, label_png, prepared, image, mask):
    pairs = [(image.format(s, i), mask.format(s, i)) for s in ("train", "test") for i in "abc"]
    dataset = prepared(put(tmp_path / "data", write, png, label_png, pairs), val_share=0)
    assert dataset.summary["format"] == "image-masks"
    assert {dataset.path(i) for i in dataset.indices("test")} == {image.format("test", i) for i in "abc"}
    assert dataset.summary["counts"] == {"train": 3, "val": 0, "test": 3}


def test_masks_called_after_the_whole_name(tmp_path, write, png, label_png, prepared):
    """The whole name goes first: a.jpg and a.png each have a mask of their own."""
    pairs = [(f"images/{name}", f"masks/{name}.png") for name in ("a.jpg", "a.png", "b.jpg")]
    dataset = prepared(put(tmp_path / "data", write, png, label_png, pairs))
    assert (dataset.summary["format"], len(dataset)) == ("image-masks", 3)
