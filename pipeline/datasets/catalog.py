"""Chooses the reader for a data section."""

import difflib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.archive import Archive, archive_kind
from pipeline.datasets.channels.hdf5 import is_hdf5, read_hdf5
from pipeline.datasets.channels.reading import ChannelReading, has_reader
from pipeline.datasets.cifar import cifar_files, read_cifar
from pipeline.datasets.drawn import DrawnSource
from pipeline.datasets.idx import image_files, read_idx_folder
from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.known_sets.class_lists import DTD, FOOD_101
from pipeline.datasets.known_sets.cub import CUB
from pipeline.datasets.known_sets.flowers import FLOWERS_102
from pipeline.datasets.known_sets.imagenet import IMAGENET
from pipeline.datasets.known_sets.oxford_pets import OXFORD_PETS
from pipeline.datasets.known_sets.stl10 import STL_10
from pipeline.datasets.known_sets.sun397 import SUN397
from pipeline.datasets.known_sets.svhn import SVHN
from pipeline.datasets.known_sets.tiny_imagenet import TINY_IMAGENET
from pipeline.datasets.label_maps.ade20k import ADE20K
from pipeline.datasets.label_maps.ade20k_full import ADE20K_FULL
from pipeline.datasets.label_maps.brush_masks import BRUSH_MASKS
from pipeline.datasets.label_maps.camvid import CAMVID
from pipeline.datasets.label_maps.cityscapes import CITYSCAPES
from pipeline.datasets.label_maps.image_masks import IMAGE_MASKS
from pipeline.datasets.label_maps.imagenet_s import IMAGENET_S
from pipeline.datasets.label_maps.masks_beside import MASKS_BESIDE
from pipeline.datasets.label_maps.reading import LabelMapFormat, read_label_maps
from pipeline.datasets.label_maps.voc import VOC_MASKS
from pipeline.datasets.npz import is_npz, read_npz
from pipeline.datasets.objects.coco import read_coco
from pipeline.datasets.objects.coco_finding import coco_files
from pipeline.datasets.objects.cvat import is_cvat, read_cvat
from pipeline.datasets.objects.labelme import is_labelme, read_labelme
from pipeline.datasets.objects.reading import ObjectFormat
from pipeline.datasets.objects.voc import read_voc_boxes
from pipeline.datasets.objects.voc_files import is_voc_boxes
from pipeline.datasets.objects.yolo import is_yolo, read_yolo
from pipeline.datasets.source import Format, Source, max_file_bytes
from pipeline.datasets.tables.hub_folder import HUB_FOLDER
from pipeline.datasets.tables.hub_tables import ARROW_TABLES, PARQUET_TABLES
from pipeline.datasets.tables.image_list import IMAGE_LISTS
from pipeline.datasets.tables.shard_names import is_pattern
from pipeline.datasets.tables.web_shards import WEB_SHARDS
from pipeline.datasets.wrappers import below_wrappers
from pipeline.storage.remote_paths import is_url, path_of

PHOTO_SCENES = "photo-scenes"

# Of two that match a folder, the first, narrower one is used.
LABEL_MAPS: dict[str, LabelMapFormat] = {
    "voc-masks": VOC_MASKS,
    "ade20k": ADE20K,
    "ade20k-full": ADE20K_FULL,
    "camvid": CAMVID,
    "cityscapes": CITYSCAPES,
    "imagenet-s": IMAGENET_S,
    "label-studio-brush": BRUSH_MASKS,
    "image-masks": IMAGE_MASKS,
    "masks-beside": MASKS_BESIDE,
}
OBJECTS: dict[str, ObjectFormat] = {
    "coco": ObjectFormat(lambda root: bool(coco_files(root)), read_coco, ("crowds",)),
    "voc-boxes": ObjectFormat(
        is_voc_boxes, read_voc_boxes, ("class_names", "crowds", "corners", "unannotated")
    ),
    "yolo": ObjectFormat(is_yolo, read_yolo, ("class_names",)),
    "cvat": ObjectFormat(is_cvat, read_cvat, ("class_names",)),
    "labelme": ObjectFormat(is_labelme, read_labelme, ("class_names",)),
}

# Data sets recognised by files of their own; they are tried before everything else that matches a folder.
KNOWN_SETS: dict[str, Format] = {
    "oxford-pets": OXFORD_PETS,
    "tiny-imagenet": TINY_IMAGENET,
    "cub": CUB,
    "flowers-102": FLOWERS_102,
    "dtd": DTD,
    "food-101": FOOD_101,
    "imagenet": IMAGENET,
    "sun397": SUN397,
    "stl-10": STL_10,
    "svhn": SVHN,
}
# Tables of images; of two that match a folder, the first one is used.
TABLES: dict[str, Format] = {
    "webdataset": WEB_SHARDS,
    "parquet": PARQUET_TABLES,
    "arrow": ARROW_TABLES,
    "hub-folder": HUB_FOLDER,
    "csv": IMAGE_LISTS,
}


