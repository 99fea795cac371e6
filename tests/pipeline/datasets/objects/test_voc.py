import pytest

from pipeline.storage.files import read_json

OBJECT = """
  <object><name>{name}</name><difficult>{difficult}</difficult>
    <bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
  </object>"""


def described(*objects, width=5, height=4):
    """An xml file; objects are (name, corners) or (name, corners, difficult)."""
    found = "".join(
        OBJECT.format(*corners, name=name, difficult=int(bool(rest))) for name, corners, *rest in objects
    )
    return (
        f"<annotation><path>/home/x/1.jpg</path><size><width>{width}</width><height>{height}</height>"
        f"<depth>3</depth></size>{found}\n</annotation>"
    )


@pytest.fixture
def voc(tmp_path, png, write):
    root = tmp_path / "VOC2007"
    objects = {
        "1": [("dog", (1, 1, 5, 4)), ("cat", (2, 2, 3, 4), True)],
        "2": [],
        "3": [("cat", ("2.0", "3", "2.0", "3")), ("cat", (2, 3, 4, 4))],
    }
    for name, found in objects.items():
        write(root / f"JPEGImages/{name}.png", png(int(name)))
        write(root / f"Annotations/{name}.xml", described(*found))
    write(root / "ImageSets/Main/trainval.txt", "1\n2\n")
    write(root / "ImageSets/Main/test.txt", "3\n")
    write(root / "ImageSets/Main/cat_trainval.txt", "1 1\n2 -1\n")
    return root


def test_corners_are_pixels_from_one_both_inside(voc, prepared):
    """An object ends at the image's last pixel, and none begins at 0."""
    dataset = prepared(voc, val_share=0)
    assert (dataset.summary["format"], dataset.annotation) == ("voc-boxes", "objects")
    assert dataset.class_names == ["cat", "dog"]
    assert dataset.category_ids == [1, 2]
    first = dataset.objects(0)
    assert first.boxes.tolist() == [[0, 0, 5, 4], [1, 1, 3, 4]]
    assert first.classes.tolist() == [1, 0]
    assert first.areas.tolist() == [20, 6]
    assert first.segments == (None, None)
    assert dataset.summary["notes"] == [
        "corners: counted from 1, both inside the box, because no corner is 0, and 3 of 4 objects end at the "
        "image's last pixel; else set data.corners"
    ]
    assert dataset.split_names == {"train": "trainval", "test": "test"}
    assert [dataset.image_id(i) for i in range(3)] == [0, 1, 2]


def test_difficult_objects_are_neither_targets_nor_mistakes(voc, prepared):
    """T14: what counts for nothing is kept as a crowd."""
    assert prepared(voc).objects(0).crowd.tolist() == [False, True]
    assert prepared(voc, crowds="objects").objects(0).crowd.tolist() == [False, False]


def test_a_box_of_one_pixel_stays_and_so_do_empty_images(voc, prepared):
    """T13: an image without objects stays. Corners that coincide are one pixel, both being inside."""
    dataset = prepared(voc, val_share=0)
    assert len(dataset.objects(1).boxes) == 0
    assert dataset.objects(2).boxes.tolist() == [[1, 2, 2, 3], [1, 2, 4, 4]]
    assert dataset.summary["num_dropped_boxes"] == 0
    assert dataset.summary["num_quarantined"] == 0


def test_a_corner_of_zero_anywhere_counts_the_whole_set_from_zero(voc, prepared, write):
    """T18: counted from 0 a box whose corners coincide has no area, and goes."""
    write(voc / "Annotations/2.xml", described(("dog", (0, 1, 2, 3))))
    dataset = prepared(voc, val_share=0)
    assert dataset.objects(0).boxes.tolist() == [[1, 1, 5, 4], [2, 2, 3, 4]]
    assert dataset.objects(1).boxes.tolist() == [[0, 1, 2, 3]]
    assert dataset.objects(2).boxes.tolist() == [[2, 3, 4, 4]]
    assert dataset.summary["num_dropped_boxes"] == 1
    assert dataset.summary["first_dropped_boxes"] == ["object 1 in Annotations/3.xml"]
    assert dataset.summary["notes"] == [
        "corners: counted from 0, the far one outside the box, because 1 of 5 objects have a corner below 1; "
        "else set data.corners"
    ]


