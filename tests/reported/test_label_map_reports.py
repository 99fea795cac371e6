"""Label maps as public bug reports describe them."""

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.summary_lines import described
from tests.reported.drawing import boxes, hold_label_maps, mask, number_in, picture, save

COLOURS = np.array([[0, 0, 0], [48, 112, 32], [176, 112, 32]], np.uint8)
MAPS = {"annotation": "label-map", "val_share": 0.0}
PLAIN = ("images/{:03d}.jpg", "masks/{:03d}.png")


def pairs(root, image, label_map, drawn=mask, *, numbers=range(15)):
    """Images and their label maps, `drawn(boxes)` an array or an image."""
    for number in numbers:
        found = boxes(number)
        save(picture(number, found), root / image.format(number))
        labels = drawn(found)
        labels = labels if isinstance(labels, Image.Image) else Image.fromarray(labels)
        save(labels, root / label_map.format(number))
    return root


def test_masks_of_0_and_255_need_the_key(tmp_path, prepared):
    binary = pairs(
        tmp_path / "set", "imgs/{:03d}.jpg", "masks/{:03d}.png", lambda found: mask(found, (0, 255))
    )
    with pytest.raises(
        ValueError, match=r"for binary masks of 0 and 255 set data\.label_values = \[0, 255\]"
    ):
        prepared(binary, **MAPS)
    data = prepared(binary, label_values=[0, 255], **MAPS)
    for row in range(len(data)):
        drawn = mask(boxes(number_in(data.path(row))), (0, 1))
        assert np.array_equal(data.label_map(row), drawn)


def test_isic_names_its_masks_with_an_ending(tmp_path, prepared):
    name = "ISIC_{:07d}"
    source = pairs(tmp_path / "set", f"images/{name}.jpg", f"masks/{name}_segmentation.png")
    data = prepared(source, **MAPS)
    hold_label_maps(data, number_in, ("0", "1", "2"))


def test_cvat_segmentation_mask(tmp_path, prepared):
    root = tmp_path / "set"
    for folder in ("SegmentationClass", "SegmentationObject"):
        pairs(root, "JPEGImages/{:03d}.jpg", f"{folder}/{{:03d}}.png", lambda found: COLOURS[mask(found)])
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nblock:48,112,32::\ndisc:176,112,32::\n"
    )
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/default.txt").write_text("".join(f"{n:03d}\n" for n in range(15)))
    data = prepared(root, **MAPS)
    assert data.summary["counts"] == {"train": 12, "val": 0, "test": 3}
    hold_label_maps(data, number_in, ("background", "block", "disc"))


@pytest.mark.parametrize("channels", [3, 4])
def test_numbers_in_equal_channels(tmp_path, prepared, channels):
    def drawn(found):
        grey = np.repeat(mask(found)[..., None], 3, 2)
        return grey if channels == 3 else np.dstack([grey, np.full(grey.shape[:2], 255, np.uint8)])

    hold_label_maps(prepared(pairs(tmp_path / "set", *PLAIN, drawn), **MAPS), number_in, ("0", "1", "2"))


def test_colours_with_alpha_need_a_table(tmp_path, prepared):
    colours = np.array([[0, 0, 0, 255], [0, 255, 0, 255], [0, 255, 0, 255]], np.uint8)
    with pytest.raises(ValueError, match=r"found colours such as \(0, 255, 0\); class_dict\.csv"):
        prepared(pairs(tmp_path / "set", *PLAIN, lambda found: colours[mask(found)]), **MAPS)


def test_a_list_of_pairs_with_tabs_and_absolute_paths(tmp_path, prepared):
    root = tmp_path / "set"
    for part, numbers in (("train", range(10)), ("val", range(100, 104))):
        pairs(root, "seg/images/a{:05d}.jpg", "seg/masks/b{:03d}.png", numbers=numbers)
        lines = (
            f"/home/x/proj/seg/images/a{n:05d}.jpg\t/home/x/proj/seg/masks/b{n:03d}.png\n" for n in numbers
        )
        (root / f"{part}.txt").write_text("".join(lines))
    data = prepared(root, **MAPS)
    assert data.summary["counts"] == {"train": 10, "val": 0, "test": 4}
    hold_label_maps(data, number_in, ("0", "1", "2"))


