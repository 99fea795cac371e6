"""Finds the label map of each image."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.label_maps.source import Pair
from pipeline.datasets.source import path_order
from pipeline.datasets.tree import walk

# Suffixes that programs append to the image's name: the common ones, ISIC's, CamVid's with class_dict.csv.
ENDINGS = (
    "_mask",
    "_segmentation",
    "_L",
    "_seg",
    "_gt",
    "_label",
    "_labels",
    "_groundtruth",
    "-mask",
    "_Mask",
)
_BEFORE = ("mask_", "gt_", "label_")


def image_files(root: Path, folder: str) -> list[str]:
    """Every image file below `root / folder`, relative to `root`, in the order of `path_order`."""
    if not (root / folder).is_dir():
        return []
    found = []
    for below, _, files in walk(root / folder):
        start = f"{folder}/{below}" if below else folder
        found += [f"{start}/{file.name}" for file in files if is_image_name(file.name)]
    return sorted(found, key=path_order)


def holds_images(root: Path, folder: str) -> bool:
    """Whether there is an image file anywhere below `root / folder`."""
    if not (root / folder).is_dir():
        return False
    return any(is_image_name(file.name) for _, _, files in walk(root / folder) for file in files)


def stems_in(root: Path, folder: str) -> set[str]:
    """Names without suffix, with their folders, of the image files below `root / folder`."""
    return {_stem(path, folder) for path in image_files(root, folder)}


def called_after(images: set[str], label_maps: set[str]) -> bool:
    """Whether any label map has the name of an image."""
    found = label_maps | {_without_suffix(name) for name in label_maps}
    return any(name in found for stem in images for name in named_after(stem))


def paired_folders(root: Path, images: str, label_maps: str, split: str | None) -> list[Pair]:
    """Pair the images of a folder with files of the same name, apart from the suffix, in another folder.

    A label map may also be called photo.jpg.png, after the whole name, or have one of ENDINGS after the name,
    if no file has the name itself. An image without a label map becomes a pair with a problem; so do
    images that share one, and those that have two. A label map without an image is skipped.
    """
    by_stem, again = {}, {}
    for path in image_files(root, label_maps):
        if (first := by_stem.setdefault(_stem(path, label_maps), path)) != path:
            again[first] = path
    pairs, images_of = [], defaultdict(list)
    for image in image_files(root, images):
        stem = _stem(image, images)
        names = (image[len(images) + 1 :], *named_after(stem))
        label_map = next((by_stem[name] for name in names if name in by_stem), None)
        problem = None if label_map else f"no label map: expected {label_maps}/{stem}.png"
        if label_map in again:
            problem = f"expected one label map, found {label_map} and {again[label_map]}"
        images_of[label_map].append(image)
        pairs.append(Pair(split, image, label_map or "", problem))
    for place, pair in enumerate(pairs):
        if pair.problem is None and len(sharing := images_of[pair.label_map]) > 1:
            other = next(image for image in sharing if image != pair.image)
            problem = f"expected a label map of its own, found {pair.label_map}, which {other} has too"
            pairs[place] = pair._replace(problem=problem)
    return pairs


def named_after(stem: str) -> Iterator[str]:
    """Possible names, without suffix, of the label map of an image, the likeliest first."""
    yield stem
    for ending in ENDINGS:
        yield stem + ending
    folder, slash, name = stem.rpartition("/")
    for start in _BEFORE:
        yield f"{folder}{slash}{start}{name}"


def _without_suffix(name: str) -> str:
    """Drop an image's suffix: photo.jpg, from the label map photo.jpg.png, becomes photo."""
    return str(PurePosixPath(name).with_suffix("")) if is_image_name(name) else name


def _stem(path: str, folder: str) -> str:
    return str(PurePosixPath(path[len(folder) + 1 :]).with_suffix(""))
