"""COCO files as public bug reports describe them: the right value, or one line."""

import json

import numpy as np
import pytest

from pipeline.datasets.summary_lines import described
from tests.reported.drawing import CLASSES, SIZE, boxes, hold_boxes, mask, number_in, picture, save

CATEGORIES = [
    {"id": number + 1, "name": name, "supercategory": "shape"} for number, name in enumerate(CLASSES)
]
OBJECTS = {"annotation": "objects"}


def coco(
    root,
    file,
    folder,
    seeds,
    *,
    name="frame_{:06d}.png",
    listed=None,
    first=(1, 1),
    categories=CATEGORIES,
    offset=1,
    image=None,
    annotation=None,
):
    """Draw images into a folder and write a COCO file; `image` and `annotation` change entries.

    Args:
        listed: how the file calls an image; None: by its name.
        first: ids of the first image and annotation.
        offset: id of the first class.
    """
    images, annotations = [], []
    for place, seed in enumerate(seeds):
        save(picture(seed, boxes(seed)), root / folder / name.format(seed), format=None)
        entry = {"id": first[0] + place, "width": SIZE[0], "height": SIZE[1]}
        entry["file_name"] = (listed or "{}").format(name.format(seed))
        images.append(image(entry, place) if image else entry)
        for x, y, w, h, kind in boxes(seed):
            found = {
                "id": first[1] + len(annotations),
                "image_id": entry["id"],
                "category_id": kind + offset,
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
                "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
            }
            annotations.append(annotation(found, place) if annotation else found)
    content = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    if file is not None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(json.dumps(content))
    return content


@pytest.fixture
def splits(tmp_path):
    """splits(**options): annotations/instances_{train,val}.json with images/{train,val}."""

    def draw(**options):
        coco(tmp_path / "set", "annotations/instances_train.json", "images/train", range(12), **options)
        options = {"first": (500, 1)} | options
        coco(tmp_path / "set", "annotations/instances_val.json", "images/val", range(100, 106), **options)
        return tmp_path / "set"

    return draw


def as_drawn(prepared, source, *, counts, masks=True, **section):
    data = prepared(source, val_share=0.0, **OBJECTS, **section)
    assert tuple(data.summary["counts"].values()) == counts
    hold_boxes(data, lambda path: number_in(path), masks=masks)
    return data


def runs(x, y, w, h):
    """COCO's run lengths of a filled box, as numbers."""
    flat = mask([(x, y, w, h, 0)], (0, 1)).T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    return {"size": list(SIZE[::-1]), "counts": np.diff([0, *edges, len(flat)]).tolist()}


def test_roboflow_names_the_project_as_a_category(tmp_path, prepared):
    root = {"id": 0, "name": "shapes", "supercategory": "none"}
    categories = [root, *({**each, "supercategory": "shapes"} for each in CATEGORIES)]
    for part, seeds in (("train", range(8)), ("valid", range(50, 53)), ("test", range(100, 104))):
        file = f"{part}/_annotations.coco.json"
        name = "pic_{:03d}_jpg.rf.0a1b2c3d.jpg"
        coco(tmp_path / "set", file, part, seeds, categories=categories, name=name, first=(0, 0))
    as_drawn(prepared, tmp_path / "set", counts=(8, 3, 4))


def test_via_writes_sizes_of_minus_one(splits, prepared):
    def annotation(found, place):
        return {key: value for key, value in found.items() if key not in ("iscrowd", "area")}

    source = splits(
        image=lambda entry, place: entry if place == 0 else {**entry, "width": -1, "height": -1},
        annotation=annotation,
    )
    data = as_drawn(prepared, source, counts=(12, 0, 6))
    assert "get their mask's or box's: annotation 1" in "".join(described(data.summary))


def test_an_outline_without_a_list_around_it(splits, prepared):
    source = splits(annotation=lambda a, place: {**a, "segmentation": a["segmentation"][0]})
    as_drawn(prepared, source, counts=(12, 0, 6))


def test_empty_outlines_are_no_masks(splits, prepared):
    data = as_drawn(
        prepared,
        splits(annotation=lambda a, place: {**a, "segmentation": [[]]}),
        counts=(12, 0, 6),
        masks=False,
    )
    assert data.summary["num_masks"] == 0


def test_masks_for_some(splits, prepared):
    source = splits(annotation=lambda a, place: a if place % 4 == 0 else {**a, "segmentation": []})
    data = as_drawn(prepared, source, counts=(12, 0, 6), masks=False)
    assert 0 < data.summary["num_masks"] < sum(data.summary["num_objects"].values())


def test_a_negative_box_is_named_with_its_id(splits, prepared):
    def annotation(found, place):
        bad = {"segmentation": [[20.2, 17.4, 19.2, 20.5]], "bbox": [19.0, 17.0, 0.0, -3.0], "area": 2.99}
        return {**found, **bad} if place == 3 else found

    words = r"frame_000003\.png: annotation \d+ in instances_train\.json: expected a box from its left upper"
    with pytest.raises(ValueError, match=words):
        prepared(splits(annotation=annotation), **OBJECTS)


