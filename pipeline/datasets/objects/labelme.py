"""labelme's json files: one per image, with the shapes drawn on it."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.config.data import DataConfig
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.layout import Layout
from pipeline.datasets.objects.annotated import AnnotatedImage
from pipeline.datasets.objects.labelme_shapes import NO_CLASS, Shape, objects_of, read_shape
from pipeline.datasets.objects.source import ObjectImage, ObjectSource
from pipeline.datasets.source import max_file_bytes
from pipeline.datasets.tree import walk
from pipeline.datasets.wrappers import below, below_wrappers
from pipeline.storage.foreign_json import parse_json

_KEYS = ("shapes", "imagePath")
_DETECTED_BYTES = 2**28  # a larger file is not opened to recognise its format


def is_labelme(root: Path) -> bool:
    """Whether the first json file with an image's name, beside the image, is in labelme's format."""
    for folder, _, files in walk(root):
        names = [file.name for file in files if file.name.endswith(".json")]
        stems = {Path(file.name).stem for file in files if is_image_name(file.name)} if names else ()
        for name in names:
            if Path(name).stem in stems:
                try:
                    return _is_labelme(_json(root / folder / name, _DETECTED_BYTES))
                except (ValueError, OSError):
                    return False
    return False


def read_labelme(config: DataConfig, root: Path) -> ObjectSource:
    """Read every json file of labelme with its image; folders named train, val or test are the splits.

    Images without such a file are skipped, as labelme's own converters do. Classes are the sorted names
    found, unless the data section names them.

    Raises:
        ValueError: no such file, no object at all, or a name that `data.class_names` lacks.
    """
    inner = below_wrappers(root)
    images = {
        f"{folder}/{file.name}" if folder else file.name
        for folder, _, files in walk(inner)
        for file in files
        if is_image_name(file.name)
    }
    files = list(_files(inner, images, config.max_pixels))
    if not files:
        raise ValueError(f"{root}: expected json files with the keys {' and '.join(_KEYS)}, found none")
    shapes = [shape for file in files for shape in file.shapes]
    class_names = config.class_names or tuple(sorted({shape.name for shape in shapes} - set(NO_CLASS)))
    if not class_names:
        raise ValueError(f"{root}: no object in any of {len(files)} files; state data.class_names")
    label_of = {name: label for label, name in enumerate(class_names)}
    prefix = below(root, inner)
    layout = Layout.of({_folder(file.image) for file in files}, config.parts, are_classes=False)
    objects = [
        ObjectImage(place[0], prefix + file.image, _annotated(file, prefix, label_of), file.problem)
        for file in files
        if (place := layout.split_and_class(_folder(file.image)))
    ]
    _refuse_repeated(root, objects)
    return ObjectSource(
        root,
        objects,
        class_names=class_names,
        category_ids=tuple(range(1, len(class_names) + 1)),  # labelme has only names; COCO counts from 1
        max_pixels=config.max_pixels,
        notes=tuple(_notes(files, images)),
    )


@dataclass(frozen=True, slots=True)
class _File:
    """Content of one json file."""

    path: str  # relative to the folder without wrappers, like `image`
    image: str
    shapes: tuple[Shape, ...] = ()
    size: tuple[int, int] | None = None
    problem: str | None = None


def _files(root: Path, images: set[str], max_pixels: int) -> Iterator[_File]:
    max_bytes = 2 * max_file_bytes(max_pixels)  # the image may be included, as text
    beside = {str(PurePosixPath(image).with_suffix("")): image for image in images}
    for folder, _, files in walk(root):
        for file in files:
            if not file.name.lower().endswith(".json"):
                continue
            path = f"{folder}/{file.name}" if folder else file.name
            image = beside.get(str(PurePosixPath(path).with_suffix("")))
            try:
                content = _json(root / path, max_bytes)
            except (ValueError, OSError) as error:
                # Another program's file, unless an image of its name is beside it.
                if image:
                    yield _File(path, image, problem=f"annotations cannot be read: {path}: {error}")
                continue
            if _is_labelme(content):
                yield _file(path, image, content, images, max_pixels)


def _file(path: str, beside: str | None, content: dict[str, Any], images: set[str], max_pixels: int) -> _File:
    stated = str(content["imagePath"]).replace("\\", "/")
    named = posixpath.normpath(posixpath.join(posixpath.dirname(path), stated))
    image = named if named in images else beside
    if image is None:
        problem = f"no such image: expected {stated!r:.200}, or an image of the same name, beside {path}"
        return _File(path, path, problem=problem)
    size = (content.get("imageWidth"), content.get("imageHeight"))
    size = size if all(type(side) is int and side > 0 for side in size) else None
    if size and size[0] * size[1] > max_pixels:
        problem = f"{path}: expected an image within {max_pixels} pixels, found {size[0]} x {size[1]}"
        return _File(path, image, problem=problem)
    try:
        shapes = tuple(read_shape(found, n, size) for n, found in enumerate(content["shapes"], start=1))
    except ValueError as error:
        return _File(path, image, problem=f"annotations cannot be used: {path}: {error}")
    return _File(path, image, shapes, size)


def _json(path: Path, max_bytes: int) -> Any:
    """The content of a file, without the copy of the image that it may include.

    Raises:
        ValueError: larger than `max_bytes`, not JSON, or too deeply nested.
    """
    if (num_bytes := path.stat().st_size) > max_bytes:
        raise ValueError(f"expected at most {max_bytes} bytes, found {num_bytes}")
    content = parse_json(path.read_bytes())
    if isinstance(content, dict):
        content.pop("imageData", None)
    return content


def _is_labelme(content: Any) -> bool:
    return (
        isinstance(content, dict)
        and all(key in content for key in _KEYS)
        and isinstance(content["shapes"], list)
    )


def _annotated(file: _File, prefix: str, label_of: dict[str, int]) -> AnnotatedImage:
    shapes = [shape for shape in file.shapes if shape.name in label_of or shape.name not in NO_CLASS]
    strange = next((shape for shape in shapes if shape.name not in label_of), None)
    if strange:
        raise ValueError(
            f"{prefix}{file.path}: shape {strange.number}: expected one of {list(label_of)}, "
            f"found {strange.name!r}"
        )
    # labelme shows and measures images with their EXIF orientation applied.
    return AnnotatedImage(tuple(objects_of(shapes, label_of)), file.size, prefix + file.path, is_upright=True)


def _folder(path: str) -> str:
    return posixpath.dirname(path)


def _refuse_repeated(root: Path, objects: list[ObjectImage]) -> None:
    first: dict[str, str] = {}
    for image in objects:
        if image.path in first:
            raise ValueError(
                f"{root}: expected one json file for an image, found {first[image.path]} and "
                f"{image.annotated.origin} for {image.path}"
            )
        first[image.path] = image.annotated.origin


def _notes(files: list[_File], images: set[str]) -> Iterator[str]:
    left_out = sum(shape.name in NO_CLASS for file in files for shape in file.shapes)
    if left_out:
        yield f"no class: {' and '.join(NO_CLASS)}, {left_out} shapes"
    if num_unlabelled := len(images - {file.image for file in files}):
        yield f"skipped: {num_unlabelled} images without a json file of labelme"
