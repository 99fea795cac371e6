"""COCO's json files: boxes and masks of objects, with category ids of any number."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.objects.annotated import AnnotatedImage, AnnotatedObject
from pipeline.datasets.objects.coco_entries import coco_object, is_number
from pipeline.datasets.objects.coco_file import ROBOFLOW, CocoFile
from pipeline.datasets.objects.source import ObjectImage, ObjectSource
from pipeline.datasets.wrappers import below, below_wrappers

_PREFERRED = "instances_*.json"
# COCO's other files in the same folder: captions, key points, and segments without one box for each object.
_OTHERS = ("captions_", "person_keypoints_", "panoptic_", "stuff_", "image_info_")
_TRIED = 20  # images of a file that are looked for in each folder
_NO_CLASS = "_background_"  # labelme's converters list it among the categories
_LARGEST_ID = 2**53  # the evaluator holds ids in doubles: above, two ids become one


def coco_files(root: Path) -> list[Path]:
    """The json files of a folder without wrappers that hold objects, sorted by name."""
    beside_images = sorted(root.glob(f"*/{ROBOFLOW}")) + sorted(root.glob(ROBOFLOW))
    found = sorted((root / "annotations").glob(_PREFERRED)) or [
        path for path in sorted((root / "annotations").glob("*.json")) if not path.name.startswith(_OTHERS)
    ]
    return found or beside_images


def read_coco(config: DataConfig, root: Path) -> ObjectSource:
    """Read annotations/instances_*.json, or other files of objects there, or Roboflow's in split folders.

    The split is the word train, val or test in the file's or the folder's name; without one, there is none.
    Images are looked for in the usual folders. Classes are the categories in the order of their ids, but for
    those that are only above others. Images and classes keep their ids where the evaluator can tell them
    apart, else both are numbered anew.

    Raises:
        ValueError: no such file, no folder that has the images, a file that is not in COCO's form, an id that
            is not defined or defined twice, an image in two places, or `data.class_names`.
    """
    inner = below_wrappers(root)
    paths = coco_files(inner)
    if not paths:
        raise ValueError(f"{root}: expected annotations/{_PREFERRED} or */{ROBOFLOW}, found neither")
    files = [CocoFile.read(path) for path in paths]
    names = _merged_categories(files)
    above = _only_above_others(files)
    label_of = {category: label for label, category in enumerate(sorted(names.keys() - above))}
    new_ids = _why_new_ids(files)
    notes = []
    if above:
        words = ", ".join(f"{names[category]} ({category})" for category in sorted(above))
        notes.append(f"no class: {words}, which no annotation has: it groups others, or is the background")
    if new_ids:
        notes.append(f"ids: counted anew, images by their row in manifest.csv and classes from 1: {new_ids}")
    prefix = below(root, inner)
    images = []
    for file in files:
        images += _images(
            file,
            inner,
            prefix,
            label_of,
            keep_ids=new_ids is None,
            crowds_are_objects=config.crowds == "objects",
        )
    _refuse_repeated(images)
    return ObjectSource(
        root,
        images,
        class_names=tuple(names[category] for category in label_of),
        category_ids=tuple(range(1, len(label_of) + 1)) if new_ids else tuple(label_of),
        max_pixels=config.max_pixels,
        notes=tuple(notes),
    )


def _merged_categories(files: list[CocoFile]) -> dict[int, str]:
    """id -> name over all files; equal names of different ids are told apart by the id.

    Raises:
        ValueError: two files name one id differently.
    """
    merged: dict[int, str] = {}
    for file in files:
        for key, name in file.categories.items():
            if merged.setdefault(key, name) != name:
                raise ValueError(f"{file.path}: category {key} is {name!r}, but {merged[key]!r} elsewhere")
    times = Counter(merged.values())
    return {key: name if times[name] == 1 else f"{name} ({key})" for key, name in merged.items()}


def _only_above_others(files: list[CocoFile]) -> set[int]:
    """Ids of categories that no annotation has, and that others name as the one above them.

    Roboflow's exports begin with such a category, named after the project.
    """
    used = {key for file in files for key in file.used}
    found = set()
    for file in files:
        for key, name in file.categories.items():
            groups = any(above == name for other, above in file.above.items() if other != key)
            if key not in used and (groups or name == _NO_CLASS):
                found.add(key)
    return found


def _why_new_ids(files: list[CocoFile]) -> str | None:
    """Why images and classes cannot keep their ids; None where they can."""
    taken: dict[str, dict[int, str]] = defaultdict(dict)
    for file in files:
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
    """Raise ValueError where one image is described twice: each time, objects of the other are missing."""
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
    root: Path,
    prefix: str,
    label_of: dict[int, int],
    *,
    keep_ids: bool,
    crowds_are_objects: bool,
) -> Iterator[ObjectImage]:
    """Every image of a file with its objects, which are taken out of the file to save memory."""
    folder = _image_folder(file, root)
    for key, image in file.images.items():
        name = str(image.get("file_name"))
        is_unsafe = name.startswith("/") or ".." in PurePosixPath(name).parts
        problem = "unsafe file_name: absolute, or climbing out of the source" if is_unsafe else None
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
        yield ObjectImage(file.split, f"{prefix}{folder}{name}", annotated, problem)


def _image_folder(file: CocoFile, root: Path) -> str:
    """Which folder a file's names count from: "" or "folder/"."""
    part = file.path.stem.removeprefix("instances_")
    beside = below(root, file.path.parent)
    words = [part, *([file.split] if file.split else [])]
    folders = [beside] if file.path.name == ROBOFLOW else []
    folders += [f"{start}{word}/" for start in ("images/", "") for word in words] + ["images/", "", beside]
    names = [str(image.get("file_name")) for image in list(file.images.values())[:_TRIED]]
    for folder in folders:
        if any((root / folder / name).is_file() for name in names):
            return folder
    if not names:
        return ""
    raise ValueError(
        f"{file.path}: its images, such as {names[0]!r}, are in none of "
        f"{', '.join(folder or './' for folder in dict.fromkeys(folders))} in {root}"
    )


def _object(
    found: dict[str, Any], label_of: dict[int, int], path: Path, crowds_are_objects: bool
) -> AnnotatedObject:
    category = found.get("category_id")
    if not is_number(category) or category not in label_of:
        raise ValueError(
            f"{path}: annotation {found.get('id')}: expected a category_id among {list(label_of)}, "
            f"found {category!r}"
        )
    return coco_object(found, label_of[category], crowds_are_objects=crowds_are_objects)
