"""Equal files and look-alikes that were put there, and nothing else."""

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig
from pipeline.config.duplicates import DuplicatesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.preparing import prepare
from pipeline.report.duplicates import cautions, find_duplicates


def scenery(seed):
    """40 x 30 pixels of smooth random shapes in colour: no two alike."""
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 6, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((40, 30), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path):
    """Images by path below a folder of classes; what is written twice is written as the same file."""

    def write(images):
        for name, image in images.items():
            path = tmp_path / "photos" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
        output = tmp_path / "prepared"
        output.mkdir()
        prepare(DataConfig(source=str(tmp_path / "photos"), val_share=0.0), output, num_workers=1)
        return PreparedDataset.open(output)

    return write


def of_parts(found):
    return {tuple(entry["parts"]): (entry["equal"], entry["alike"]) for entry in found["parts"]}


def test_equal_and_alike_images_are_counted_in_and_across_parts(folder):
    brighter = scenery(1).point(lambda value: 30 + value * 3 // 4)
    photos = {f"train/a/{seed}": scenery(seed) for seed in range(12)}
    photos |= {
        "train/b/again": scenery(3),  # equal, of another class
        "test/a/copy": scenery(0),
        "test/a/bright": brighter,
        "test/a/small": scenery(2).resize((80, 60), Image.Resampling.LANCZOS),
        "test/a/new": scenery(99),
        "test/b/mirrored": scenery(4).transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        # Pictures of one colour all look alike, and say nothing; their files are not equal.
        "train/b/grey": Image.new("RGB", (40, 30), (90, 90, 90)),
        "test/b/white": Image.new("RGB", (40, 30), (250, 250, 250)),
    }
    dataset = folder(photos)
    found = find_duplicates(dataset, DuplicatesConfig(), num_threads=2)
    assert of_parts(found) == {("test", "train"): (1, 2), ("train", "train"): (2, 0)}
    assert found["num_images"] == found["num_compared"] == {"train": 14, "val": 0, "test": 6}
    pairs = {(pair["kind"], *sorted(dataset.path(row) for row in pair["rows"])) for pair in found["pairs"]}
    assert pairs == {
        ("equal", "test/a/copy.png", "train/a/0.png"),
        ("alike", "test/a/bright.png", "train/a/1.png"),
        ("alike", "test/a/small.png", "train/a/2.png"),
        ("equal", "train/a/3.png", "train/b/again.png"),
    }
    assert cautions(found) == [
        "Caution: of 6 test images of photos, training has 1 too (equal files) and 2 nearly (correlation "
        "0.995 or more)."
    ]


def test_a_large_set_is_compared_in_part_but_equal_files_are_all_found(folder):
    photos = {f"train/a/{seed:02d}": scenery(seed) for seed in range(30)}
    photos |= {f"test/a/{seed}": scenery(100 + seed) for seed in range(9)} | {"test/a/9": scenery(7)}
    seen = []

    def show(images, total):
        seen.append(total)
        return images

    found = find_duplicates(folder(photos), DuplicatesConfig(max_images=20), show=show)
    assert seen == [20]
    assert found["num_compared"] == {"train": 15, "val": 0, "test": 5}
    assert of_parts(found) == {("test", "train"): (1, 0)}


def test_without_anything_twice_there_is_no_caution(folder):
    photos = {f"{part}/a/{seed}": scenery(seed) for seed, part in enumerate(["train"] * 5 + ["test"] * 3)}
    found = find_duplicates(folder(photos), DuplicatesConfig())
    assert (found["parts"], found["pairs"], cautions(found)) == ([], [], [])


def test_only_a_part_that_was_compared_is_spoken_of():
    found = {
        "dataset": "d", "similarity": 0.98, "num_images": {"test": 50}, "num_compared": {"test": 20},
        "parts": [{"parts": ["test", "train"], "equal": 0, "alike": 3}],
    }  # fmt: skip
    assert cautions(found) == [
        "Caution: of 50 test images of d, training has 3 of 20 that were compared nearly (correlation 0.98 "
        "or more)."
    ]


def test_files_are_equal_by_all_of_their_digest(folder, monkeypatch):
    """Two files whose digests begin alike are two files; of three equal ones, each has another."""
    from pipeline.report import duplicates

    parts = ["train"] * 5 + ["test"]
    dataset = folder({f"{part}/a/{seed}": scenery(seed) for seed, part in enumerate(parts)})
    train, test = dataset.indices("train"), dataset.indices("test")
    digests = np.zeros((6, 32), np.uint8)
    digests[train, 31], digests[test, 31] = [1, 2, 2, 3, 2], 3
    monkeypatch.setattr(duplicates, "read_digests", lambda path: digests)
    found = find_duplicates(dataset, DuplicatesConfig())
    assert of_parts(found) == {("train", "train"): (3, 0), ("test", "train"): (1, 0)}
    assert [pair["rows"] for pair in found["pairs"] if pair["parts"] == ["test", "train"]] == [
        [test[0], train[3]]
    ]
