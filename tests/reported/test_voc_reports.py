"""VOC's boxes as public bug reports describe them."""

import pytest

from tests.reported.drawing import CLASSES, SIZE, boxes, hold_boxes, number_in, picture, save


def annotation(name, found, *, shift, fmt, size):
    parts = [f"<annotation><folder>JPEGImages</folder><filename>{name}</filename>"]
    if size:
        parts.append(f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>")
    for x, y, width, height, kind in found:
        corners = {"xmin": x, "ymin": y, "xmax": x + width - 1, "ymax": y + height - 1}
        inner = "".join(f"<{key}>{fmt.format(value + shift)}</{key}>" for key, value in corners.items())
        parts.append(f"<object><name>{CLASSES[kind]}</name><bndbox>{inner}</bndbox></object>")
    return "".join(parts) + "</annotation>"


def voc(root, write, *, name="{:06d}", listed="{}", shift=1, fmt="{}", size=True, drawn=boxes):
    names = [name.format(number) for number in range(15)]
    for number, stem in enumerate(names):
        save(picture(number, drawn(number)), root / f"JPEGImages/{stem}.jpg")
        text = annotation(f"{stem}.jpg", drawn(number), shift=shift, fmt=fmt, size=size)
        write(root / f"Annotations/{stem}.xml", text)
    for part, of in (("train", names[:9]), ("val", names[9:11]), ("test", names[11:])):
        write(root / f"ImageSets/Main/{part}.txt", "".join(listed.format(each) + "\n" for each in of))
    return root


@pytest.fixture
def write():
    def put(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return put


@pytest.mark.parametrize(
    "options",
    [
        {"fmt": "{:.2f}0000076293945"},
        {"name": "img ({})"},
        {"size": False, "listed": "{}  1"},
    ],
    ids=["corners of floats", "names with spaces", "no size, a mark behind names"],
)
def test_as_drawn(tmp_path, write, prepared, options):
    data = prepared(voc(tmp_path / "set", write, **options), annotation="objects")
    assert data.summary["counts"] == {"train": 9, "val": 2, "test": 4}
    hold_boxes(data, number_in, masks=False)


def test_a_corner_of_0_settles_it_for_the_whole_set(tmp_path, write, prepared):
    def in_the_corner(number):
        return [(0, 0, width, height, kind) for *_, width, height, kind in boxes(number)]

    source = voc(tmp_path / "set", write, shift=0, drawn=in_the_corner)
    data = prepared(source, annotation="objects")
    first = boxes(number_in(data.path(0)))[0]
    assert data.objects(0).boxes[0].tolist() == [0, 0, first[2] - 1, first[3] - 1]
    data = prepared(source, annotation="objects", corners="pixels-from-0")
    assert data.objects(0).boxes[0].tolist() == [0, 0, first[2], first[3]]
