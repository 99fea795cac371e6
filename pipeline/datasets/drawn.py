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

    def write_annotations(self, output: Path) -> list[Path]:
        """Write `card.json`, and `label_maps_{split}.npy` and `annotations_{split}.json`, if there are any.

        `label_maps_{split}.npy` is (n, H, W) uint8. Rows follow the split's rows of the manifest, in order.

        Returns:
            The files of label maps and annotations.
        """
        write_json(output / "card.json", self._drawn.card)
        written = []
        for split, label_maps in self._drawn.label_maps.items():
            stream = io.BytesIO()
            np.save(stream, label_maps, allow_pickle=False)
            written.append(output / f"label_maps_{split}.npy")
            with replacing(written[-1]) as partial:
                partial.write_bytes(stream.getbuffer())
        for split, annotations in self._drawn.annotations.items():
            written.append(output / f"annotations_{split}.json")
            write_json(written[-1], annotations)
        return written
