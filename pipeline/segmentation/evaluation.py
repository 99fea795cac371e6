"""Runs a trained network on labelled images: a class map for each, at the resolution of its label map."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.config.dense import SegmentViewConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.finetune.size_groups import loaded_groups
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.segmentation.inference import LogitsOf, class_map, slide
from pipeline.transforms.dense import fitted
from pipeline.transforms.padding import padded_images
from pipeline.transforms.scene import Scene

_LOGIT_BYTES = 2**27  # of one forward pass, at the image's resolution
_MAX_BATCH = 64  # images or windows in one forward pass


@dataclass(frozen=True, eq=False)
class Prediction:
    """The predicted classes of one image."""

    row: int  # of the data set
    truth: np.ndarray  # (H, W) int16
    class_map: np.ndarray  # (H, W) int16


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained network, and how images are prepared for it.

    Args:
        logits_of: see `pipeline.segmentation.inference`.
        mean, std: (3,), of pixels in [0, 1], as in the backbone's pretraining.
        num_classes: K; it limits the batch size.
    """

    logits_of: LogitsOf
    view: SegmentViewConfig
    mean: np.ndarray
    std: np.ndarray
    num_classes: int

    def predictions(
        self, dataset: PreparedDataset, rows: np.ndarray, num_threads: int, ranks: Ranks = SINGLE_PROCESS
    ) -> Iterator[Prediction]:
        """Yield the prediction for each row, in order.

        Only images of the same size share a batch, so that none is padded because of another. Ranks share the
        work, and each yields all predictions.
        """
        load = partial(self._load, dataset)
        groups = loaded_groups(dataset, rows.tolist(), self._batch_of, load, num_threads, ranks)
        for in_round, _, (images, truths) in groups:
            pairs = zip(truths, self._logits(images), strict=True)
            own = [class_map(logits, truth.shape) for truth, logits in pairs]
            for root, group in enumerate(in_round):
                of_group = truths if root == ranks.index else [dataset.label_map(row) for row in group]
                for place, (row, truth) in enumerate(zip(group, of_group, strict=True)):
                    found = own[place] if root == ranks.index else np.empty(truth.shape, np.int16)
                    yield Prediction(row, truth, ranks.broadcast(root, found))

    def _batch_of(self, size: tuple[int, int]) -> int:
        short_side, max_long_side = self.view.resize
        factor = min(short_side / min(size), max_long_side / max(size))
        return self._batch_size(size[0] * size[1] * factor**2)

    def _batch_size(self, num_pixels: float) -> int:
        return int(np.clip(_LOGIT_BYTES / (4 * self.num_classes * num_pixels), 1, _MAX_BATCH))

    def _load(self, dataset: PreparedDataset, group: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
        images = [fitted(Scene(dataset.image(row)), *self.view.resize).image for row in group]
        batch = padded_images(images, mean=self.mean, std=self.std, multiple=1)
        return batch, [dataset.label_map(row) for row in group]

    def _logits(self, images: np.ndarray) -> np.ndarray:
        if self.view.inference == "whole":
            return self.logits_of(images)
        window = self.view.crop_size
        batch_size = self._batch_size(window**2)
        return slide(self.logits_of, images, window=window, stride=self.view.stride, batch_size=batch_size)
