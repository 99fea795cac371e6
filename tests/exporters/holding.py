"""Compares what is prepared from a tool's files with what was drawn."""

import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.splits import SPLITS
from tests.exporters.drawn import CLASSES, Scene, classified, scenes

CORNER_PIXELS = 0.5
OVERLAP = 0.98


def _by_name(data: PreparedDataset) -> dict[str, int]:
    """Rows by the name of the file, without folders, suffix, Cityscapes' ending and an upload's beginning."""
    names = (data.path(row).rsplit("/", 1)[-1].split(".")[0] for row in range(len(data)))
    plain = (name.removesuffix("_leftImg8bit").removesuffix("_000000_000019") for name in names)
    return {name.removeprefix("0a1b2c3d-"): row for row, name in enumerate(plain)}


def _split(data: PreparedDataset, row: int) -> str:
    return next(split for split in SPLITS[:3] if row in data.indices(split))


def hold_images(data: PreparedDataset, expected: list[Scene] | None = None) -> list[tuple[Scene, int]]:
    """Every scene and its row, after comparing names, sizes and splits."""
    expected = list(scenes()) if expected is None else expected
    rows = _by_name(data)
    assert sorted(rows) == sorted(scene.name for scene in expected)
    assert len(data) == len(expected)
    for scene in expected:
        assert data.size(rows[scene.name]) == scene.size, scene.name
        assert _split(data, rows[scene.name]) == scene.split, scene.name
    return [(scene, rows[scene.name]) for scene in expected]


def hold_objects(
    data: PreparedDataset,
    *,
    masks: bool,
    expected: list[Scene] | None = None,
    crowds: bool = False,
    corners: float = CORNER_PIXELS,
    overlap: float = OVERLAP,
) -> None:
    """Compare classes, counts, corners and, with `masks`, masks.

    Args:
        crowds: whether objects in parts or with holes are crowds.
        corners: pixels by which a corner may be off.
        overlap: minimum intersection over union of each mask.
    """
    assert sorted(data.class_names) == sorted(CLASSES)
    for scene, row in hold_images(data, expected):
        found = data.objects(row)
        left = list(range(len(found.classes)))
        assert len(left) == len(scene.things), scene.name
        for thing in scene.things:
            same = [k for k in left if data.class_names[found.classes[k]] == CLASSES[thing.label]]
            assert same, f"{scene.name}: no {CLASSES[thing.label]}"
            nearest = min(same, key=lambda k: np.abs(found.boxes[k] - np.array(thing.box)).max())
            left.remove(nearest)
            assert np.abs(found.boxes[nearest] - np.array(thing.box)).max() <= corners, scene.name
            assert bool(found.crowd[nearest]) == (crowds and not thing.is_whole), scene.name
            if masks:
                assert _overlap(found.masks(*scene.size[::-1])[nearest], thing.mask) > overlap, scene.name


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def hold_label_maps(
    data: PreparedDataset, background: str | None = "background", expected: list[Scene] | None = None
) -> None:
    """Compare every pixel's class; background None: it is ignored."""
    names = (background, *CLASSES)
    assert set(data.class_names) == {name for name in names if name is not None}
    for scene, row in hold_images(data, expected):
        found = data.label_map(row)
        for number, name in enumerate(names):
            label = -1 if name is None else data.class_names.index(name)
            assert (found[scene.label_map() == number] == label).all(), (scene.name, name)


def hold_classes(data: PreparedDataset, *, splits: bool = True) -> None:
    """Compare the class of every image that has one."""
    rows = _by_name(data)
    assert sorted(data.class_names) == sorted(CLASSES)
    assert sorted(rows) == sorted(scene.name for scene, _ in classified())
    for scene, label in classified():
        row = rows[scene.name]
        assert data.class_names[data.labels[row]] == CLASSES[label], scene.name
        if splits:
            assert _split(data, row) == scene.split, scene.name