def test_the_data_section_says_how_corners_are_counted(voc, prepared):
    for corners, box in (("from-1", [0, 0, 5, 4]), ("from-0", [1, 1, 5, 4]), ("pixels-from-0", [1, 1, 5, 4])):
        dataset = prepared(voc, val_share=0, corners=corners)
        assert dataset.objects(0).boxes[0].tolist() == box
        assert "as data.corners says" in dataset.summary["notes"][0]
    assert dataset.objects(2).boxes.tolist() == [[2, 3, 3, 4], [2, 3, 5, 4]], "both inside, cut to the image"


def test_what_is_no_number_is_said_as_the_file_has_it(voc, prepared, write):
    for found, words in (
        (("a", 1, 2, 3), r"object 1: expected four numbers in bndbox, found xmin 'a', ymin '1', xmax '2', "),
        (("", 1, 2, 3), "found xmin '', "),
    ):
        write(voc / "Annotations/2.xml", described(("dog", found)))
        with pytest.raises(ValueError, match=rf"2\.png: annotations cannot be read: .*{words}"):
            prepared(voc)
    found = described(("dog", (1, 1, 2, 2)))
    write(voc / "Annotations/2.xml", found.replace("<difficult>0", "<difficult>2"))
    with pytest.raises(ValueError, match="object 1: expected difficult 0 or 1, found '2'"):
        prepared(voc)
    write(voc / "Annotations/2.xml", found.replace("<difficult>0", "<difficult>"))
    assert prepared(voc, val_share=0).objects(1).crowd.tolist() == [False]
    write(voc / "Annotations/2.xml", described(("dog", (1, 1, 2, 2)), width="inf"))
    with pytest.raises(ValueError, match=r"2\.png: annotations cannot be read: .*infinity"):
        prepared(voc)


def test_names_of_the_data_section_are_the_labels(voc, prepared):
    """T15: a name that is not among them raises."""
    dataset = prepared(voc, class_names=["dog", "bird", "cat"])
    assert dataset.class_names == ["dog", "bird", "cat"]
    assert dataset.objects(0).classes.tolist() == [0, 2]
    with pytest.raises(ValueError, match=r"Annotations/1\.xml: object 1: expected one of .*, found 'dog'"):
        prepared(voc, class_names=["cat"])


def test_what_cannot_be_used_is_quarantined(voc, prepared, write):
    write(voc / "Annotations/1.xml", "<annotation><size>")
    write(voc / "Annotations/2.xml", described(("cat", (9, 1, 12, 4))))
    with pytest.raises(ValueError, match=r"2 of 3 .*\n.*/1\.png: annotations cannot.*\n.*lies outside"):
        prepared(voc)
    write(voc / "Annotations/2.xml", described(("cat", (1, 1, 2, 2)), width=6))
    (voc / "Annotations/1.xml").unlink()
    (voc / "JPEGImages/3.png").unlink()
    with pytest.raises(ValueError, match="3 of 3") as caught:
        prepared(voc)
    for reason in (
        "JPEGImages/1.png: no annotations: expected Annotations/1.xml",
        "JPEGImages/2.png: image of 5 x 4 pixels, annotated as 6 x 4 in Annotations/2.xml",
        "JPEGImages/3.jpg: no such image",
    ):
        assert reason in str(caught.value)


def test_no_lists_and_an_unknown_size(voc, prepared, write):
    for path in (voc / "ImageSets/Main").iterdir():
        path.unlink()
    write(voc / "Annotations/2.xml", described(width=0, height=0))
    dataset = prepared(voc, test_share=0.34)
    assert len(dataset) == 3
    assert dataset.split_names["test"] == "all images (held out)"


