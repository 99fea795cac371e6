"""CVAT's own xml, "CVAT for images": boxes, polygons and masks of many images in one file.

Coordinates are continuous: the first pixel is from 0 to 1.

Source: CVAT's description of its XML annotation format, version 1.1.
"""

import math
import xml.etree.ElementTree as xml
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from pipeline.config.data import DataConfig
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.objects.annotated import AnnotatedImage, AnnotatedObject
from pipeline.datasets.objects.source import ObjectImage, ObjectSource
from pipeline.datasets.objects.xml_file import root_tag, xml_root
from pipeline.datasets.split_words import whole_role
from pipeline.datasets.tree import folders_in, walk
from pipeline.datasets.wrappers import below, below_wrappers

_ROOT = "annotations"
_FEWEST = 6  # numbers of a polygon
_TAGS = ("tag",)  # of a whole image, so not an object


def is_cvat(root: Path) -> bool:
    """Whether a folder without wrappers has a file of CVAT at its top level, or in split folders."""
    return bool(_files(root))


def read_cvat(config: DataConfig, root: Path) -> ObjectSource:
    """Read the xml files with the images that they name, in images/ beside them or not.

    The split of an image is its subset, else the file's name if that is train, val or test, else the split
    folder of the file. Classes are the
    labels of the file in its order, unless the data section names them.

    Raises:
        ValueError: no such file, one of video tracks, files with different labels, an image in two files, or
            a label that is not among the classes.
    """
    inner = below_wrappers(root)
    files = _files(inner)
    if not files:
        raise ValueError(f"{root}: expected an xml file of CVAT with <{_ROOT}>, found none")
    prefix = below(root, inner)
    found = {
        f"{folder}/{file.name}" if folder else file.name
        for folder, _, listed in walk(inner)
        for file in listed
        if is_image_name(file.name)
    }
    names: dict[str, None] = {}
    images, tags = [], Counter()
    contents = [(file, _content(file)) for file in files]
    for _, content in contents:
        names |= dict.fromkeys(_labels(content))
    class_names = config.class_names or tuple(names)
    if not class_names:
        raise ValueError(f"{files[0]}: expected labels in <meta>, found none; state data.class_names")
    label_of = {name: label for label, name in enumerate(class_names)}
    for file, content in contents:
        for element in content.iter("image"):
            tags.update(child.tag for child in element if child.tag in _TAGS)
            images.append(_image(inner, file, element, found, prefix, label_of, config.max_pixels))
    _refuse_repeated(root, images)
    notes = [f"skipped: {count} of CVAT's <{tag}>, which are no objects" for tag, count in tags.items()]
    if num_left := len(found - {image.path.removeprefix(prefix) for image in images}):
        notes.append(f"skipped: {num_left} images that no xml file names")
    return ObjectSource(
        root,
        images,
        class_names=class_names,
        category_ids=tuple(range(1, len(class_names) + 1)),  # CVAT has only names; COCO counts from 1
        max_pixels=config.max_pixels,
        notes=tuple(notes),
    )


def _files(root: Path) -> list[Path]:
    splits = [folder for folder in folders_in(root) if whole_role(folder.name)]
    found = sorted(root.glob("*.xml")) or [path for folder in splits for path in sorted(folder.glob("*.xml"))]
    return [path for path in found if root_tag(path) == _ROOT]


def _content(file: Path) -> xml.Element:
    try:
        content = xml_root(file)
    except (xml.ParseError, ValueError) as error:
        raise ValueError(f"{file}: annotations cannot be read: {error}") from error
    if content.find("track") is not None:
        raise ValueError(
            f'{file}: expected an export "CVAT for images", found the tracks of "CVAT for video"'
        )
    return content


def _labels(content: xml.Element) -> Iterator[str]:
    for label in content.iterfind("meta//labels/label"):
        if name := (label.findtext("name") or "").strip():
            yield name


