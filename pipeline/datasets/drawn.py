"""The embedded photo-scenes data set as a source, with the annotations that its drawings carry."""

import io
from pathlib import Path

import numpy as np

from pipeline.config.data import PhotoScenesConfig
from pipeline.datasets.arrays import ArrayPart, ArraySource
from pipeline.files import replacing, write_json


class DrawnSource(ArraySource):
    """Images drawn from photographs; splits are the drawing's own and come from disjoint regions."""

    def __init__(self, config: PhotoScenesConfig) -> None:
        # Imported here: drawing loads scikit-image, which readers of files do not need.
        from pipeline.datasets.photo_scenes import draw

        self._drawn = draw(config)
        parts = [
            ArrayPart(split, images, self._drawn.labels[split], f"photo-scenes: {split}")
            for split, images in self._drawn.images.items()
        ]
        super().__init__(parts, class_names=list(self._drawn.class_names))

    def write_annotations(self, output: Path) -> None:
        """Write `card.json`, and the drawing's `label_maps_{split}.npy` and `annotations_{split}.json`, if any.

        `label_maps_{split}.npy` is (n, H, W) uint8. Rows follow the split's rows of the manifest, in order.
        """
        write_json(output / "card.json", self._drawn.card)
        for split, label_maps in (getattr(self._drawn, "label_maps", None) or {}).items():
            stream = io.BytesIO()
            np.save(stream, label_maps, allow_pickle=False)
            with replacing(output / f"label_maps_{split}.npy") as partial:
                partial.write_bytes(stream.getbuffer())
        for split, annotations in (getattr(self._drawn, "annotations", None) or {}).items():
            write_json(output / f"annotations_{split}.json", annotations)