def test_xml_files_beside_the_images(tmp_path, tree, write, prepared):
    root = tree(tmp_path / "cells", ["train/1.png", "train/2.png", "valid/3.png", "valid/4.png"])
    for path in ("train/1", "train/2", "valid/3"):
        write(root / f"{path}.xml", described(("cell", (1, 1, 2, 2))))
    with pytest.raises(ValueError, match=r"valid/4\.png: no annotations: expected valid/4\.xml"):
        prepared(root)
    dataset = prepared(root, max_bad_share=0.3, val_share=0)
    assert dataset.summary["format"] == "voc-boxes"
    assert dataset.split_names == {"train": "train", "test": "valid"}


@pytest.mark.parametrize("lists", ["train.txt", "default.txt", None])
def test_an_image_without_xml_is_left_out_or_empty(tmp_path, tree, write, prepared, lists):
    """The same with lists and without; Label Studio's folder of images is called images."""
    names = [f"img ({i})" for i in range(4)]
    root = tree(tmp_path / "set", [f"images/{name}.png" for name in names])
    for name in names[:3]:
        write(root / f"Annotations/{name}.xml", described(("cell", (0, 1, 2, 2))))
    if lists:
        write(root / f"ImageSets/Main/{lists}", "\n".join(names))
    options = {"annotation": "objects", "test_share": 0.4, "val_share": 0}
    with pytest.raises(ValueError, match=r"/img \(3\)\.png: no annotations: expected Annotations/img"):
        prepared(root, **options)
    dataset = prepared(root, **options, unannotated="no-objects")
    assert dataset.path(3) == "images/img (3).png"
    assert [len(dataset.objects(i).boxes) for i in range(4)] == [1, 1, 1, 0]
    assert "no objects: 1 images have no xml file, such as images/img (3).png" in dataset.summary["notes"]


def test_boxes_are_read_where_boxes_are_asked_for(voc, prepared, write, label_png):
    """VOC's own set has masks too, and other programs leave their folder empty."""
    (voc / "SegmentationClass").mkdir()
    assert prepared(voc).summary["format"] == "voc-boxes"
    write(voc / "SegmentationClass/1.png", label_png([[0, 1, 2, 0, 0]] * 4, "P"))
    write(voc / "ImageSets/Segmentation/train.txt", "1\n")
    assert prepared(voc, annotation="objects").summary["format"] == "voc-boxes"
    with pytest.raises(ValueError, match=r"annotated in several ways: set data\.format to voc-boxes, voc-"):
        prepared(voc)


def test_no_object_at_all_and_no_names(voc, prepared, write):
    for path in (voc / "Annotations").iterdir():
        write(path, described())
    with pytest.raises(ValueError, match=r"no object in any of 3 files; state data\.class_names"):
        prepared(voc)
    assert len(prepared(voc, class_names=["cat"])) == 3


def test_sample_data(sample_data, prepared):
    dataset = prepared(sample_data / "detection/bccd-voc")
    assert dataset.summary["format"] == "voc-boxes"
    assert dataset.class_names == ["Platelets", "RBC", "WBC"]
    assert dataset.summary["counts"] == {"train": 205, "val": 87, "test": 72}
    # As the read-me counts; two RBC are one pixel wide or high.
    totals = [sum(counts) for counts in zip(*dataset.summary["class_counts"].values(), strict=True)]
    assert totals == [361, 4155, 372]
    assert dataset.summary["num_dropped_boxes"] == 0
    assert "counted from 1" in dataset.summary["notes"][0]
    assert dataset.summary["num_quarantined"] == 0
    assert read_json(dataset.directory / "summary.json") == dataset.summary
    for i in range(0, len(dataset), 50):
        width, height = dataset.size(i)
        boxes = dataset.objects(i).boxes
        assert boxes.min() >= 0
        assert (boxes[:, 2:] <= [width, height]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_files_that_all_cannot_be_read_say_why(tmp_path, png, write, prepared):
    """Oriented boxes, or other names of elements."""
    for number in ("1", "2", "3"):
        write(tmp_path / f"voc/JPEGImages/{number}.png", png(int(number)))
        text = described(("dog", (1, 1, 5, 4)))
        write(tmp_path / f"voc/Annotations/{number}.xml", text.replace("bndbox", "robndbox"))
    with pytest.raises(
        ValueError, match=r"the first that cannot be read is Annotations/1\.xml: .* four numbers"
    ):
        prepared(tmp_path / "voc")
