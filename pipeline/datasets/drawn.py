"""The embedded photo-scenes data set as a source, with labels."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.arrays import ArrayPart, ArraySource
from pipeline.datasets.label_maps.store import LabelMap
from pipeline.datasets.objects.annotated import AnnotatedImage
from pipeline.datasets.objects.coco_entries import coco_object
from pipeline.datasets.source import Entry, Target
from pipeline.storage.files import write_json

_ANNOTATIONS = {"patches": "class", "mosaics": "label-map", "objects": "objects"}


class DrawnSource(ArraySource):
    """Images drawn from photographs; splits are the drawing's own and come from disjoint regions."""

    def __init__(self, config: PhotoScenesConfig) -> None:
        # Imported here: drawing loads scikit-image, which readers of files do not need.
        from pipeline.datasets.photo_scenes import draw

        drawn = draw(config)
        parts = [
            ArrayPart(split, images, drawn.labels[split], f"photo-scenes: {split}")
            for split, images in drawn.images.items()
        ]
        super().__init__(parts, class_names=list(drawn.class_names))
        self.annotation = _ANNOTATIONS[config.drawing]
        # Class k has the category id k + 1, as in COCO.
        self.category_ids = tuple(range(1, len(drawn.class_names) + 1)) if drawn.annotations else ()
        self.notes = ()
        self._card = drawn.card
        self._label_maps = drawn.label_maps
        self._objects = {split: _by_image(found) for split, found in drawn.annotations.items()}

    def entries(self) -> Iterator[Entry]:
        """Every image, split by split, with its class or its number of objects."""
        for entry in super().entries():
            yield entry if self.annotation == "class" else replace(entry, target=self._target(entry))

    def target(self, entry: Entry) -> Target:
        """The label map or the objects of an entry."""
        return entry.target

    def write_card(self, output: Path) -> None:
        """Write `card.json`: where the pixels come from, under which licences."""
        write_json(output / "card.json", self._card)

    def _target(self, entry: Entry) -> Target:
        if self.annotation == "label-map":
            return LabelMap(self._label_maps[entry.split][entry.start].astype(np.int16))
        height, width = self.read(entry.path, entry.start, -1).shape[:2]
        found = self._objects[entry.split][entry.start]
        objects = tuple(coco_object(drawn, drawn["category_id"] - 1) for drawn in found)
        return AnnotatedImage(objects, (width, height), "photo-scenes")


def _by_image(annotations: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    grouped = defaultdict(list)
    for found in annotations["annotations"]:
        grouped[found["image_id"]].append(found)
    return grouped
