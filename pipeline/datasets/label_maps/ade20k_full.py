"""ADE20K in full, release 2021_17_01: x_seg.png beside x.jpg, with class and instance of each pixel in RGB.

The number of a class is R // 10 * 256 + G, 0 where nothing is annotated; B, the instance, is not read. The
names come from the json file beside each image (`name`, `name_ndx`). The release's index is pickled and not
opened; parts of objects and masks of single instances are in other files.

Source: the three images with annotations in the repository CSAILVision/ADE20K.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.label_maps.reading import LabelMapFormat, read_label_maps
from pipeline.datasets.label_maps.source import LabelMapSource, Pair
from pipeline.datasets.tree import walk
from pipeline.datasets.wrappers import below_wrappers
from pipeline.storage.foreign_json import parse_json

_ENDING = "_seg"
_SPLITS = ("training", "validation")
_PLACES = ("images/ADE", "ADE", "images", "")  # possible parents of the split folders
_MAX_CLASS = 255 // 10 * 256 + 255


def _parts(root: Path) -> list[tuple[str | None, str]]:
    """(split, folder below `root`) of the parts; a folder of images alone has no split."""
    for place in _PLACES:
        parts = [(split, f"{place}/{split}" if place else split) for split in _SPLITS]
        if found := [part for part in parts if next(_images(root, part[1]), None)]:
            return found
    return [(None, "")] if next(_images(root, ""), None) else []


def _images(root: Path, top: str) -> Iterator[tuple[str, str]]:
    """(image, its annotation without suffix), relative to `root`, of the annotated images in `top`."""
    if not (root / top).is_dir():
        return
    for folder, _, files in walk(root / top):
        start = "".join(f"{part}/" for part in (top, folder) if part)
        names = {file.name for file in files}
        if not any(name.endswith(f"{_ENDING}.png") for name in names):
            continue
        for name in sorted(names):
            stem = name.rsplit(".", 1)[0]
            if is_image_name(name) and {f"{stem}{_ENDING}.png", f"{stem}.json"} <= names:
                yield start + name, start + stem


def _all_images(root: Path) -> Iterator[tuple[str | None, str, str]]:
    """(split, image, its annotation without suffix) of all annotated images."""
    for split, folder in _parts(root):
        yield from ((split, *found) for found in _images(root, folder))


def _pairs(root: Path) -> list[Pair]:
    return [Pair(split, image, f"{stem}{_ENDING}.png") for split, image, stem in _all_images(root)]


def class_numbers(root: Path) -> dict[int, str]:
    """Number -> name of every class in the json files beside the images.

    A name is the first of its synonyms, or all of them if two classes share the first, with the number if
    they share all. Parts of objects are not classes.

    Raises:
        ValueError: a file is not in the release's format, or names a class differently from an earlier file.
    """
    full: dict[int, str] = {}
    for _, _, stem in _all_images(root):
        path = root / f"{stem}.json"
        for number, name in _named_in(path):
            if full.setdefault(number, name) != name:
                raise ValueError(
                    f"{path}: expected the name {full[number]!r} of class {number}, as in a file before, "
                    f"found {name!r}"
                )
    first = {number: name.split(",")[0].strip() for number, name in full.items()}
    count = Counter(first.values())
    names = {number: first[number] if count[first[number]] == 1 else full[number] for number in sorted(full)}
    count = Counter(names.values())
    return {number: name if count[name] == 1 else f"{name} ({number})" for number, name in names.items()}


def _named_in(path: Path) -> Iterator[tuple[int, str]]:
    try:
        content = path.read_bytes()
        try:
            found = parse_json(content)
        except UnicodeDecodeError:  # some files of the release are in Latin-1
            found = parse_json(content.decode("latin-1"))
        for thing in found["annotation"]["object"]:
            number, name = thing["name_ndx"], thing["name"]
            if not isinstance(name, str) or type(number) is not int or not 0 < number <= _MAX_CLASS:
                raise ValueError(f"found {name!r} with the number {number!r}")
            if thing["parts"]["part_level"] == 0:
                yield number, name.strip()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    except (ValueError, LookupError, TypeError) as error:
        reason = f"{error}" if isinstance(error, ValueError) else f"none of it ({error!r})"
        raise ValueError(
            f"{path}: expected annotation.object with a name, a name_ndx from 1 to {_MAX_CLASS} and "
            f"parts.part_level each: {reason}"
        ) from error


def _read(config: DataConfig, root: Path) -> LabelMapSource:
    inner = below_wrappers(root)
    if not _parts(inner):
        raise ValueError(f"{root}: expected {ADE20K_FULL.layout}")
    named = class_numbers(inner)
    if not named:
        raise ValueError(f"{root}: no object in any of the json files beside the images")
    layout = replace(
        ADE20K_FULL, class_names=lambda root: tuple(named.values()), values=tuple(named), read=None
    )
    return read_label_maps(layout, config, root)


ADE20K_FULL = LabelMapFormat(
    layout="the folders training and validation, below images/ADE, with x_seg.png and x.json beside x.jpg",
    is_present=lambda root: bool(_parts(root)),
    pairs=_pairs,
    class_names=lambda root: tuple(class_numbers(root).values()),
    published="ADE20K",
    named_by="the json files beside the images; 0 is ignored",
    ignored=(0,),
    packing="R // 10 * 256 + G",
    read=_read,
)
