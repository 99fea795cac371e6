"""Training batches of detection: augmented images with their objects."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.config.dense import DetectConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.detection.targets import GroundTruth
from pipeline.finetune.order import training_rows
from pipeline.training.random_generators import Purpose, generator
from pipeline.transforms.dense import detection_view
from pipeline.transforms.padding import padded_images
from pipeline.transforms.scene import Scene, scene_of


@dataclass(frozen=True, eq=False)
class DetectBatch:
    """A training batch of B images, determined by seed and step."""

    names: list[str]
    images: np.ndarray  # (B, 3, H, W) float32, padded to the right and below
    sizes: np.ndarray  # (B, 2) int64: height and width of each view without padding
    truths: list[GroundTruth]
    sample_seeds: np.ndarray  # (B,) int64: seeds of the sampling of boxes in each view

    def microbatch(self, index: int, num_microbatches: int) -> "DetectBatch":
        """The microbatch `index` of `num_microbatches` equal ones."""
        size = len(self.images) // num_microbatches
        part = slice(index * size, (index + 1) * size)
        return DetectBatch(
            self.names[part], self.images[part], self.sizes[part], self.truths[part], self.sample_seeds[part]
        )


@dataclass(frozen=True, eq=False)
class BatchMaker:
    """Makes the batch of any step; thread-safe.

    Args:
        rows: (n,) rows of the training images.
        mean, std: (3,), of pixels in [0, 1], as in the backbone's pretraining.
        multiple: pixels; the images' sides are padded to multiples of this.
    """

    dataset: PreparedDataset
    rows: np.ndarray
    config: DetectConfig
    mean: np.ndarray
    std: np.ndarray
    multiple: int

    def __call__(self, step: int) -> DetectBatch:
        seed, batch_size = self.config.seed, self.config.schedule.batch_size
        rows = training_rows(self.rows, seed, step, batch_size)
        rngs = generator(seed, Purpose.DENSE_VIEWS, step).spawn(batch_size)
        views = [
            detection_view(rng, scene_of(self.dataset, int(row)), self.config.view)
            for rng, row in zip(rngs, rows, strict=True)
        ]
        names = [self.dataset.path(int(row)) for row in rows]
        seeds = generator(seed, Purpose.DENSE_SAMPLES, step).integers(2**62, size=batch_size)
        return batch_of(views, names, seeds, mean=self.mean, std=self.std, multiple=self.multiple)


def batch_of(
    views: list[Scene],
    names: list[str],
    sample_seeds: np.ndarray,
    *,
    mean: np.ndarray,
    std: np.ndarray,
    multiple: int,
) -> DetectBatch:
    """Make a batch of scenes with objects, padded to one size."""
    return DetectBatch(
        names=names,
        images=padded_images([view.image for view in views], mean=mean, std=std, multiple=multiple),
        sizes=np.array([view.size for view in views]),
        truths=[ground_truth_of(view) for view in views],
        sample_seeds=sample_seeds,
    )


def ground_truth_of(scene: Scene) -> GroundTruth:
    """The ground truth of a scene; a crowd is neither a target nor background."""
    single = ~scene.crowd
    return GroundTruth(
        boxes=scene.boxes[single],
        classes=scene.classes[single],
        crowds=scene.boxes[scene.crowd],
        masks=None if scene.masks is None else scene.masks[single],
    )


def rows_to_train_on(dataset: PreparedDataset, *, skip_empty: bool, say: Callable[[str], None]) -> np.ndarray:
    """Rows of the training images; with `skip_empty`, only of those with an object, crowds not counted.

    Args:
        say: called with a line on how many images are left out.

    Raises:
        ValueError: all images would be left out.
    """
    rows = dataset.indices("train")
    if not skip_empty:
        return rows
    kept = np.array([row for row in rows.tolist() if not dataset.objects(row).crowd.all()], np.int64)
    say(f"view.skip_empty: {len(rows) - len(kept)} of {len(rows)} training images show no object: left out")
    if not len(kept):
        raise ValueError(f"{dataset.name}: no training image shows an object")
    return kept
