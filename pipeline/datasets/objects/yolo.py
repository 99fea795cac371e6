"""YOLO's data sets: a description of classes and parts, and for each image a text file of its objects."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.config.data import DataConfig
from pipeline.datasets.foreign_paths import find_below, path_parts
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.layout import Layout
from pipeline.datasets.objects.source import ObjectImage, ObjectSource
from pipeline.datasets.objects.yolo_description import (
    Description,
    find_descriptions,
    read_description,
)
from pipeline.datasets.objects.yolo_key_points import hold_key_points
from pipeline.datasets.objects.yolo_labels import YoloLabels
from pipeline.datasets.source import path_order
from pipeline.datasets.split_words import Role, stated_role
from pipeline.datasets.text_files import text_of
from pipeline.datasets.tree import walk
from pipeline.datasets.wrappers import below, below_wrappers

_IMAGES, _LABELS = "images", "labels"
_TRIED = 20  # lines of a list whose images are searched for
_NO_LABELS = "classes.txt"  # may be among the label files


def is_yolo(root: Path) -> bool:
    """Whether a folder without wrappers has a description, and an image with a label file."""
    if not find_descriptions(root):
        return False
    return any(
        is_image_name(file.name) and _label_file(root, f"{folder}/{file.name}" if folder else file.name)
        for folder, _, files in walk(root)
        for file in files
    )


def read_yolo(config: DataConfig, root: Path) -> ObjectSource:
    """Read images and their label files by data.yaml, obj.data or classes.txt.

    Without parts in the description, folders named train, val or test are the splits. The label file of an
    image in images/ is in labels/, else beside it. An image without one has no objects.

    Raises:
        ValueError: no description and no `data.class_names`, an invalid one, a part without images or without
            any label file, an image in two parts, or key points.
    """
    inner = below_wrappers(root)
    files = find_descriptions(inner)
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        raise ValueError(f"{inner}: expected one description of the data, such as data.yaml, found {names}")
    if not files and not config.class_names:
        raise ValueError(
            f"{root}: expected data.yaml, obj.data, obj.names or classes.txt, found none; "
            "or state data.class_names"
        )
    described = read_description(inner, files[0]) if files else Description(inner, config.class_names)
    class_names = config.class_names or described.class_names
    tree = _Files.of(inner)
    places = _stated(inner, described, tree) if described.parts else _by_folders(inner, tree, config.parts)
    _refuse_repeated(described, places)
    prefix = below(root, inner)
    images, unlabelled = [], []
    for split, image in places:
        labels = next((path for path in _label_paths(image) if path in tree.texts), None)
        if labels is None:
            unlabelled.append((split, image))
        target = YoloLabels(inner / labels if labels else None, prefix + (labels or image), len(class_names))
        images.append(ObjectImage(split, prefix + image, target))
    _refuse_unlabelled(root, places, unlabelled, config.parts)
    label_files = (image.annotated.file for image in images if image.annotated.file)
    if hold_key_points(label_files):
        raise ValueError(
            f"{root}: expected boxes or polygons, found lines of a class, a box and points within it: key "
            "points, which are not read"
        )
    return ObjectSource(
        root,
        images,
        class_names=class_names,
        category_ids=tuple(range(1, len(class_names) + 1)),  # YOLO counts from 0, COCO's evaluation from 1
        max_pixels=config.max_pixels,
        notes=tuple(_notes(described, places, unlabelled, tree)),
    )


class _Files(NamedTuple):
    """Files in the folder, with "/"."""

    images: list[str]
    texts: set[str]

    @classmethod
    def of(cls, root: Path) -> "_Files":
        images, texts = [], set()
        for folder, _, files in walk(root):
            start = f"{folder}/" if folder else ""
            images += [start + file.name for file in files if is_image_name(file.name)]
            texts |= {start + file.name for file in files if file.name.endswith(".txt")}
        return cls(sorted(images, key=path_order), texts)


_SplitImage = tuple[str | None, str]  # split, image


def _label_paths(image: str) -> Iterator[str]:
    """Possible paths of an image's label file, the likelier one first."""
    *folders, name = PurePosixPath(image).with_suffix(".txt").parts
    if _IMAGES in folders:
        last = len(folders) - 1 - folders[::-1].index(_IMAGES)
        yield "/".join((*folders[:last], _LABELS, *folders[last + 1 :], name))
    yield "/".join((*folders, name))


