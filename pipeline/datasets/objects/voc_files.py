"""Finds Pascal VOC's xml files and the images that belong to them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.layout import SPLIT_FOLDERS, Layout, Role
from pipeline.datasets.objects.xml_file import root_tag
from pipeline.datasets.source import path_order
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tree import folders_in, walk
from pipeline.datasets.voc_layout import image_folder, images_by_name, listed_names

ANNOTATIONS = "Annotations"
# Folders of xml files and of images in other layouts, in any case; in split folders, or around them.
_XML_FOLDERS = frozenset(("annotations", "annotation", "xmls", "xml", "labels", "label", "bboxes"))
_IMAGE_FOLDERS = frozenset(("images", "image", "imgs", "img", "jpegimages", "pngimages", "photos", "data"))
_ROOT = "annotation"


class AnnotatedFile(NamedTuple):
    """An image and its xml file, relative to the folder without wrappers."""

    split: str | None
    image: str
    annotation: str  # "": there is none
    problem: str | None = None
    is_bare: bool = False  # an image without an xml file


def _bare(split: str | None, image: str, expected: str) -> AnnotatedFile:
    problem = f'no annotations: expected {expected}, or data.unannotated = "no-objects"'
    return AnnotatedFile(split, image, "", problem, is_bare=True)


def is_voc_boxes(root: Path) -> bool:
    """Whether a folder without wrappers has xml files where this reader expects them."""
    return _arrangement(root) is not None


def annotated_files(root: Path, parts: Mapping[str, Role]) -> list[AnnotatedFile] | None:
    """Every image of a folder with its xml file; None where `is_voc_boxes` does not hold.

    By the lists in ImageSets/Main/, or all; else in folders of annotations and of images, whose other folders
    and names are the same; else each beside its image. The other folders may be splits.

    Args:
        parts: `data.parts`.

    Raises:
        ValueError: lists that disagree, or folders that could be splits or not.
    """
    arrangement = _arrangement(root)
    return None if arrangement is None else list(arrangement(root, parts))


def _arrangement(root: Path) -> Callable[[Path, Mapping[str, Role]], Iterator[AnnotatedFile]] | None:
    """How xml files lie to images: the function that pairs them; None: they are not where it would look."""
    if _has_voc_folders(root):
        return _listed_files
    if any(map(_has_xml_beside_images, _top_and_splits(root))):
        return _files_beside
    return _files_apart if _has_xml_apart(root) else None


def _top_and_splits(root: Path) -> list[Path]:
    splits = [path for path in root.iterdir() if path.name.lower() in SPLIT_FOLDERS and path.is_dir()]
    return [root, *splits]


def _listed_files(root: Path, _: Mapping[str, Role]) -> Iterator[AnnotatedFile]:
    images = images_by_name(root)
    annotated = {path.stem for path in (root / ANNOTATIONS).glob("*.xml")}
    listed = listed_names(root, "Main", images)
    if listed is None:
        listed = [(None, name) for name in sorted(annotated | set(images))]
    for split, name in listed:
        annotation = f"{ANNOTATIONS}/{name}.xml"
        if name not in images:
            problem = "no such image, though it is listed or annotated"
            found = annotation if name in annotated else ""
            yield AnnotatedFile(split, f"{image_folder(root)}/{name}.jpg", found, problem)
        elif name in annotated:
            yield AnnotatedFile(split, images[name], annotation)
        else:
            yield _bare(split, images[name], annotation)


def _has_voc_folders(root: Path) -> bool:
    """Whether there are images, and xml files in a separate folder beside them."""
    return (root / image_folder(root)).is_dir() and any((root / ANNOTATIONS).glob("*.xml"))


def _files_beside(root: Path, parts: Mapping[str, Role]) -> Iterator[AnnotatedFile]:
    folders = [(folder, {file.name for file in files}) for folder, _, files in walk(root)]
    with_images = [folder for folder, names in folders if any(map(is_image_name, names))]
    layout = Layout.of(with_images, parts)
    for folder, names in folders:
        place = layout.split_and_class(folder)
        for name in sorted(filter(is_image_name, names)) if place else ():
            image = f"{folder}/{name}" if folder else name
            annotation = str(PurePosixPath(image).with_suffix(".xml"))
            if PurePosixPath(annotation).name in names:
                yield AnnotatedFile(place[0], image, annotation)
            else:
                yield _bare(place[0], image, annotation)


def _has_xml_beside_images(folder: Path) -> bool:
    annotated = {path.stem for path in folder.glob("*.xml")}
    return bool(annotated) and any(
        is_image_name(path.name) and path.stem in annotated for path in folder.iterdir()
    )


def _has_xml_apart(root: Path) -> bool:
    """Whether there are folders of xml files, and images elsewhere with some of their names."""
    stems = {path.stem for folder in _xml_folders(root) for path in folder.iterdir()}
    if not stems:
        return False
    return any(
        is_image_name(file.name) and PurePosixPath(file.name).stem in stems
        for folder, _, files in walk(root)
        for file in files
        if _XML_FOLDERS.isdisjoint(folder.lower().split("/"))
    )


def _xml_folders(root: Path) -> list[Path]:
    """Folders called for annotations with VOC's xml files: at the top, in split folders, or holding those."""
    tops = [*folders_in(root), *(below for folder in folders_in(root) for below in folders_in(folder))]
    named = [path for path in tops if path.name.lower() in _XML_FOLDERS]
    inside = [below for path in named for below in folders_in(path) if role_of(below.name)]
    return [path for path in dict.fromkeys([*named, *inside]) if _is_of_voc(path)]


def _is_of_voc(folder: Path) -> bool:
    first = next((path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".xml"), None)
    return first is not None and root_tag(first) == _ROOT


def _files_apart(root: Path, parts: Mapping[str, Role]) -> Iterator[AnnotatedFile]:
    images: dict[str, list[str]] = defaultdict(list)
    annotations: dict[str, str] = {}
    for folder, _, files in walk(root):
        start = f"{folder}/" if folder else ""
        is_of_xml = not _XML_FOLDERS.isdisjoint(folder.lower().split("/"))
        for file in files:
            path = start + file.name
            if is_image_name(file.name):
                if not is_of_xml:  # else a mask
                    images[_key(path, _IMAGE_FOLDERS)].append(path)
            elif is_of_xml and file.name.lower().endswith(".xml"):
                annotations[_key(path, _XML_FOLDERS)] = path
    keys = sorted(images.keys() | annotations.keys(), key=path_order)
    layout = Layout.of({key.rpartition("/")[0] for key in keys}, parts, are_classes=False)
    for key in keys:
        place = layout.split_and_class(key.rpartition("/")[0])
        if place is None:
            continue
        found, annotation = images.get(key, []), annotations.get(key, "")
        if not found:
            yield AnnotatedFile(place[0], annotation, annotation, "no such image, though it is annotated")
        elif len(found) > 1:
            problem = f"expected one image for {annotation or key}, found {' and '.join(found[:2])}"
            yield AnnotatedFile(place[0], found[0], annotation, problem)
        elif annotation:
            yield AnnotatedFile(place[0], found[0], annotation)
        else:
            yield _bare(place[0], found[0], f"{key}.xml in a folder of annotations")


def _key(path: str, words: frozenset[str]) -> str:
    """A path without suffix and without the folders that say what is in them."""
    *folders, name = PurePosixPath(path).with_suffix("").parts
    return "/".join((*(folder for folder in folders if folder.lower() not in words), name))
