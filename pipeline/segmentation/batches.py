"""Training batches for segmentation, each a function of (seed, step)."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.dense import SegmentConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.finetune.order import training_rows
from pipeline.training.random_generators import Purpose, generator
from pipeline.transforms.dense import segmentation_view
from pipeline.transforms.padding import padded_images, padded_label_maps
from pipeline.transforms.scene import scene_of


@dataclass(frozen=True, eq=False)
class SegmentBatch:
    """One training batch."""

    names: list[str]  # of the images
    images: np.ndarray  # (B, 3, H, W) float32, normalised
    label_maps: np.ndarray  # (B, H, W) int16, IGNORED where there is no label
    channel_scales: list[np.ndarray]  # channel dropout of each head, (B, its width) float32

    def microbatch(self, index: int, num_microbatches: int) -> "SegmentBatch":
        """Part `index` of `num_microbatches` equal parts."""
        size = len(self.images) // num_microbatches
        part = slice(index * size, (index + 1) * size)
        scales = [scale[part] for scale in self.channel_scales]
        return SegmentBatch(self.names[part], self.images[part], self.label_maps[part], scales)


@dataclass(frozen=True, eq=False)
class BatchMaker:
    """Makes the batch of a step. Thread-safe.

    Args:
        mean, std: (3,), of pixels in [0, 1], as in the backbone's pretraining.
        multiple: in pixels; images are padded to multiples of it.
        dropout_widths: hidden channels of each head with dropout.
    """

    dataset: PreparedDataset
    config: SegmentConfig
    mean: np.ndarray
    std: np.ndarray
    multiple: int
    dropout_widths: tuple[int, ...]

    def __call__(self, step: int) -> SegmentBatch:
        config, size = self.config, self.config.schedule.batch_size
        rows = training_rows(self.dataset.indices("train"), config.seed, step, size).tolist()
        scenes = [
            segmentation_view(
                generator(config.seed, Purpose.DENSE_VIEWS, step * size + place),
                scene_of(self.dataset, row),
                config.view,
            )
            for place, row in enumerate(rows)
        ]
        images = padded_images(
            [scene.image for scene in scenes],
            mean=self.mean,
            std=self.std,
            multiple=self.multiple,
            square=config.view.crop_size,
        )
        return SegmentBatch(
            names=[self.dataset.path(row) for row in rows],
            images=images,
            label_maps=padded_label_maps([scene.label_map for scene in scenes], *images.shape[2:]),
            channel_scales=self._channel_scales(step, size),
        )

    def _channel_scales(self, step: int, size: int) -> list[np.ndarray]:
        """Channel dropout: 0 drops a channel; the others are scaled up to keep the mean."""
        kept = 1 - self.config.heads.dropout
        rng = generator(self.config.seed, Purpose.DENSE_SAMPLES, step)
        return [
            ((rng.random((size, width)) < kept) / np.float32(max(kept, 1e-6))).astype(np.float32)
            for width in self.dropout_widths
        ]