def _image(
    root: Path,
    file: Path,
    element: xml.Element,
    found: set[str],
    prefix: str,
    label_of: dict[str, int],
    max_pixels: int,
) -> ObjectImage:
    """`found` are the images below `root`, `prefix` leads to it from the source."""
    name, subset = element.get("name", ""), element.get("subset")
    stem = file.stem if whole_role(file.stem) else None
    beside = below(root, file.parent)
    split = subset or stem or beside.removesuffix("/") or None
    folders = ["images/", ""] if split is None else [f"images/{split}/", "images/", f"{split}/", ""]
    folders = [beside + folder for folder in folders]
    path = next((folder + name for folder in folders if folder + name in found), None)
    if path is None:
        return ObjectImage(split, prefix + name, None, f"no such image, though {file.name} names it")
    try:
        width, height = (int(element.get(side, "")) for side in ("width", "height"))
        if min(width, height) < 1 or width * height > max_pixels:
            raise ValueError(f"expected an image within {max_pixels} pixels, found {width} x {height}")
        objects = []
        for number, child in enumerate(element, start=1):
            if child.tag not in _TAGS:
                objects.append(_object(child, f"{child.tag} {number}", label_of, width, height))
    except _UnknownLabel as error:
        raise ValueError(f"{file}: {name}: {error}") from error
    except ValueError as error:
        return ObjectImage(split, prefix + path, None, f"annotations cannot be used: {file.name}: {error}")
    return ObjectImage(split, prefix + path, AnnotatedImage(tuple(objects), (width, height), file.name))


class _UnknownLabel(ValueError):
    """A label that is not a class; an error of the whole data set."""


def _object(
    child: xml.Element, name: str, label_of: dict[str, int], width: int, height: int
) -> AnnotatedObject:
    label = child.get("label", "").strip()
    if label not in label_of:
        raise _UnknownLabel(f"{name}: expected one of {list(label_of)}, found {label!r}")
    label = label_of[label]
    match child.tag:
        case "box":
            if float(child.get("rotation") or 0):
                raise ValueError(
                    f"{name}: expected a box without rotation, found {child.get('rotation')} degrees"
                )
            return AnnotatedObject(name, label, tuple(_numbers(child, name, ("xtl", "ytl", "xbr", "ybr"))))
        case "polygon":
            corners = _corners(child.get("points", ""), name)
            xs, ys = corners[::2], corners[1::2]
            return AnnotatedObject(name, label, (min(xs), min(ys), max(xs), max(ys)), segmentation=[corners])
        case "mask":
            return AnnotatedObject(name, label, None, segmentation=_mask(child, name, width, height))
    raise ValueError(f"{name}: expected box, polygon or mask, found {child.tag}")


def _numbers(child: xml.Element, name: str, keys: tuple[str, ...]) -> list[float]:
    texts = [child.get(key) for key in keys]
    try:
        values = [float(text) for text in texts]
    except (TypeError, ValueError):
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{name}: expected numbers as {', '.join(keys)}, found {texts}")
    return values


def _corners(text: str, name: str) -> list[float]:
    try:
        corners = [float(value) for point in text.split(";") for value in point.split(",")]
    except ValueError as error:
        raise ValueError(f'{name}: expected points as "x,y;x,y", found {text!r:.60}') from error
    if len(corners) < _FEWEST or len(corners) % 2 or not all(map(math.isfinite, corners)):
        raise ValueError(f"{name}: expected three or more points x,y, found {text!r:.60}")
    return corners


def _mask(child: xml.Element, name: str, width: int, height: int) -> dict:
    """Run lengths row by row in a rectangle of the image, empty pixels first -> COCO's."""
    left, top, wide, high = (
        int(value) for value in _numbers(child, name, ("left", "top", "width", "height"))
    )
    if not (min(left, top) >= 0 and 0 < wide <= width - left and 0 < high <= height - top):
        raise ValueError(
            f"{name}: expected a rectangle inside {width} x {height} pixels, "
            f"found {wide} x {high} from ({left}, {top})"
        )
    runs = [run.strip() for run in child.get("rle", "").split(",")]
    # Numbers with few digits and a bounded sum keep memory below the image's size.
    if not all(run.isdecimal() and len(run) < 12 for run in runs) or sum(map(int, runs)) != wide * high:
        raise ValueError(f"{name}: expected rle as run lengths that add up to {wide} x {high} pixels")
    runs = np.array([int(run) for run in runs])
    values = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
    whole = np.zeros((height, width), np.uint8, order="F")
    whole[top : top + high, left : left + wide] = values.reshape(high, wide)
    return run_lengths.encode(whole)


def _refuse_repeated(root: Path, images: list[ObjectImage]) -> None:
    repeated = [path for path, count in Counter(image.path for image in images).items() if count > 1]
    if repeated:
        raise ValueError(f"{root}: expected an image to be described once, found {repeated[0]} again")
