"""COCO's json files: boxes and masks of objects, with arbitrary category ids."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.images_by_name import ImagePath
from pipeline.datasets.listed_images import label_order
from pipeline.datasets.objects.annotated import AnnotatedImage, AnnotatedObject
from pipeline.datasets.objects.coco_corners import refuse_corners
from pipeline.datasets.objects.coco_entries import coco_object
from pipeline.datasets.objects.coco_file import CocoFile, Id, is_id
from pipeline.datasets.objects.coco_finding import KEYS, coco_files
from pipeline.datasets.objects.coco_images import differing_name, image_paths
from pipeline.datasets.objects.source import ObjectImage, ObjectSource
from pipeline.datasets.passed_over import passed_over
from pipeline.datasets.split_words import folder_role
from pipeline.datasets.wrappers import below, below_wrappers

# Categories that labelme's converters and others list, and no annotation has.
_NO_CLASSES = ("_background_", "__background__", "background")
_LARGEST_ID = 2**53  # the evaluator stores ids as doubles: above, two ids become one


def read_coco(config: DataConfig, root: Path) -> ObjectSource:
    """Read the files that `coco_files` finds.

    The split is the word train, val or test in the file's name, in its folder's, or in the image's folder;
    else there is none. Images are found by their names. Classes are the categories in the order of their ids,
    except supercategories without annotations. Images and classes keep their ids if these are numbers that
    the evaluator can tell apart, else both are numbered anew.

    Raises:
        ValueError: no such file, none of its images, a file that is not in COCO's format, boxes given as two
            corners, an id that is undefined or defined twice, or an image in two places.
    """
    inner = below_wrappers(root)
    # If no file looks like COCO's, reading the first one names what it lacks.
    paths = coco_files(inner) or sorted(inner.glob("*.json"))[:1]
    if not paths:
        raise ValueError(
            f"{root}: expected a json file with COCO's lists {', '.join(KEYS)}, at the top, in annotations/ "
            "or beside the images, found none"
        )
    files = [CocoFile.read(path, inner) for path in paths]
    for file in files:
        refuse_corners(file)
    names = _merged_categories(files)
    above = _only_above_others(files)
    label_of = {category: label for label, category in enumerate(_in_order(names.keys() - above))}
    new_ids = _why_new_ids(files)
    notes = []
    if above:
        words = ", ".join(f"{names[category]} ({category})" for category in _in_order(above))
        notes.append(f"no class: {words}, which no annotation has: it groups others, or is the background")
    if repeated := _repeated(files, label_of):
        notes.append(f"caution: categories of one name and several ids stay apart: {repeated}")
    if new_ids:
        notes.append(f"ids: counted anew, images by their row in manifest.csv and classes from 1: {new_ids}")
    prefix = below(root, inner)
    images = []
    for file in files:
        places = image_paths(file, inner)
        if differing := differing_name(file, places):
            notes.append(f"caution: images: found without regard to case and suffix: {differing}")
        images += _images(
            file,
            places,
            prefix,
            label_of,
            keep_ids=new_ids is None,
            crowds_are_objects=config.crowds == "objects",
        )
    _refuse_repeated(images)
    notes += passed_over(root, {image.path for image in images}, "images that no json file of COCO names")
    return ObjectSource(
        root,
        images,
        class_names=tuple(names[category] for category in label_of),
        category_ids=tuple(range(1, len(label_of) + 1)) if new_ids else tuple(label_of),
        max_pixels=config.max_pixels,
        notes=tuple(notes),
    )


def _in_order(ids: Iterable[Id]) -> list[Id]:
    """Ids in order: numbers, and text that is whole numbers throughout, by their size."""
    return sorted(ids) if all(isinstance(key, int) for key in ids) else list(label_order(set(ids)))


def _merged_categories(files: list[CocoFile]) -> dict[Id, str]:
    """id -> name over all files; equal names with different ids have the id appended.

    Raises:
        ValueError: two files name one id differently, or one has numbers for ids and another has text.
    """
    merged: dict[Id, str] = {}
    for file in files:
        for key, name in file.categories.items():
            if merged and type(key) is not type(known := next(iter(merged))):
                raise ValueError(
                    f"{file.path}: expected category ids that are all numbers or all text, found {key!r}, "
                    f"but {known!r} elsewhere"
                )
            if merged.setdefault(key, name) != name:
                raise ValueError(f"{file.path}: category {key} is {name!r}, but {merged[key]!r} elsewhere")
    times = Counter(merged.values())
    return {key: name if times[name] == 1 else f"{name} ({key})" for key, name in merged.items()}


def _repeated(files: list[CocoFile], label_of: dict[Id, int]) -> str:
    """Names shared by several classes, with their ids; "" if there are none."""
    keys = defaultdict(set)
    for file in files:
        for key, name in file.categories.items():
            if key in label_of:
                keys[name].add(key)
    several = {name: _in_order(found) for name, found in keys.items() if len(found) > 1}
    return ", ".join(f"{name} ({', '.join(map(str, found))})" for name, found in several.items())


def _only_above_others(files: list[CocoFile]) -> set[Id]:
    """Ids of categories without annotations that are the supercategory of others.

    Roboflow's exports begin with such a category, named after the project.
    """
    used = {key for file in files for key in file.used}
    found = set()
    for file in files:
        for key, name in file.categories.items():
            groups = any(above == name for other, above in file.above.items() if other != key)
            if key not in used and (groups or name.lower() in _NO_CLASSES):
                found.add(key)
    return found


def _why_new_ids(files: list[CocoFile]) -> str | None:
    """Why images and classes cannot keep their ids; None if they can."""
    taken: dict[str, dict[Id, str]] = defaultdict(dict)
    for file in files:
        for kind, ids in (("image", file.images), ("category", file.categories)):
            if isinstance(first := next(iter(ids), 0), str):
                return f"{file.path.parent.name}/{file.path.name}: {kind} ids are text, such as {first!r}"
        # Images without a split are training images too, and scores never mix splits.
        of_part, name = taken[file.split or "train"], f"{file.path.parent.name}/{file.path.name}"
        both = next((key for key in file.images if key in of_part), None)
        if both is not None:
            return f"{of_part[both]} and {name} both have an image {both}"
        of_part.update(dict.fromkeys(file.images, name))
        for kind, ids in (("image", file.images), ("category", file.categories)):
            strange = next((key for key in ids if not 0 <= key <= _LARGEST_ID), None)
            if strange is not None:
                return f"{name}: {kind} id {strange} is not within 0 and 2^53"
    return None


def _refuse_repeated(images: list[ObjectImage]) -> None:
    """Raise ValueError if an image is described twice: each description lacks the other's objects."""
    first: dict[str, str] = {}
    for image in images:
        origin = image.annotated.origin
        if image.path in first:
            raise ValueError(
                f"{image.path}: expected an image to be described once, found it in {first[image.path]} "
                f"and again in {origin}"
            )
        first[image.path] = origin


def _images(
    file: CocoFile,
    places: dict[Id, ImagePath],
    prefix: str,
    label_of: dict[Id, int],
    *,
    keep_ids: bool,
    crowds_are_objects: bool,
) -> Iterator[ObjectImage]:
    """Every image of a file with its objects, which are removed from the file to save memory."""
    for key, image in file.images.items():
        path, problem = places[key]
        size = (image.get("width"), image.get("height"))
        annotated = AnnotatedImage(
            tuple(
                _object(found, label_of, file.path, crowds_are_objects)
                for found in file.annotations.pop(key, ())
            ),
            size if all(isinstance(side, int) and side > 0 for side in size) else None,
            file.path.name,
            key if keep_ids else -1,
        )
        yield ObjectImage(file.split or folder_role(path), prefix + path, annotated, problem)


def _object(
    found: dict[str, Any], label_of: dict[Id, int], path: Path, crowds_are_objects: bool
) -> AnnotatedObject:
    category = found.get("category_id")
    if not is_id(category) or category not in label_of:
        raise ValueError(
            f"{path}: annotation {found.get('id')}: expected a category_id among {list(label_of)}, "
            f"found {category!r}"
        )
    return coco_object(found, label_of[category], crowds_are_objects=crowds_are_objects)