def test_labelme_names_its_classes_in_a_file(tmp_path, prepared):
    def with_palette(found):
        image = Image.fromarray(mask(found), "P")
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759)
        return image

    root = pairs(tmp_path / "set", "JPEGImages/{:03d}.jpg", "SegmentationClass/{:03d}.png", with_palette)
    (root / "class_names.txt").write_text("_background_\nblock\ndisc\n")
    hold_label_maps(prepared(root, **MAPS), number_in, ("_background_", "block", "disc"))


def test_the_trimaps_of_the_pets(tmp_path, prepared):
    root = pairs(
        tmp_path / "set",
        "images/cat_{:03d}.jpg",
        "annotations/trimaps/cat_{:03d}.png",
        lambda found: mask(found, (2, 1, 3)),
    )
    for number in range(15):
        (root / f"annotations/trimaps/._cat_{number:03d}.png").write_text("x")
    (root / "annotations/list.txt").write_text("".join(f"cat_{n:03d} 1 1 1\n" for n in range(15)))
    data = prepared(root, **MAPS)
    assert len(data) == 15
    for row in range(len(data)):
        drawn = mask(boxes(number_in(data.path(row))), (2, 1, 3))
        names = np.array([int(name) for name in data.class_names])
        assert np.array_equal(names[data.label_map(row)], drawn)


def test_maps_that_hold_ignored_pixels_alone_are_counted(tmp_path, prepared):
    numbers = iter(range(20))

    def drawn(found):
        return mask(found) if next(numbers) % 5 == 0 else np.full((48, 64), 255, np.uint8)

    data = prepared(pairs(tmp_path / "set", *PLAIN, drawn, numbers=range(20)), **MAPS)
    assert data.summary["num_all_ignored"] == 16
    assert data.class_names == ["0", "1", "2"]


def test_own_classes_in_the_folders_of_ade20k(tmp_path, prepared):
    root = tmp_path / "set"
    for part, numbers in (("training", range(10)), ("validation", range(100, 104))):
        names = (f"images/{part}/{{:03d}}.jpg", f"annotations/{part}/{{:03d}}.png")
        pairs(root, *names, numbers=numbers)
    data = prepared(root, **MAPS)
    hold_label_maps(data, number_in, ("0", "1", "2"))
    assert any(
        "named by their number: the layout is that of ADE20K" in line for line in data.summary["notes"]
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            "images/00003.bmp",
            r"expected a label map of its own, found masks/00003\.png, which images/00003\.bmp",
        ),
        ("masks/00003.bmp", r"expected one label map, found masks/00003\.bmp and masks/00003\.png"),
    ],
)
def test_images_and_label_maps_of_one_name(tmp_path, prepared, more, words):
    """Which of two belongs to the other is not known."""
    for number in range(8):
        save(picture(number), tmp_path / f"set/images/{number:05d}.jpg")
        save(Image.fromarray(mask(boxes(number))), tmp_path / f"set/masks/{number:05d}.png")
    kind = picture(99) if more.startswith("images") else Image.fromarray(mask(boxes(3)))
    save(kind, tmp_path / "set" / more)
    with pytest.raises(ValueError, match=words):
        prepared(tmp_path / "set")


def test_label_maps_that_were_resized_like_pictures_are_said(tmp_path, prepared):
    """Between 0, 127 and 254 lie values of no class."""
    for number in range(12):
        save(picture(number), tmp_path / f"set/images/{number:05d}.jpg")
        labels = Image.fromarray(127 * mask(boxes(number)))
        save(labels.rotate(3, resample=Image.Resampling.BILINEAR), tmp_path / f"set/masks/{number:05d}.png")
    lines = described(prepared(tmp_path / "set").summary)
    assert any("were the label maps resized as pictures are?" in line for line in lines)
