"""The plain layouts: a folder of images beside a folder of masks, or lists of an image and its mask.

`images/` and `masks/` may have split folders below them, or lie in split folders; or `train_labels/` lies
beside `train/`; or train.txt, val.txt and test.txt hold lines of "image mask".
"""

from pathlib import Path

from pipeline.datasets.hidden import is_hidden
from pipeline.datasets.label_maps.pair_lists import listed_pairs, lists_in
from pipeline.datasets.label_maps.pairs import called_after, holds_images, paired_folders, stems_in
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.source import Pair
from pipeline.datasets.layout import SPLIT_FOLDERS

# Of each pair of words the first that is found; masks only count where they hold images, not e.g. text.
_IMAGES = ("images", "image", "imgs", "img", "img_dir")
_MASKS = ("masks", "mask", "labels", "annotations", "ann_dir")
_BESIDE_SPLIT = ("_labels", "_masks")  # behind the name of a split's folder of images


def _is_present(root: Path) -> bool:
    return bool(lists_in(root)) or bool(_folders(root))


def _folders(root: Path) -> list[tuple[str | None, str, str]]:
    """(split, images, masks) of every pair of folders; the split is None where it is to be found below."""
    places = {"": None} | {
        f"{path.name}/": path.name
        for path in sorted(root.iterdir())
        if path.is_dir() and not is_hidden(path.name) and path.name.lower() in SPLIT_FOLDERS
    }
    found = []
    for place, split in places.items():
        images, masks = (
            next((place + word for word in words if holds_images(root, place + word)), None)
            for words in (_IMAGES, _MASKS)
        )
        if images and masks and (masks := _of_their_names(root, images, masks)):
            found.append((split, images, masks))
        for ending in _BESIDE_SPLIT if split else ():
            if holds_images(root, split + ending) and holds_images(root, split):
                found.append((split, split, split + ending))
    return found


def _of_their_names(root: Path, images: str, masks: str) -> str | None:
    """The folder of masks, or one directly in it, in which some are called after the images."""
    stems = stems_in(root, images)
    inside = sorted(path for path in (root / masks).iterdir() if path.is_dir() and not is_hidden(path.name))
    places = [masks, *(f"{masks}/{path.name}" for path in inside)]
    return next((place for place in places if called_after(stems, stems_in(root, place))), None)


def _pairs(root: Path) -> list[Pair]:
    if lists_in(root):
        return listed_pairs(root)
    pairs = []
    for split, images, masks in _folders(root):
        found = paired_folders(root, images, masks, split)
        pairs += found if split else [_with_split(pair, len(images) + 1) for pair in found]
    return pairs


def _with_split(pair: Pair, start: int) -> Pair:
    """The pair, its split taken from the first folder of the image's path after `start` characters."""
    folder = pair.image[start:].split("/")[0]
    return pair._replace(split=folder if folder.lower() in SPLIT_FOLDERS else None)


IMAGE_MASKS = LabelMapFormat(
    layout=f'folders named {" or ".join(_IMAGES)} and {" or ".join(_MASKS)}, or lists of "image mask" lines',
    is_present=_is_present,
    pairs=_pairs,
    class_names=lambda root: None,
    ignored=(255,),
)
