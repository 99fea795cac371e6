"""Finds the images that a COCO file names."""

from collections.abc import Collection
from pathlib import Path

from pipeline.datasets.foreign_paths import path_parts
from pipeline.datasets.image_names import stem_and_suffix
from pipeline.datasets.images_by_name import (
    ImagePath,
    images_by_loose_name,
    images_by_name,
    locate,
)
from pipeline.datasets.objects.coco_entries import as_held
from pipeline.datasets.objects.coco_file import CocoFile, Id
from pipeline.datasets.objects.coco_finding import ROBOFLOW
from pipeline.datasets.split_words import folder_role
from pipeline.datasets.wrappers import below

_TRIED = 20  # images of a file that are searched for in each folder
_FOLDERS = ("images", "data")  # of COCO and of FiftyOne


def image_paths(file: CocoFile, root: Path) -> dict[Id, ImagePath]:
    """Where every image of a file is below `root`, by its id.

    The usual folders are tried first. If none has the names as written, images are found by name anywhere
    below `root`, but not in a folder of another split; of several with one name, the one whose folders match
    is taken. If none is found so, names count without suffix and in any case.

    Raises:
        ValueError: none of the images is there.
    """
    parts = {key: _parts(image) for key, image in file.images.items()}
    named = {key: "/".join(words) for key, words in parts.items() if words}
    if not named:
        return {key: _nameless(file.images[key]) for key in parts}
    folder = _usual_folder(file, root, list(named.values())[:: max(1, len(named) // _TRIED)])
    if folder is not None:
        start = f"{folder}/" if folder else ""
        return {
            key: ImagePath(start + named[key]) if key in named else _nameless(file.images[key])
            for key in parts
        }
    by_name = images_by_name(root)
    places = _located(file, parts, by_name)
    if all(place.problem for place in places.values()):
        by_loose_name = images_by_loose_name(by_name)
        loose = {key: _loose(words, by_loose_name) for key, words in parts.items()}
        places = _located(file, loose, by_loose_name)
    if all(place.problem for place in places.values()):
        raise ValueError(
            f"{file.path}: expected its images below {root}, found none of {len(places)}, "
            f"such as {file.images[next(iter(named))]['file_name']!r}"
        )
    return places


def differing_name(file: CocoFile, places: dict[Id, ImagePath]) -> str | None:
    """The first image whose name is not that in the file, for a note; None if all have theirs."""
    for key, place in places.items():
        words = _parts(file.images[key])
        if words and place.problem is None and place.path.rpartition("/")[2] != words[-1]:
            return f"{'/'.join(words)} is {place.path}"
    return None


def _located(
    file: CocoFile, parts: dict[Id, tuple[str, ...]], by_name: dict[str, list[tuple[str, ...]]]
) -> dict[Id, ImagePath]:
    return {
        key: locate(words, _in_split(by_name, words[-1], file.split))
        if words
        else _nameless(file.images[key])
        for key, words in parts.items()
    }


def _loose(words: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """A path whose name is in lower case, and without suffix if it is not known with it."""
    if not words:
        return ()
    name = words[-1].lower()
    return (*words[:-1], name if name in known else stem_and_suffix(name)[0])


def _parts(image: dict) -> tuple[str, ...]:
    name = image.get("file_name")
    return path_parts(name) if isinstance(name, str) else ()


def _nameless(image: dict) -> ImagePath:
    held = as_held(image.get("file_name"))
    return ImagePath(f"image {image['id']}", f"expected a file_name, found {held}")


def _usual_folder(file: CocoFile, root: Path, names: list[str]) -> str | None:
    """The usual folder that has most of the names; None if each has less than half of them."""
    part = file.path.stem.removeprefix("instances_")
    beside = below(root, file.path.parent).removesuffix("/")
    words = [part, *([file.split] if file.split else [])]
    folders = [beside] if file.path.name == ROBOFLOW else []
    folders += [f"{start}{word}" for start in ("images/", "") for word in words]
    num_found = {
        folder: sum((root / folder / name).is_file() for name in names)
        for folder in dict.fromkeys([*folders, *_FOLDERS, "", beside])
    }
    best = max(num_found, key=num_found.get)
    return best if 2 * num_found[best] >= len(names) else None


def _in_split(
    by_name: dict[str, list[tuple[str, ...]]], name: str, split: str | None
) -> list[tuple[str, ...]]:
    found = by_name.get(name, [])
    if split is None:
        return found
    return [path for path in found if folder_role("/".join(path)) in (None, split)]
