"""The drawn data set that every tool writes: eight images in three parts, with known boxes and masks.

Needs only NumPy and Pillow, because the scripts beside it run in the tools' environment.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

# Not in alphabetical order, so that a tool that sorts them is noticed.
CLASSES = ("zebra", "apple", "melon")
COLOURS = ((200, 40, 40), (40, 180, 60), (60, 80, 220))
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Thing:
    """One object."""

    label: int  # number in CLASSES
    mask: np.ndarray  # (H, W) bool
    is_whole: bool = True  # one part without a hole

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 in pixels, the far corner outside."""
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dataclass(frozen=True, eq=False)
class Scene:
    """One image."""

    name: str  # of its file, without a suffix
    split: str
    things: tuple[Thing, ...]
    size: tuple[int, int]  # width and height, pixels

    def pixels(self) -> np.ndarray:
        """(H, W, 3) uint8: grey noise with the objects in colours."""
        width, height = self.size
        noise = np.random.default_rng(int(self.name[-1])).integers(90, 120, (height, width, 3))
        image = noise.astype(np.uint8)
        for thing in self.things:
            image[thing.mask] = COLOURS[thing.label]
        return image

    def label_map(self) -> np.ndarray:
        """(H, W) uint8: 0 is the background, then one more than the class."""
        labels = np.zeros(self.size[::-1], np.uint8)
        for thing in self.things:
            labels[thing.mask] = thing.label + 1
        return labels


def _boxes(size, *boxes, hole=None) -> np.ndarray:
    mask = np.zeros(size[::-1], bool)
    for x1, y1, x2, y2 in boxes:
        mask[y1:y2, x1:x2] = True
    if hole is not None:
        x1, y1, x2, y2 = hole
        mask[y1:y2, x1:x2] = False
    return mask


def _disc(size, x, y, radius) -> np.ndarray:
    rows, columns = np.mgrid[: size[1], : size[0]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def scenes() -> tuple[Scene, ...]:
    """All images; `plain-3` and `plain-7` have no objects."""
    wide, tall = (104, 68), (76, 98)
    drawn = (
        ("train", wide, [(0, _boxes(wide, (9, 7, 43, 31)), True),
                         (1, _boxes(wide, (50, 12, 62, 52), (72, 22, 95, 41)), False)]),
        ("train", tall, [(2, _boxes(tall, (18, 29, 61, 83), hole=(31, 40, 49, 69)), False),
                         (0, _disc(tall, 40, 14, 11), True)]),
        ("train", wide, [(1, _boxes(wide, (0, 0, 104, 21)), True),
                         (1, _boxes(wide, (33, 40, 104, 68)), True)]),
        ("train", tall, []),
        ("val", tall, [(2, _disc(tall, 47, 61, 24), True), (0, _boxes(tall, (3, 5, 24, 27)), True)]),
        ("val", wide, [(1, _boxes(wide, (61, 4, 63, 60)), True)]),
        ("test", tall, [(1, _boxes(tall, (11, 13, 51, 77)), True), (2, _boxes(tall, (60, 1, 76, 50)), True)]),
        ("test", wide, []),
    )  # fmt: skip
    return tuple(
        Scene(
            f"plain-{number}" if not things else f"scene-{number}",
            split,
            tuple(Thing(*thing) for thing in things),
            size,
        )
        for number, (split, size, things) in enumerate(drawn)
    )


def classified() -> tuple[tuple[Scene, int], ...]:
    """The images with objects, each with the class of its first one."""
    return tuple((scene, scene.things[0].label) for scene in scenes() if scene.things)


def write(folder: Path) -> Path:
    """Write every image as a JPEG file into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for scene in scenes():
        Image.fromarray(scene.pixels()).save(folder / f"{scene.name}.jpg", quality=95)
    return folder
