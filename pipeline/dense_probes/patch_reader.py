"""Computes the patch features of images of a prepared data set, batch by batch; ranks share the batches.

Shapes: b images of a batch, S pixels.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.dense_probes.patch_features import PatchFeatures, patch_features
from pipeline.evaluate.features import batch_rows, load_crops, places_of_rank
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.training.prefetch import prefetch
from pipeline.transforms.crop_parameters import plain_parameters
from pipeline.transforms.rendering import image_sizes, render_crops

if TYPE_CHECKING:
    from pipeline.models.backbone_file import FrozenBackbone

Batches = Iterator[tuple[np.ndarray, PatchFeatures]]  # rows of the data set and their features


@dataclass(frozen=True, eq=False)
class PatchReader:
    """A frozen backbone, and how images are prepared for it."""

    backbone: "FrozenBackbone"
    image_size: int  # pixels; images are resized to a square, whatever their shape
    batch_size: int
    num_threads: int
    show: Callable[[Iterable[np.ndarray], str, int], Iterable[np.ndarray]]  # batches, purpose, their number
    ranks: Ranks = SINGLE_PROCESS

    @property
    def alone(self) -> "PatchReader":
        """A reader of all batches, independent of other ranks."""
        return replace(self, ranks=SINGLE_PROCESS)

    def read(self, dataset: PreparedDataset, rows: np.ndarray, purpose: str) -> Batches:
        """Yield the features of images, in order, holding only a few batches at a time.

        With several ranks each yields its own batches, see `places_of_rank`; `gathered` collects the results.

        Raises:
            FloatingPointError: a feature is not finite; the message names the first image of the batch.
        """
        all_parts = batch_rows(rows, self.batch_size)
        parts = [all_parts[place] for place in places_of_rank(len(all_parts), self.ranks)]
        loaded = prefetch(
            lambda step: load_crops(
                dataset, parts[step], resize=self.image_size, crop=self._squares, batch_size=self.batch_size
            ),
            range(len(parts)),
            num_threads=self.num_threads,
            depth=4,
        )
        for part, images in zip(parts, self.show(loaded, purpose, len(parts)), strict=True):
            features = patch_features(self.backbone.network, images)[: len(part)]
            if not np.isfinite(features.tokens).all():
                name = dataset.path(int(part[0]))
                raise FloatingPointError(
                    f"patch tokens are not all finite in the batch that starts at {name}"
                )
            yield part, features

    def gathered(self, made: Iterable[np.ndarray], num_images: int) -> Iterator[np.ndarray]:
        """The results of all ranks for each batch, in the order of batches.

        Args:
            made: this rank's results, (n, ...) for each of its batches of n images.
            num_images: of all batches of all ranks.
        """
        left = -(-num_images // self.batch_size)
        for of_batch in made:
            # In the last round a rank may have read a batch that another one has read too.
            yield from self.ranks.all_gather_uneven(of_batch)[:left]
            left -= self.ranks.count

    def _squares(self, images: list[np.ndarray]) -> np.ndarray:
        """(b, 3, S, S) float32: whole images, antialiased bicubic, normalised as the backbone expects."""
        sizes = image_sizes(images)  # height, width
        boxes = np.concatenate([np.zeros_like(sizes), sizes[:, ::-1]], axis=1)
        parameters = plain_parameters(np.arange(len(images)), boxes, size=self.image_size)
        return render_crops(
            images, parameters, self.image_size, mean=self.backbone.mean, std=self.backbone.std
        )
