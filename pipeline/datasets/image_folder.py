"""A tree of image files on disk."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.image_names import is_image_name, stem_and_suffix
from pipeline.datasets.layout import Layout
from pipeline.datasets.names_like_classes import names_like_classes
from pipeline.datasets.parallel_folders import ParallelFolders
from pipeline.datasets.skipped_files import SkippedFiles
from pipeline.datasets.source import Entry
from pipeline.datasets.split_words import Role, stated_role, unmatched
from pipeline.datasets.tree import walk

_SHOWN = 5  # folders that a message lists


class _Listing(NamedTuple):
    layout: Layout
    num_images: int
    num_outside: int
    notes: tuple[str, ...]


class ImageFolder:
    """Images in folders of any depth; see `pipeline.datasets.layout` for what the folders mean.

    Files without an image's suffix are skipped and counted; hidden ones are skipped. Links are followed.

    Args:
        parts: `data.parts`.
        are_classes: `data.class_folders`.
        is_image: whether a file of this name counts as an image.
    """

    access = "random"
    annotation = "class"
    class_names = None

    def __init__(
        self,
        root: Path,
        *,
        max_bytes: int,
        parts: Mapping[str, Role] | None = None,
        are_classes: bool = True,
        is_image: Callable[[str], bool] = is_image_name,
    ) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._parts = parts or {}
        self._are_classes = are_classes
        self._is_image = is_image

    def __reduce__(self):
        return _image_folder, (self._root, self._max_bytes)

    @cached_property
    def _listing(self) -> _Listing:
        counts: dict[str, int] = {}
        num_unused = 0
        empty: dict[str, int] = {}  # folders without an image in or below them -> number of other files
        skipped_files, parallel = SkippedFiles(), ParallelFolders()
        unknown = dict(self._parts)  # keys of data.parts that matched nothing so far
        for folder, _, files in walk(self._root):
            images, others = [], []
            for entry in files:
                (images if self._is_image(entry.name) else others).append(entry.name)
            used = [name for name in images if not self._is_unused(name)]
            skipped_files.add(folder, others, {Path(name).stem for name in images} if others else set())
            for key in set(unknown) - set(unmatched(unknown, (Path(folder).name, *images))):
                del unknown[key]
            num_unused += len(images) - len(used)
            empty[folder] = len(others)
            if images:
                for parent in (folder, *(p.as_posix() for p in Path(folder).parents)):
                    empty.pop(parent, None)
            if used:
                counts[folder] = len(used)
                parallel.add(folder, used)
        if unknown:
            raise ValueError(f"{self._root}: data.parts: no folder or image is called {min(unknown)!r}")
        try:
            layout = Layout.of(counts, self._parts, are_classes=self._are_classes)
        except ValueError as error:
            raise ValueError(f"{self._root}: {error}") from error
        inside = sum(count for folder, count in counts.items() if layout.split_and_class(folder) is not None)
        return _Listing(
            layout,
            inside,
            sum(counts.values()) - inside + num_unused,
            (
                *layout.notes,
                *parallel.notes(layout),
                *self._without_images(layout, empty),
                *skipped_files.notes(),
                *self._classes_in_names(layout, counts),
            ),
        )

    def _classes_in_names(self, layout: Layout, folders: Iterable[str]) -> list[str]:
        """A note on unlabelled images whose names look like classes; looked at only if there is no label."""
        places = map(layout.split_and_class, folders)
        if not self._are_classes or any(place and place[1] for place in places):
            return []
        return names_like_classes(
            stem_and_suffix(file.name)[0]
            for folder, _, files in walk(self._root)
            for file in files
            if self._is_image(file.name) and not self._is_unused(file.name) and layout.split_and_class(folder)
        )

    def _is_unused(self, name: str) -> bool:
        return bool(self._parts) and stated_role(name, self._parts) == "unused"

    def _without_images(self, layout: Layout, empty: dict[str, int]) -> list[str]:
        training, others = layout.without_images(empty)
        if training:
            num_files = sum(n for f, n in empty.items() if f"{f}/".startswith(f"{training[0]}/"))
            raise ValueError(
                f"{self._root / training[0]}: expected training images, found none among {num_files} files; "
                f'remove the folder, or state data.parts = {{ "{Path(training[0]).name}" = "unused" }}'
            )
        if not others:
            return []
        shown = ", ".join(f"{folder}/" for folder in sorted(others)[:_SHOWN])
        more = f", ... ({len(others)})" if len(others) > _SHOWN else ""
        return [f"folders without an image that can be read: {shown}{more}"]

    @property
    def num_outside(self) -> int:
        """Images beside the split folders, or left out by `data.parts`."""
        return self._listing.num_outside

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user on how the folders were read."""
        return self._listing.notes

    def __len__(self) -> int:
        return self._listing.num_images

    def entries(self) -> Iterator[Entry]:
        """Every image file, in the order of `path_order`, with one folder in memory at a time."""
        layout = self._listing.layout
        for folder, _, files in walk(self._root):
            place = layout.split_and_class(folder)
            if place is None:
                continue
            for file in files:
                if self._is_image(file.name) and not self._is_unused(file.name):
                    yield _entry(file, f"{folder}/{file.name}" if folder else file.name, place)

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of the file at `path` below the root; `start` and `size` are not used.

        Raises:
            UndecodableImage: the file is too large to be an image within the pixel limit.
            OSError: it cannot be read.
        """
        # Without a buffered stream, which takes longer to open than the file takes to read.
        with open(os.path.join(self._root, path), "rb", buffering=0) as stream:
            num_bytes = os.fstat(stream.fileno()).st_size
            if num_bytes > self._max_bytes:
                raise UndecodableImage(f"{num_bytes} bytes, more than {self._max_bytes}, the largest image")
            return stream.readall()


def _image_folder(root: Path, max_bytes: int) -> ImageFolder:
    return ImageFolder(root, max_bytes=max_bytes)


def _entry(file: os.DirEntry, path: str, place: tuple[str | None, str | None]) -> Entry:
    split, class_name = place
    try:
        size = file.stat().st_size
    except OSError as error:
        return Entry(path, split, class_name, problem=f"cannot be read: {error.strerror}")
    return Entry(path, split, class_name, size=size)
