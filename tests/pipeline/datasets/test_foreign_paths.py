"""Names in annotation files never lead out of the data folder; other formats have such tests of their own."""

import pytest

from tests.pipeline.datasets.objects.test_voc import described

CLIMBING = ["../../secret", "../../secret.png", "{outside}", "..\\..\\secret", "/etc/hostname"]


@pytest.fixture
def outside(tmp_path, png, write):
    """An image beside the data folder, with annotations as each format has them."""
    write(tmp_path / "secret.png", png(9))
    write(tmp_path / "secret.xml", described(("dog", (1, 1, 5, 4))))
    write(tmp_path / "secret.txt", "0 0.5 0.5 0.5 0.5\n")
    return tmp_path / "secret.png"


def paths(dataset) -> list[str]:
    return [dataset.path(row) for split in ("train", "val", "test") for row in dataset.indices(split)]


@pytest.mark.parametrize("name", CLIMBING)
def test_lists_of_voc(tmp_path, png, write, prepared, outside, name):
    root = tmp_path / "voc"
    for number in ("1", "2", "3"):
        write(root / f"JPEGImages/{number}.png", png(int(number)))
        write(root / f"Annotations/{number}.xml", described(("dog", (1, 1, 5, 4))))
    write(root / "ImageSets/Main/train.txt", f"1\n2\n{name.format(outside=outside)}\n")
    write(root / "ImageSets/Main/test.txt", "3\n")
    dataset = prepared(root, val_share=0, max_bad_share=0.5)
    assert paths(dataset) == ["JPEGImages/1.png", "JPEGImages/2.png", "JPEGImages/3.png"]
    assert "no such image" in (dataset.directory / "quarantine.csv").read_text()


@pytest.mark.parametrize("name", CLIMBING)
def test_lists_of_yolo(tmp_path, png, write, prepared, outside, name):
    root = tmp_path / "yolo"
    for number in ("1", "2", "3"):
        write(root / f"images/{number}.png", png(int(number)))
        write(root / f"labels/{number}.txt", "0 0.5 0.5 0.5 0.5\n")
    write(root / "data.yaml", "names: [dog]\ntrain: train.txt\nval: val.txt\n")
    write(root / "train.txt", f"images/1.png\nimages/2.png\n{name.format(outside=outside)}\n")
    write(root / "val.txt", "images/3.png\n")
    dataset = prepared(root, val_share=0, max_bad_share=0.5)
    assert paths(dataset) == ["images/1.png", "images/2.png", "images/3.png"]
