"""The formats of data, with a reader each. A new one is a function and a line here.

A reader is imported when a source is opened: a configuration is checked without it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.config.data import DataConfig
    from pipeline.datasets.source import Source

PHOTO_SCENES = "photo-scenes"


def _photo_scenes(config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.drawn import DrawnSource

    return DrawnSource(config.photo_scenes)


def _image_folder(config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.image_folder import ImageFolder

    return ImageFolder(path, **_tree_options(config))


def _archive(config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.archive import Archive

    return Archive(path, **_tree_options(config))


def _tree_options(config: "DataConfig") -> dict[str, Any]:
    """What both readers of image trees take from a data section."""
    from pipeline.datasets.source import max_file_bytes

    return {
        "max_bytes": max_file_bytes(config.max_pixels),
        "parts": config.parts,
        "are_classes": config.class_folders,
    }


def _idx(config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.idx import read_idx_folder

    return read_idx_folder(path)


def _npz(config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.npz import read_npz

    return read_npz(path)


def _cifar(config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.cifar import read_cifar

    return read_cifar(path)


def _coco(config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.objects.coco import read_coco

    return read_coco(config, path)


def _voc_boxes(config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.objects.voc import read_voc_boxes

    return read_voc_boxes(config, path)


def _label_maps(layout: str, config: "DataConfig", path: Path) -> "Source":
    from pipeline.datasets.label_maps.layouts import LABEL_MAPS
    from pipeline.datasets.label_maps.reading import read_label_maps

    return read_label_maps(LABEL_MAPS[layout], config, path)


# `data.format` -> reader.
READERS: dict[str, Callable[["DataConfig", Path], "Source"]] = {
    PHOTO_SCENES: _photo_scenes,
    "image-folder": _image_folder,
    "archive": _archive,
    "idx": _idx,
    "npz": _npz,
    "cifar": _cifar,
    "coco": _coco,
    "voc-boxes": _voc_boxes,
    "voc-masks": partial(_label_maps, "voc-masks"),
    "ade20k": partial(_label_maps, "ade20k"),
    "camvid": partial(_label_maps, "camvid"),
    "imagenet-s": partial(_label_maps, "imagenet-s"),
    "image-masks": partial(_label_maps, "image-masks"),
}
