"""Training batches: views of images with what is in them."""

from dataclasses import dataclass

import numpy as np

from pipeline.config.dense import DetectConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.detection.targets import Truth
from pipeline.finetune.order import training_rows
from pipeline.streams import Stream, generator
from pipeline.transforms.dense import detection_view
from pipeline.transforms.padding import padded_images
from pipeline.transforms.scene import Scene, scene_of

PAD_MULTIPLE = 32  # pixels: stride of the coarsest level that boxes are pooled from


@dataclass(frozen=True, eq=False)
class DetectBatch:
    """B views; a function of seed and step."""

    names: list[str]
    images: np.ndarray  # (B, 3, H, W) float32, padded to the right and below
    sizes: np.ndarray  # (B, 2) int64: height and width of each view without padding
    truths: list[Truth]
    sample_seeds: np.ndarray  # (B,) int64: of what is drawn while training on each view


@dataclass(frozen=True, eq=False)
class BatchMaker:
    """Makes the batch of a step, in any thread."""

    dataset: PreparedDataset
    rows: np.ndarray  # of the training images
    config: DetectConfig
    mean: np.ndarray  # (3,)
    std: np.ndarray  # (3,)

    def __call__(self, step: int) -> DetectBatch:
        seed, batch_size = self.config.seed, self.config.schedule.batch_size
        rows = training_rows(self.rows, seed, step, batch_size)
        rngs = generator(seed, Stream.DENSE_VIEWS, step).spawn(batch_size)
        views = [
            detection_view(rng, scene_of(self.dataset, int(row)), self.config.view)
            for rng, row in zip(rngs, rows, strict=True)
        ]
        names = [self.dataset.path(int(row)) for row in rows]
        seeds = generator(seed, Stream.DENSE_SAMPLES, step).integers(2**62, size=batch_size)
        return batch_of(views, names, seeds, mean=self.mean, std=self.std)


def batch_of(
    views: list[Scene], names: list[str], sample_seeds: np.ndarray, *, mean: np.ndarray, std: np.ndarray
) -> DetectBatch:
    """Put scenes with objects side by side, padded to one size."""
    return DetectBatch(
        names=names,
        images=padded_images([view.image for view in views], mean=mean, std=std, multiple=PAD_MULTIPLE),
        sizes=np.array([view.size for view in views]),
        truths=[truth_of(view) for view in views],
        sample_seeds=sample_seeds,
    )


def truth_of(scene: Scene) -> Truth:
    """What is in a scene; a crowd is neither a target nor background."""
    single = ~scene.crowd
    return Truth(
        boxes=scene.boxes[single],
        classes=scene.classes[single],
        crowds=scene.boxes[scene.crowd],
        masks=None if scene.masks is None else scene.masks[single],
    )


def rows_with_objects(dataset: PreparedDataset, rows: np.ndarray) -> np.ndarray:
    """Those of the images in which there is at least one object that is no crowd."""
    return np.array([row for row in rows if not dataset.objects(int(row)).crowd.all()], np.int64)
