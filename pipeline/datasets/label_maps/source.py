"""Images in a folder, each with a file that has a label for every pixel."""

from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.annotated_files import AnnotatedFiles
from pipeline.datasets.decode import UndecodableImage, decode_indexed
from pipeline.datasets.label_maps.coding import LabelCoding
from pipeline.datasets.label_maps.store import LabelMap
from pipeline.datasets.source import BadAnnotation, Entry


class Pair(NamedTuple):
    """An image and its label map, as paths relative to the source, with "/"."""

    split: str | None
    image: str
    label_map: str
    problem: str | None = None


class LabelMapSource(AnnotatedFiles):
    """Pairs of files below `root`."""

    annotation = "label-map"

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
        entries = [Entry(x.image, x.split, problem=x.problem, target=x.label_map) for x in pairs]
        super().__init__(root, entries, class_names, max_pixels, notes)
        self._coding = coding

    def __reduce__(self):
        # Worker processes receive the entries one by one, and need no list of them.
        return _reader, (self._root, self._coding, self._max_pixels)

    def target(self, entry: Entry) -> LabelMap:
        """The label map of an entry.

        Raises:
            BadAnnotation: it cannot be read, or has a value that is neither a class nor ignored.
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