def _image_folder(config: DataConfig, path: Path) -> ImageFolder:
    options = _tree_options(config)
    if reading := ChannelReading.of(config):
        options |= {"max_bytes": reading.max_bytes, "is_image": has_reader}
    return ImageFolder(path, **options)


def _tree_options(config: DataConfig) -> dict[str, Any]:
    """Options of both readers of image trees, from a data section."""
    return {
        "max_bytes": max_file_bytes(config.max_pixels),
        "parts": config.parts,
        "are_classes": config.class_folders,
    }


def _array_options(config: DataConfig) -> dict[str, Any]:
    """Options of both readers of files of arrays, from a data section."""
    return {"has_channels": config.channels is not None, "labels": config.labels}


# Format -> reader. A new format is one reader and one line here, or in a table above.
READERS: dict[str, Callable[[DataConfig, Path], Source]] = {
    PHOTO_SCENES: lambda config, path: DrawnSource(config.photo_scenes),
    "image-folder": _image_folder,
    "archive": lambda config, path: Archive(path, **_tree_options(config)),
    "idx": lambda config, path: read_idx_folder(path),
    "npz": lambda config, path: read_npz(path, **_array_options(config)),
    "hdf5": lambda config, path: read_hdf5(path, **_array_options(config)),
    "cifar": lambda config, path: read_cifar(path),
    **{name: form.read for name, form in (TABLES | KNOWN_SETS).items()},
    **{name: layout.read for name, layout in OBJECTS.items()},
    **{name: layout.read or partial(read_label_maps, layout) for name, layout in LABEL_MAPS.items()},
}
FORMATS = ("auto", *READERS)  # the values of `data.format`
_FILE_FORMATS = ("archive", "npz", "hdf5", "cifar", *(name for name, form in TABLES.items() if form.of_files))
_FOLDER_FORMATS = tuple(name for name in READERS if name not in (PHOTO_SCENES, "archive", "npz", "hdf5"))
_WITH_LABEL_CELLS = ("csv", "hub-folder", "parquet", "arrow", "webdataset")
_WITH_SEVERAL_LABELS = (*_WITH_LABEL_CELLS, "npz", "hdf5")  # in a cell, or as a matrix of 0 and 1
# The formats for which `data.channels` can be set.
_WITH_CHANNELS = ("image-folder", "csv", "npz", "hdf5")


def check_format(config: DataConfig) -> None:
    """Refuse an unknown format.

    Raises:
        ValueError: lists the formats.
    """
    if config.format not in FORMATS:
        close = difflib.get_close_matches(config.format, FORMATS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"data.format: unknown format {config.format!r}; {hint}choose from {list(FORMATS)}")


def open_source(config: DataConfig) -> tuple[str, Source]:
    """(format, source) of a data section; `format = "auto"` looks at the files.

    Raises:
        FileNotFoundError: `data.source` does not exist.
        ValueError: it is in none of the formats, in several, not in the one that is set, or damaged; or the
            section sets a key about classes or labels that the format does not use.
    """
    check_format(config)
    name = detect(config)
    path = path_of(config.source)
    if name != PHOTO_SCENES and not is_url(config.source) and path.exists():
        allowed = _FOLDER_FORMATS if path.is_dir() else _FILE_FORMATS
        if name not in allowed:
            kind = "folder" if path.is_dir() else "file"
            raise ValueError(
                f"{path} is a {kind}: expected data.format in {', '.join(allowed)}, found {name}"
            )
    try:
        _refuse_unused(config, name)
    except ValueError as error:
        raise ValueError(f"{error}; data.source is {config.source}") from None
    return name, READERS[name](config, path)


def detect(config: DataConfig) -> str:
    """The format of `data.source`.

    Raises:
        FileNotFoundError: `data.source` does not exist.
        ValueError: a file in none of the formats, or a folder that is annotated in several ways.
    """
    if config.source == PHOTO_SCENES:
        return PHOTO_SCENES
    if config.format == PHOTO_SCENES:
        raise ValueError(
            f"data.format is photo-scenes: expected the same of data.source, found {config.source}"
        )
    path = Path(config.source)
    if is_pattern(config.source) or is_url(config.source):
        if config.format not in ("auto", "webdataset"):
            raise ValueError(
                f"data.source: {path} names shards: expected data.format webdataset, found {config.format}"
            )
        return "webdataset"
    if not path.exists():
        raise FileNotFoundError(f"data.source: {path} does not exist")
    if config.format != "auto":
        return config.format
    return _folder_format(path, config.annotation) if path.is_dir() else _file_format(path)


