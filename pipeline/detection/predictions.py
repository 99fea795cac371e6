"""Runs a trained network on labelled images, and returns detections in each image's own coordinates."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from faster_coco_eval.core import mask as run_lengths

from pipeline.config.dense import DetectViewConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.detection.boxes import clipped
from pipeline.detection.cascade import CascadeMaskRcnn
from pipeline.detection.inference import RawDetections, detect
from pipeline.detection.masks import pasted
from pipeline.evaluate.average_precision import Detections
from pipeline.finetune.size_groups import loaded_groups
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.transforms.dense import fitted
from pipeline.transforms.padding import padded_images
from pipeline.transforms.scene import Scene

_BATCH_PIXELS = 2**17  # of one forward pass; 8 images of 128 px, one of 800 x 1333
_MAX_BATCH = 32


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained network, and how images are prepared for it.

    Args:
        network: in evaluation mode.
        mean, std: (3,), of pixels in [0, 1], as in the backbone's pretraining.
    """

    network: CascadeMaskRcnn
    view: DetectViewConfig
    mean: np.ndarray
    std: np.ndarray

    def predictions(
        self, dataset: PreparedDataset, rows: np.ndarray, num_threads: int, ranks: Ranks = SINGLE_PROCESS
    ) -> Iterator[Detections]:
        """Yield the detections in each row's image, in order.

        Only images of the same size share a batch, so the detections in one do not depend on the others.
        Several ranks share the work, and all yield everything.
        """
        load = partial(self._load, dataset)
        groups = loaded_groups(dataset, rows.tolist(), self._batch_of, load, num_threads, ranks)
        for in_round, _, (images, sizes) in groups:
            own = list(zip(detect(self.network, images, sizes), sizes, strict=True))
            for root, group in enumerate(in_round):
                for place, row in enumerate(group):
                    found, size = _from_rank(ranks, root, *own[place if root == ranks.index else 0])
                    width, height = dataset.size(row)
                    yield detections_of(found, tuple(size.tolist()), (height, width))

    def _batch_of(self, size: tuple[int, int]) -> int:
        short, long = sorted(size)
        factor = min(self.view.test_short_side / short, self.view.max_long_side / long)
        return int(np.clip(_BATCH_PIXELS / (short * long * factor**2), 1, _MAX_BATCH))

    def _load(self, dataset: PreparedDataset, group: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Images (B, 3, H, W), padded, and their sizes without padding (B, 2)."""
        limits = self.view.test_short_side, self.view.max_long_side
        images = [fitted(Scene(dataset.image(row)), *limits).image for row in group]
        batch = padded_images(images, mean=self.mean, std=self.std, multiple=self.network.multiple)
        return batch, np.array([image.shape[:2] for image in images])


def _from_rank(
    ranks: Ranks, root: int, found: RawDetections, size: np.ndarray
) -> tuple[RawDetections, np.ndarray]:
    """One rank's detections in an image, and the size of the image; other ranks pass any of their own."""
    if ranks.count == 1:
        return found, size
    parts = [found.boxes, found.scores, found.classes, *([] if found.masks is None else [found.masks])]
    (num_found,) = ranks.broadcast(root, np.array([len(found.boxes)], np.int64))
    if root != ranks.index:
        parts = [np.empty((num_found, *part.shape[1:]), part.dtype) for part in parts]
    received = [ranks.broadcast(root, part) for part in parts] if num_found else parts
    masks = received[3] if found.masks is not None else None
    return RawDetections(*received[:3], masks), ranks.broadcast(root, size)


def detections_of(found: RawDetections, seen: tuple[int, int], original: tuple[int, int]) -> Detections:
    """Detections in the coordinates of the original image, with run-length encoded masks.

    Args:
        seen: (height, width) of the image that the network saw, without padding.
        original: (height, width) of the image as stored.
    """
    height, width = original
    factors = np.array([width / seen[1], height / seen[0]] * 2, np.float32)
    boxes = clipped(found.boxes * factors, height, width)
    masks = None
    if found.masks is not None:
        # One by one, because a hundred masks of a large photograph would fill the memory.
        parts = [slice(i, i + 1) for i in range(len(boxes))]
        masks = [_encoded(pasted(found.masks[part], boxes[part], height, width)) for part in parts]
    return Detections(boxes, found.scores.astype(np.float32), found.classes, masks)


def _encoded(mask: np.ndarray) -> dict:
    """A mask (1, H, W) bool as COCO's compressed run lengths, along the columns."""
    return run_lengths.encode(np.asfortranarray(mask[0].astype(np.uint8)))
