"""Writes and opens the label maps or objects of a prepared folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.datasets.array_files import write_arrays
from pipeline.datasets.label_maps.store import LabelMapWriter, StoredLabelMaps
from pipeline.datasets.objects.store import ObjectWriter, StoredObjects
from pipeline.datasets.source import Annotation
from pipeline.storage.files import replacing

TargetWriter = LabelMapWriter | ObjectWriter
StoredTargets = StoredLabelMaps | StoredObjects

# Annotation -> writer, reader, file of the data, file of their index.
_KINDS = {
    "label-map": (LabelMapWriter, StoredLabelMaps, "label_maps.bin", "label_maps.npz"),
    "objects": (ObjectWriter, StoredObjects, "segments.bin", "objects.npz"),
}


@contextmanager
def target_writer(annotation: Annotation, output: Path) -> Iterator[TargetWriter | None]:
    """Yield a writer for the annotations of one image after another; None if images have at most a class."""
    if annotation == "class":
        yield None
        return
    make, _, data_name, index_name = _KINDS[annotation]
    with replacing(output / data_name) as partial, open(partial, "wb") as stream:
        writer = make(stream)
        yield writer
    write_arrays(output / index_name, **writer.arrays())


def open_targets(annotation: Annotation, directory: Path, sizes: np.ndarray) -> StoredTargets | None:
    """Open what `target_writer` wrote.

    Args:
        sizes: (N, 2) width and height of the images, pixels.

    Raises:
        FileNotFoundError, ValueError: files are missing or inconsistent.
    """
    if annotation == "class":
        return None
    _, open_stored, data_name, index_name = _KINDS[annotation]
    return open_stored(directory / data_name, directory / index_name, sizes)
