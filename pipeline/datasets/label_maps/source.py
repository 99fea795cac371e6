"""Images in a folder, each with a file that holds a label for every pixel."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.decode import UndecodableImage, decode_indexed
from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.label_maps.coding import LabelCoding
from pipeline.datasets.label_maps.store import LabelMap
from pipeline.datasets.source import BadAnnotation, Entry, max_file_bytes


class Pair(NamedTuple):
    """An image and its label map, as paths relative to the source, with "/"."""

    split: str | None
    image: str
    label_map: str
    problem: str | None = None


class LabelMapSource:
    """Pairs of files below `root`."""

    access = "random"
    annotation = "label-map"
    num_outside = 0
    category_ids = ()

    def __init__(
        self,
        root: Path,
        pairs: list[Pair],
        coding: LabelCoding,
        *,
        class_names: tuple[str, ...] | None,
        max_pixels: int,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.class_names = class_names
        self.notes = notes
        self._root = root
        self._pairs = pairs
        self._coding = coding
        self._max_pixels = max_pixels
        self._files = ImageFolder(root, max_bytes=max_file_bytes(max_pixels))

    def __reduce__(self):
        # Worker processes are handed the entries one by one, and need no list of them.
        return _reader, (self._root, self._coding, self._max_pixels)

    def __len__(self) -> int:
        return len(self._pairs)

    def entries(self) -> Iterator[Entry]:
        """Every pair, in order."""
        for pair in self._pairs:
            yield Entry(pair.image, pair.split, problem=pair.problem, target=pair.label_map)

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of a file below the root; as `ImageFolder.read`."""
        return self._files.read(path, start, size)

    def target(self, entry: Entry) -> LabelMap:
        """The label map of an entry.

        Raises:
            BadAnnotation: it cannot be read, or holds a value that is neither a class nor ignored.
        """
        try:
            content = self._files.read(entry.target, -1, -1)
            pixels, palette = decode_indexed(content, max_pixels=self._max_pixels)
            return LabelMap(self._coding.labels(pixels), palette)
        except OSError as error:
            raise BadAnnotation(f"label map {entry.target}: {error.strerror or error}") from error
        except (UndecodableImage, BadAnnotation) as error:
            raise BadAnnotation(f"label map {entry.target}: {error}") from error


def _reader(root: Path, coding: LabelCoding, max_pixels: int) -> LabelMapSource:
    return LabelMapSource(root, [], coding, class_names=None, max_pixels=max_pixels)