def _folder_format(path: Path, annotation: str) -> str:
    if cifar_files(path):
        return "cifar"
    inner = below_wrappers(path)
    if image_files(inner):
        return "idx"
    if annotation == "any" and (known := _first_present(KNOWN_SETS, inner)):
        return known
    tables = _first_present(TABLES, inner) if annotation == "any" else None
    label_maps = next(
        (name for name, layout in LABEL_MAPS.items() if not layout.only_stated and layout.is_present(inner)),
        None,
    )
    objects = [name for name, layout in OBJECTS.items() if layout.is_present(inner)]
    # Data sets with both annotations, such as VOC and COCO with its panoptic images, are read as asked.
    if annotation == "label-map" and label_maps:
        return label_maps
    if annotation == "objects" and len(objects) == 1:
        return objects[0]
    if annotation != "any" and not objects and not label_maps:
        # Tables of images have neither; that they are there is said when they are refused.
        return _first_present(TABLES, inner) or "image-folder"
    found = [*objects, *([label_maps] if label_maps else []), *([tables] if tables else [])]
    if len(found) > 1:
        raise ValueError(
            f"data.source: {path} is annotated in several ways: set data.format to {', '.join(found)}, or to "
            "image-folder for the images alone"
        )
    return found[0] if found else "image-folder"


def _first_present(formats: dict[str, Format], path: Path) -> str | None:
    is_folder = path.is_dir()
    return next(
        (
            name
            for name, form in formats.items()
            if (form.of_folders if is_folder else form.of_files) and form.is_present(path)
        ),
        None,
    )


def _file_format(path: Path) -> str:
    if table := _first_present(TABLES, path):
        return table
    if is_hdf5(path):
        return "hdf5"
    kind = archive_kind(path)
    if kind is None:
        raise ValueError(
            f"data.source: {path} is in no known format; expected a folder of images, a .zip or .tar of one, "
            "a folder of IDX files, an .npz or HDF5 file, CIFAR in its python version, a table (.csv, .tsv, "
            ".parquet)"
        )
    if kind == "zip":
        return "npz" if is_npz(path) else "archive"
    return "cifar" if cifar_files(path) else "archive"


def _refuse_unused(config: DataConfig, name: str) -> None:
    """Refuse keys that the format does not use: in silence they would seem to have an effect."""
    keys = OBJECTS[name].keys if name in OBJECTS else ()
    if config.class_names and name not in LABEL_MAPS and "class_names" not in keys:
        raise ValueError(f"data.class_names: data in the format {name} names its classes itself")
    for key in ("label_values", "ignored_labels"):
        if getattr(config, key) and name not in LABEL_MAPS:
            raise ValueError(f"data.{key}: data in the format {name} has no label maps")
    if config.crowds != "ignored" and "crowds" not in keys:
        raise ValueError(f"data.crowds: data in the format {name} has no crowds")
    if config.corners != "auto" and "corners" not in keys:
        raise ValueError(f"data.corners: data in the format {name} has no corners to be counted")
    if config.unannotated != "left-out" and "unannotated" not in keys:
        raise ValueError(f"data.unannotated: data in the format {name} say themselves which images are empty")
    if config.columns and name not in TABLES:
        raise ValueError(f"data.columns: data in the format {name} has no columns; state data.format")
    if config.labels == "several" and name not in _WITH_SEVERAL_LABELS:
        raise ValueError(
            f"data.labels: data in the format {name} has one label for each image; several are read of "
            f"{', '.join(_WITH_SEVERAL_LABELS)}"
        )
    if config.label_separator is not None and name not in _WITH_LABEL_CELLS:
        raise ValueError(f"data.label_separator: data in the format {name} has no labels in cells")
    if config.channels and name not in _WITH_CHANNELS:
        raise ValueError(
            f"data.channels: data in the format {name} is read as RGB of 8 bits; expected "
            f"{', '.join(_WITH_CHANNELS)}"
        )
    if config.grey_range and name in (PHOTO_SCENES, "idx", "npz", "hdf5", "cifar", "stl-10", "svhn"):
        raise ValueError(f"data.grey_range: data in the format {name} has 8 bits")
    if config.missing_labels is not None and name not in _WITH_LABEL_CELLS:
        raise ValueError(f"data.missing_labels: data in the format {name} has no labels in cells")
    if config.uncertain_labels is not None and name != "csv":
        raise ValueError(f"data.uncertain_labels: data in the format {name} has no columns of classes")
    if not config.class_folders and name not in ("image-folder", "archive"):
        raise ValueError(f"data.class_folders: data in the format {name} does not take classes from folders")
