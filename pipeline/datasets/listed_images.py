"""Images of a folder, with class and split from a list beside them."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.listed_files import ListedFiles
from pipeline.datasets.source import Entry
from pipeline.datasets.tree import walk


class ListedImages(ListedFiles):
    """The images that `entries` name, in their order.

    Args:
        root: folder to which the entries' paths are relative.
        class_names: in label order; None: those of the entries, in `label_order`.
        notes: remarks on how the list was read.
        is_multilabel: an image has any number of classes, given by its entry's target.
    """

    annotation = "class"

    def __init__(
        self,
        root: Path,
        entries: list[Entry],
        *,
        max_bytes: int,
        class_names: tuple[str, ...] | None = None,
        num_outside: int = 0,
        notes: tuple[str, ...] = (),
        is_multilabel: bool = False,
    ) -> None:
        found = {entry.class_name for entry in entries} - {None}
        if is_multilabel:
            found = {name for entry in entries for name in entry.target or ()}
        self.is_multilabel = is_multilabel
        class_names = label_order(found) if class_names is None else class_names
        super().__init__(root, entries, class_names=class_names, max_bytes=max_bytes, notes=notes)
        self.num_outside = num_outside
        self._max_bytes = max_bytes

    def __reduce__(self):
        # Worker processes receive the entries chunk by chunk.
        return _reader, (self._root, self._max_bytes)


def _reader(root: Path, max_bytes: int) -> ListedImages:
    return ListedImages(root, [], max_bytes=max_bytes)


def label_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in numerical order if all are numbers, else in alphabetical order."""
    names = sorted(names)
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(names)


def inside(name: str, root: Path) -> str:
    """A listed path, made relative to `root`, with "/".

    Raises:
        ValueError: it is outside `root`; the message does not name the list.
    """
    path = PurePosixPath(name.strip().replace("\\", "/"))
    if path.is_absolute() and path.is_relative_to(root.as_posix()):
        path = path.relative_to(root.as_posix())
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"expected a path inside {root}, found {name!r}")
    return path.as_posix()


def num_unlisted(root: Path, entries: list[Entry], is_image: Callable[[str], bool] = is_image_name) -> int:
    """Number of images below `root` that are in no entry."""
    listed = {entry.path for entry in entries}
    found = (
        f"{folder}/{file.name}" if folder else file.name
        for folder, _, files in walk(root)
        for file in files
        if is_image(file.name)
    )
    return sum(path not in listed for path in found)