def test_everything_is_a_crowd(splits, prepared):
    source = splits(annotation=lambda a, p: {**a, "iscrowd": 1, "segmentation": runs(*a["bbox"])})
    with pytest.raises(
        ValueError, match=r'found 22 crowds only in the part train, .*data\.crowds = "objects"'
    ):
        prepared(source, **OBJECTS)
    data = prepared(source, **(OBJECTS | {"annotation": "any"}))
    assert data.summary["num_crowds"]["train"] == data.summary["num_objects"]["train"]
    assert all(data.objects(row).crowd.all() for row in range(len(data)))
    as_drawn(prepared, source, counts=(12, 0, 6), crowds="objects")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"image": lambda i, place: {**i, "id": str(i["id"])}},
            r"instances_train\.json: annotation 1: no image has the id 1, they are such as '1'",
        ),
        (
            {"image": lambda i, place: {**i, "id": 5} if place == 7 else i},
            r"instances_train\.json: image id 5 is defined twice",
        ),
        (
            {"annotation": lambda a, place: {**a, "bbox": [str(number) for number in a["bbox"]]}},
            r"annotation 1 in instances_train\.json: expected bbox as four numbers .*, found \[\"",
        ),
    ],
    ids=["ids of text for images alone", "an id twice", "boxes of text"],
)
def test_one_line_for(splits, prepared, options, words):
    with pytest.raises(ValueError, match=words):
        prepared(splits(**options), **OBJECTS)


def test_ids_of_text(splits, prepared):
    """Read as the same set with numbers is; ids are counted anew."""
    folder = splits(
        image=lambda i, place: {**i, "id": f"{i['id']:012d}"},
        annotation=lambda a, place: {**a, "id": str(a["id"]), "image_id": f"{a['image_id']:012d}"},
    )
    as_drawn(prepared, folder, counts=(12, 0, 6))


def test_annotation_ids_begin_anew_in_each_image(splits, prepared):
    as_drawn(prepared, splits(annotation=lambda a, place: {**a, "id": 1}), counts=(12, 0, 6))


def test_label_studio_on_windows(tmp_path, prepared):
    categories = [{"id": 0, "name": "block"}, {"id": 1, "name": "disc"}]
    coco(
        tmp_path / "set",
        "result.json",
        "images",
        range(15),
        name="cb0618f6-shot_{:03d}.png",
        listed="images\\{}",
        offset=0,
        categories=categories,
        first=(0, 0),
    )
    as_drawn(prepared, tmp_path / "set", counts=(12, 0, 3))


def test_images_one_folder_deeper(tmp_path, prepared):
    file = "annotations/instances_Train.json"
    coco(tmp_path / "set", file, "images/Train/Data", range(15), name="{:04d}.bmp")
    as_drawn(prepared, tmp_path / "set", counts=(12, 0, 3))


def test_annotations_in_a_list_for_each_image(tmp_path, prepared):
    content = coco(tmp_path / "set", None, "images/train", range(6))
    content["annotations"] = [[each] for each in content["annotations"]]
    (tmp_path / "set/annotations").mkdir()
    (tmp_path / "set/annotations/instances_train.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"instances_train\.json: annotations: expected objects such as \{"):
        prepared(tmp_path / "set", **OBJECTS)


def test_ids_that_a_double_cannot_tell_apart(splits, prepared):
    source = splits(
        image=lambda i, place: {**i, "id": 2**60 + i["id"]},
        annotation=lambda a, place: {**a, "image_id": 2**60 + a["image_id"]},
    )
    data = as_drawn(prepared, source, counts=(12, 0, 6))
    assert len({data.image_id(row) for row in range(len(data))}) == len(data)
    assert max(data.image_id(row) for row in range(len(data))) < 2**53


def test_minival(tmp_path, prepared):
    for file, folder, seeds, first in (
        ("instances_train2014", "train2014", range(12), 1),
        ("instances_minival2014", "val2014", range(100, 104), 500),
    ):
        name = f"COCO_{folder}_{{:06d}}.jpg"
        coco(tmp_path / "set", f"annotations/{file}.json", folder, seeds, name=name, first=(first, 1))
    as_drawn(prepared, tmp_path / "set", counts=(12, 0, 4))


def test_every_annotation_twice_is_said(tmp_path, splits, prepared):
    """As a script that was run twice leaves them: one of two equal objects can be found at most."""
    folder = splits()
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text())
        content["annotations"] *= 2
        path.write_text(json.dumps(content))
    summary = prepared(folder, **OBJECTS).summary
    assert 2 * summary["num_repeats"] == sum(summary["num_objects"].values()) > 0
    assert any("objects have class, box and mask of another" in line for line in described(summary))
