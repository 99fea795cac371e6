"""Stores objects in a prepared folder: columns that load at once, and the masks' run lengths in sequence."""

import hashlib
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipeline.datasets.array_files import read_arrays
from pipeline.datasets.mapped import mapped_bytes
from pipeline.datasets.objects.annotated import PackedObjects
from pipeline.datasets.splits import SPLITS
from pipeline.datasets.targets import Objects

_NAMED = 5  # objects per kind of problem that are named; all are counted
_DOUBTS = ("dropped", "empty_masks", "missing_areas", "stray_masks", "cut_boxes", "corner_boxes", "repeats")


class ObjectWriter:
    """Collects objects, image by image."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hasher = hashlib.sha256()
        self._ends = array("q")
        self._image_ids = array("q")
        self._boxes, self._classes = bytearray(), bytearray()
        self._crowd, self._areas = bytearray(), bytearray()
        self._segment_ends = array("q")
        self._num_doubts = dict.fromkeys(_DOUBTS, 0)
        self._first_doubts: dict[str, list[str]] = {kind: [] for kind in _DOUBTS}

    def add(self, packed: PackedObjects) -> None:
        """Append the objects of the next image."""
        row = len(self._ends)
        self._image_ids.append(packed.image_id if packed.image_id >= 0 else row)
        self._boxes += packed.boxes
        self._classes += packed.classes
        self._crowd += packed.crowd
        self._areas += packed.areas
        self._ends.append(len(self._crowd))
        end = self._segment_ends[-1] if self._segment_ends else 0
        for segment in packed.segments:
            end += len(segment)
            self._segment_ends.append(end)
            self._stream.write(segment)
        for kind in _DOUBTS:
            names = getattr(packed, kind)
            self._num_doubts[kind] += len(names)
            self._first_doubts[kind] += names[: _NAMED - len(self._first_doubts[kind])]
        self._hasher.update(packed.digest)

    @property
    def digest(self) -> str:
        """Digest of all objects and image ids."""
        return self._hasher.hexdigest()

    def arrays(self) -> dict[str, np.ndarray]:
        """Columns over the n objects, and the end of each image's objects."""
        return {
            "image_ids": np.frombuffer(self._image_ids, np.int64),
            "ends": np.frombuffer(self._ends, np.int64),
            "boxes": np.frombuffer(self._boxes, "<f4").reshape(-1, 4),
            "classes": np.frombuffer(self._classes, "<i4"),
            "crowd": np.frombuffer(self._crowd, bool),
            "areas": np.frombuffer(self._areas, "<f4"),
            "segment_ends": np.frombuffer(self._segment_ends, np.int64),
        }

    def summary(self, codes: np.ndarray, num_classes: int) -> dict[str, Any]:
        """Counts of objects by split.

        Args:
            codes: (N,) index into SPLITS of every image.
        """
        ends = np.frombuffer(self._ends, np.int64)
        per_image = np.diff(ends, prepend=0)
        split_of = np.repeat(codes, per_image)
        classes = np.frombuffer(self._classes, "<i4")
        crowd = np.frombuffer(self._crowd, bool)
        splits = [(name, code) for code, name in enumerate(SPLITS[:3])]

        def by_class(is_counted: np.ndarray) -> dict[str, list[int]]:
            return {
                name: np.bincount(classes[is_counted & (split_of == code)], minlength=num_classes).tolist()
                for name, code in splits
            }

        return {
            "class_counts": by_class(np.ones(len(classes), bool)),
            "crowd_counts": by_class(crowd),
            "num_objects": {name: int(np.sum(split_of == code)) for name, code in splits},
            "num_crowds": {name: int(np.sum(crowd[split_of == code])) for name, code in splits},
            "num_without_objects": {
                name: int(np.sum(per_image[codes == code] == 0)) for name, code in splits
            },
            "num_masks": int(np.sum(np.diff(np.frombuffer(self._segment_ends, np.int64), prepend=0) > 0)),
            **{f"num_{_called(kind)}": count for kind, count in self._num_doubts.items()},
            **{f"first_{_called(kind)}": names for kind, names in self._first_doubts.items()},
        }


def _called(kind: str) -> str:
    return "dropped_boxes" if kind == "dropped" else kind


class StoredObjects:
    """The objects of a prepared folder; thread-safe."""

    def __init__(self, data_path: Path, index_path: Path, sizes: np.ndarray) -> None:
        columns = read_arrays(index_path)
        self.image_ids = columns["image_ids"]
        self._ends = np.concatenate([[0], columns["ends"]])
        self._segment_ends = np.concatenate([[0], columns["segment_ends"]])
        self._boxes, self._areas = columns["boxes"], columns["areas"]
        self._classes, self._crowd = columns["classes"].astype(np.int64), columns["crowd"]
        self._segments = mapped_bytes(data_path, int(self._segment_ends[-1]))
        self._sizes = sizes

    def read(self, i: int) -> Objects:
        """The objects of one image, as copies."""
        start, end = self._ends[i : i + 2].tolist()
        width, height = self._sizes[i].tolist()
        bounds = self._segment_ends[start : end + 1].tolist()
        segments = (self._segments[first:last].tobytes() for first, last in pairwise(bounds))
        return Objects(
            boxes=self._boxes[start:end].copy(),
            classes=self._classes[start:end].copy(),
            crowd=self._crowd[start:end].copy(),
            areas=self._areas[start:end].copy(),
            segments=tuple(
                {"size": [height, width], "counts": counts} if counts else None for counts in segments
            ),
        )
