"""Small pictures with known rectangles, and comparisons of what is prepared with them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.datasets.prepared import PreparedDataset

SIZE = (64, 48)  # width, height
CLASSES = ("block", "disc")

Box = tuple[int, int, int, int, int]  # x, y, width, height in pixels, class


def boxes(seed: int) -> list[Box]:
    """One to three boxes that begin at pixel 1 or later; a few seeds give both classes."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(1 + seed % 3):
        width, height = rng.integers(10, 20, 2)
        x, y = rng.integers(1, SIZE[0] - width), rng.integers(1, SIZE[1] - height)
        found.append((int(x), int(y), int(width), int(height), (seed + number) % 2))
    return found


def picture(seed: int, found: Iterable[Box] = ()) -> Image.Image:
    """Noise with the boxes in colours."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 120, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    for x, y, width, height, kind in found:
        pixels[y : y + height, x : x + width] = ((220, 40, 40), (40, 220, 40))[kind]
    return Image.fromarray(pixels)


def mask(found: Iterable[Box], values: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
    """(H, W) uint8: the first value for the background, then one for each class."""
    labels = np.full(SIZE[::-1], values[0], np.uint8)
    for x, y, width, height, kind in found:
        labels[y : y + height, x : x + width] = values[1 + kind % (len(values) - 1)]
    return labels


def save(image: Image.Image, path: Path, **options) -> None:
    """Save an image, creating its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def class_folder(folder: Path, count: int, *, first: int, suffix: str = ".jpg") -> None:
    """`count` different pictures; numbers from `first` on must not be shared by two calls."""
    for number in range(first, first + count):
        save(picture(number), folder / f"{number:05d}{suffix}")


def hold_boxes(data: PreparedDataset, seed_of: Callable[[str], int], *, masks: bool) -> None:
    """Compare classes, corners to half a pixel, and masks if any, of every image by its path."""
    assert data.class_names == list(CLASSES)
    for row in range(len(data)):
        drawn, found = boxes(seed_of(data.path(row))), data.objects(row)
        assert [CLASSES[kind] for *_, kind in drawn] == [data.class_names[label] for label in found.classes]
        corners = [(x, y, x + width, y + height) for x, y, width, height, _ in drawn]
        assert np.abs(np.array(corners) - found.boxes).max() <= 0.5, data.path(row)
        assert not found.crowd.any()
        if masks:
            for (x, y, width, height, _), pixels in zip(drawn, found.masks(*SIZE[::-1]), strict=True):
                expected = np.zeros(SIZE[::-1], bool)
                expected[y : y + height, x : x + width] = True
                assert np.array_equal(pixels, expected), data.path(row)


def hold_label_maps(data: PreparedDataset, seed_of: Callable[[str], int], names: tuple[str, ...]) -> None:
    """Compare every pixel's class, by the names of background and classes."""
    assert sorted(data.class_names) == sorted(names)
    for row in range(len(data)):
        drawn, found = mask(boxes(seed_of(data.path(row)))), data.label_map(row)
        for value, name in enumerate(names):
            assert (found[drawn == value] == data.class_names.index(name)).all(), data.path(row)


def number_in(path: str) -> int:
    """The number at the end of a file's name, before its suffix and Roboflow's hash."""
    stem = path.rpartition("/")[2].split(".")[0].removesuffix("_jpg")
    digits = "".join(letter if letter.isdigit() else " " for letter in stem)
    return int(digits.split()[-1])
