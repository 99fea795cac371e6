"""Boxes in Pascal VOC's xml files: in Annotations/ beside JPEGImages/, or each beside its image."""

import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.config.data import DataConfig
from pipeline.datasets.objects.annotated import AnnotatedImage, AnnotatedObject
from pipeline.datasets.objects.corners import Corners, counting_of
from pipeline.datasets.objects.source import ObjectImage, ObjectSource
from pipeline.datasets.objects.voc_files import ANNOTATIONS, annotated_files
from pipeline.datasets.objects.xml_file import xml_root
from pipeline.datasets.passed_over import passed_over
from pipeline.datasets.voc_layout import IMAGES
from pipeline.datasets.wrappers import below, below_wrappers

_DIFFICULT = {"": False, "0": False, "unspecified": False, "false": False, "1": True, "true": True}


def read_voc_boxes(config: DataConfig, root: Path) -> ObjectSource:
    """Read images and boxes by the lists in ImageSets/Main/, or else all, in split folders or not.

    How corners are counted follows from `data.corners` or from the corners of the whole set. Objects marked
    as difficult become crowds, which are ignored in scores and as targets, unless `data.crowds` says
    otherwise. Classes are the sorted names found, unless the data section names them.

    An image without an xml file is left out, or has no objects, as `data.unannotated` says; the same with
    lists and without.

    Raises:
        ValueError: another layout, a name that `data.class_names` lacks, no object at all, or lists that
        disagree.
    """
    inner = below_wrappers(root)
    files = annotated_files(inner, config.parts)
    if files is None:
        raise ValueError(
            f"{root}: expected xml files in {ANNOTATIONS}/ beside {IMAGES}/, in folders called for "
            "annotations beside those of images, or one beside each image"
        )
    notes = []
    if config.unannotated == "no-objects" and (bare := [file.image for file in files if file.is_bare]):
        files = [file._replace(problem=None) if file.is_bare else file for file in files]
        notes.append(f"no objects: {len(bare)} images have no xml file, such as {bare[0]}")
    contents = [_read(inner / file.annotation) if file.annotation else _Content() for file in files]
    class_names = config.class_names or _names_in(contents)
    if not class_names:
        problems = zip(files, contents, strict=True)
        first = next((f"{f.annotation}: {p}" for f, c in problems if (p := c.problem)), None)
        reason = f", the first that cannot be read is {first}" if first else "; state data.class_names"
        raise ValueError(f"{root}: no object in any of {len(files)} files{reason}")
    label_of = {name: label for label, name in enumerate(class_names)}
    corners = [(found.corners, content.size) for content in contents for found in content.objects]
    counting, note = counting_of(corners, config.corners)
    notes += [note] if corners else []
    prefix = below(root, inner)
    images = [
        ObjectImage(
            file.split,
            prefix + file.image,
            _annotated(content, prefix + file.annotation, label_of, counting, config.crowds == "objects"),
            file.problem or content.problem,
        )
        for file, content in zip(files, contents, strict=True)
    ]
    notes += passed_over(root, {image.path for image in images}, "image files that no list or xml file names")
    return ObjectSource(
        root,
        images,
        class_names=class_names,
        category_ids=tuple(range(1, len(class_names) + 1)),  # VOC has only names; COCO counts from 1
        max_pixels=config.max_pixels,
        notes=tuple(notes),
    )


class _Object(NamedTuple):
    """An object as in its file."""

    name: str  # of its class
    corners: Corners
    difficult: bool


@dataclass(frozen=True, slots=True)
class _Content:
    """Content of one xml file."""

    size: tuple[int, int] | None = None
    objects: tuple[_Object, ...] = ()
    problem: str | None = None


def _read(path: Path) -> _Content:
    try:
        root = xml_root(path)
        size = tuple(int(float(root.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
        objects = tuple(
            _Object(
                (found.findtext("name") or "").strip(),
                _corners(found, number),
                _is_difficult(found, number),
            )
            for number, found in enumerate(root.findall("object"), start=1)
        )
    except (xml.ParseError, ValueError, OverflowError, OSError) as error:
        return _Content(problem=f"annotations cannot be read: {error}")
    if not all(found.name for found in objects):
        return _Content(problem="annotations: an object without a name")
    # Some programs write 0 if they do not know the size.
    return _Content(size if all(size) else None, objects)


def _corners(found: xml.Element, number: int) -> Corners:
    texts = {corner: found.findtext(f"bndbox/{corner}") for corner in Corners._fields}
    try:
        return Corners(**{corner: float(text) for corner, text in texts.items()})
    except (TypeError, ValueError) as error:
        held = ", ".join(f"{corner} {text!r}" for corner, text in texts.items())
        raise ValueError(f"object {number}: expected four numbers in bndbox, found {held}") from error


def _is_difficult(found: xml.Element, number: int) -> bool:
    text = (found.findtext("difficult") or "").strip()
    if text.lower() not in _DIFFICULT:
        raise ValueError(f"object {number}: expected difficult 0 or 1, found {text!r}")
    return _DIFFICULT[text.lower()]


def _names_in(contents: list[_Content]) -> tuple[str, ...]:
    return tuple(sorted({found.name for content in contents for found in content.objects}))


def _annotated(
    content: _Content, path: str, label_of: dict[str, int], counting: str, crowds_are_objects: bool
) -> AnnotatedImage:
    objects = []
    for number, (name, corners, is_difficult) in enumerate(content.objects, start=1):
        if name not in label_of:
            raise ValueError(f"{path}: object {number}: expected one of {list(label_of)}, found {name!r}")
        crowd = is_difficult and not crowds_are_objects
        objects.append(AnnotatedObject(f"object {number}", label_of[name], corners.box(counting), crowd))
    return AnnotatedImage(tuple(objects), content.size, path)
