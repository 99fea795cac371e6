"""Features of random crops of training images, computed when they are read, by all ranks together.

Shapes: n training images, B of a batch, b of a forward pass, D channels.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.config.linear_augmented import LinearAugmentedConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.features import places_of_rank
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.prefetch import prefetch
from pipeline.transforms.crop_parameters import plain_parameters, random_boxes
from pipeline.transforms.rendering import image_sizes, render_crops

Forward = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(eq=False)
class AugmentedRows:
    """Can be used in place of `FeatureRows`: each read gives the features of new crops.

    Args:
        rows: (n,) int64, of the data set.
        forward: crops (b, 3, S, S) -> CLS tokens (b, blocks, D), mean patch tokens (b, D).
        num_channels: of one block.
        seed: determines the crops, with the number of the batch, so that all arms see the same crops.
        ranks: that read the same rows, each computing a share of their features.
    """

    dataset: PreparedDataset
    rows: np.ndarray
    config: LinearAugmentedConfig
    mean: np.ndarray
    std: np.ndarray
    forward: Forward
    num_channels: int
    num_threads: int
    seed: int
    ranks: Ranks = SINGLE_PROCESS
    _num_batches: int = field(default=0, init=False)

    @property
    def shape(self) -> tuple[int, int]:
        linear = self.config.linear
        return len(self.rows), self.num_channels * (linear.num_blocks + linear.average_pool)

    def start_after(self, num_batches: int) -> None:
        """Continue as if so many batches had been read."""
        self._num_batches = num_batches

    def __getitem__(self, chosen: np.ndarray) -> np.ndarray:
        """Features (B, D of all blocks) of new crops of these images."""
        rows, size, batch = self.rows[chosen], self.config.features.batch_size, self._num_batches
        self._num_batches += 1
        firsts = range(0, len(rows), size)
        own = [firsts[place] for place in places_of_rank(len(firsts), self.ranks)]

        def crops(first: int) -> np.ndarray:
            rng = np.random.default_rng([self.seed, batch, first])
            return self._crops(rng, rows[first : first + size])

        found = []
        # The next crops are decoded while the network computes.
        for images in prefetch(crops, own, num_threads=self.num_threads):
            padded = np.zeros((size, *images.shape[1:]), np.float32)  # one shape, compiled once
            padded[: len(images)] = images
            found += self.ranks.all_gather_arrays(self._joined(*self.forward(padded)))
        # Without the padding of the last part, and without what a rank recomputed because it had none left.
        return np.concatenate(found)[: len(rows)]

    def _crops(self, rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        """(b, 3, S, S) float32, normalised."""
        views, size = self.config.views, self.config.features.crop_size
        # A crop may be a small part of the image, so none is decoded at a reduced size.
        images = [self.dataset.image(int(row)) for row in rows]
        sizes = image_sizes(images)
        boxes = random_boxes(rng, sizes, scale=views.scale, aspect_ratio=views.aspect_ratio)
        flip = rng.random(len(images)) < views.flip_probability
        parameters = replace(plain_parameters(np.arange(len(images)), boxes, size=size), flip=flip)
        return render_crops(images, parameters, size, mean=self.mean, std=self.std)

    def _joined(self, cls: np.ndarray, patch_mean: np.ndarray) -> np.ndarray:
        """Features in the order of `SplitFeatures.joined`."""
        linear = self.config.linear
        flat = cls[:, -linear.num_blocks :].reshape(len(cls), -1)
        joined = np.concatenate([flat, patch_mean], axis=1) if linear.average_pool else flat
        # In the precision that the cached protocol would have read from its files.
        return joined.astype(self.config.features.dtype).astype(np.float32)
