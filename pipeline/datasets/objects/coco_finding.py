"""Finds COCO's json files, wherever a tool puts them and however it names them."""

import mmap
from collections.abc import Iterable
from pathlib import Path

from pipeline.datasets.hidden import is_hidden
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tree import folders_in

ROBOFLOW = "_annotations.coco.json"  # in each split folder, beside the images
PREFERRED = "instances_*.json"
KEYS = ("images", "annotations", "categories")
# COCO's other files in the same folder: captions, key points, and segments without a box for each object.
_OTHERS = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")
_BOX_KEYS = ("bbox", "segmentation")
_ANNOTATION_FOLDERS = ("annotations", "annotation", "labels")
_IMAGE_FOLDERS = ("images", "data")
_MANY = 50  # json files in one folder: one for each image, so another program's


def coco_files(root: Path) -> list[Path]:
    """The json files with objects in a folder without wrappers, sorted by name.

    The first of these that exist: annotations/instances_*.json, other files of objects there, Roboflow's, and
    any with COCO's lists and boxes or masks at the top, beside the images or in folders of annotations.
    """
    inner = root / "annotations"
    return (
        sorted(inner.glob(PREFERRED))
        or [path for path in _json_files(inner) if len(keys_in(path, KEYS)) > 1]
        or sorted(root.glob(f"*/{ROBOFLOW}")) + sorted(root.glob(ROBOFLOW))
        or [path for folder in _folders(root) for path in _json_files(folder) if _holds_objects(path)]
    )


def keys_in(path: Path, keys: Iterable[str]) -> list[str]:
    """Those of `keys` that appear in quotes in a file's text; the file is searched, not parsed."""
    if not path.stat().st_size:
        return []
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return [key for key in keys if text.find(f'"{key}"'.encode()) >= 0]


def _holds_objects(path: Path) -> bool:
    """Whether a file could be COCO's; two of its lists suffice, so that the missing one can be named."""
    found = keys_in(path, KEYS)
    return "images" in found and len(found) > 1 and bool(keys_in(path, _BOX_KEYS))


def _json_files(folder: Path) -> list[Path]:
    files = [
        path for path in sorted(folder.glob("*.[jJ][sS][oO][nN]"))
        if path.is_file() and not is_hidden(path.name) and not path.name.startswith(_OTHERS)
    ]  # fmt: skip
    return files if len(files) <= _MANY else []


def _folders(root: Path) -> list[Path]:
    """The folder itself, its subfolders, and theirs that are named for annotations, a split, or images."""
    found = [root]
    for folder in folders_in(root):
        found += [folder, *filter(_may_hold_json, folders_in(folder))]
    return found


def _may_hold_json(folder: Path) -> bool:
    return folder.name.lower() in (*_ANNOTATION_FOLDERS, *_IMAGE_FOLDERS) or role_of(folder.name) is not None