def _label_file(root: Path, image: str) -> str | None:
    return next((path for path in _label_paths(image) if (root / path).is_file()), None)


def _by_folders(root: Path, files: _Files, parts: Mapping[str, Role]) -> list[_SplitImage]:
    by_folder = [(str(PurePosixPath(image).parent), image) for image in files.images]
    by_folder = [("" if folder == "." else folder, image) for folder, image in by_folder]
    try:
        layout = Layout.of(dict.fromkeys(folder for folder, _ in by_folder), parts, are_classes=False)
    except ValueError as error:
        raise ValueError(f"{root}: {error}") from error
    return [(place[0], image) for folder, image in by_folder if (place := layout.split_and_class(folder))]


def _stated(root: Path, described: Description, files: _Files) -> list[_SplitImage]:
    found = []
    for split, names in described.parts.items():
        for name in names:
            if (root / name).is_dir():
                start = f"{name}/" if name else ""
                images = [image for image in files.images if image.startswith(start)]
            else:
                images = _listed(root, root / name)
            if not images:
                raise ValueError(f"{root / name}: expected images of the part {split}, found none")
            found += [(split, image) for image in images]
    return found


def _listed(root: Path, file: Path) -> list[str]:
    """The images of a list, one path per line, relative to the list's folder or from another machine."""
    lines = [line.strip() for line in text_of(file).splitlines()]
    paths = [path_parts(line) for line in lines if line]
    beside = path_parts(below(root, file.parent))
    for parts in paths[:_TRIED]:
        for start in dict.fromkeys((beside, ())):
            place = find_below(root.joinpath(*start), "/".join(parts))
            if place:
                dropped = len(parts) - len(path_parts(place))
                return ["/".join((*start, *path[dropped:])) for path in paths]
    if paths:
        raise ValueError(f"{file}: expected paths of images in {root}, found {'/'.join(paths[0])!r}")
    return []


def _refuse_repeated(described: Description, places: Iterable[_SplitImage]) -> None:
    first: dict[str, str | None] = {}
    for split, image in places:
        if image in first:
            where = f"twice in {split}" if first[image] == split else f"in {first[image]} and in {split}"
            raise ValueError(
                f"{described.file}: expected every image in one part, found {image} {where}; "
                "take the second out of the description"
            )
        first[image] = split


def _refuse_unlabelled(
    root: Path, places: list[_SplitImage], unlabelled: list[_SplitImage], parts: Mapping[str, Role]
) -> None:
    """Raise ValueError if no image of a part has a label file: it is unlabelled, not without objects."""
    labelled = {split for split, _ in set(places) - set(unlabelled)}
    for split, image in unlabelled:
        if split in labelled or (split and stated_role(split, parts) == "unused"):
            continue
        remedy = f'; to leave it out state data.parts = {{ "{split}" = "unused" }}' if split else ""
        raise ValueError(
            f"{root}: expected label files of {f'the part {split}' if split else 'the images'}, such as "
            f"{next(_label_paths(image))} for {image}, found none{remedy}"
        )


def _notes(
    described: Description, places: list[_SplitImage], unlabelled: list[_SplitImage], files: _Files
) -> Iterator[str]:
    if described.parts:
        parts = (
            f"{split} = {', '.join(name or './' for name in names)}"
            for split, names in described.parts.items()
        )
        yield f"parts: by {described.file.name}: {'; '.join(parts)}"
    if described.missing:
        yield f"caution: {described.file.name} names a test part that is not there: {described.missing[0]}"
    if unlabelled:
        yield (
            f"no objects: {len(unlabelled)} of {len(places)} images have no label file, such as "
            f"{unlabelled[0][1]}"
        )
    if num_unused := len(set(files.images) - {image for _, image in places}):
        yield f"skipped: {num_unused} images that are in no part"
    used = {path for _, image in places for path in _label_paths(image)}
    folders = {PurePosixPath(path).parent for path in used & files.texts}
    left = sorted(
        path for path in map(PurePosixPath, files.texts - used)
        if path.parent in folders and _LABELS in path.parts and path.name != _NO_LABELS
    )  # fmt: skip
    if left:
        yield f"skipped: {len(left)} label files without an image in any part, such as {left[0]}"
