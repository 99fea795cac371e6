"""Batches for training a classifier: augmented and mixed images, with soft targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config.finetune import FinetuneConfig
from pipeline.datasets.multilabel import is_labelled, read_label_sets
from pipeline.datasets.prepared import PreparedDataset
from pipeline.finetune.order import training_rows
from pipeline.measures.labelled_images import LabelledImages
from pipeline.training.random_generators import Purpose, generator
from pipeline.transforms.classification import training_views
from pipeline.transforms.mixing import mixed, soft_label_sets, soft_targets


@dataclass(frozen=True, eq=False)
class ClassificationBatch:
    """B images with soft targets; mixup and cutmix make one image, and its target, of two."""

    names: Sequence[str]
    images: np.ndarray  # (B, 3, S, S) float32
    targets: np.ndarray  # (B, K) float32, rows that sum to 1; of label sets each in 0..1

    def microbatch(self, index: int, num_microbatches: int) -> "ClassificationBatch":
        """The microbatch `index` of `num_microbatches` equal ones."""
        size = len(self.images) // num_microbatches
        images = slice(index * size, (index + 1) * size)
        return ClassificationBatch(self.names[images], self.images[images], self.targets[images])


@dataclass(frozen=True, eq=False)
class BatchMaker:
    """Makes the batch of any step; may be called from any thread."""

    config: FinetuneConfig
    dataset: PreparedDataset
    rows: np.ndarray  # (n,) of the labelled training images
    mean: np.ndarray  # (3,) of the channels in [0, 1]
    std: np.ndarray
    label_sets: np.ndarray | None = None  # (N, K) of the data set, where images have any number of classes

    def __call__(self, step: int) -> ClassificationBatch:
        config, dataset = self.config, self.dataset
        rows = training_rows(self.rows, config.seed, step, config.schedule.batch_size)
        images = [dataset.image(int(row), at_least=2 * config.view.image_size) for row in rows]
        rng = generator(config.seed, Purpose.DENSE_VIEWS, step)
        views = training_views(rng, images, config.view, mean=self.mean, std=self.std)
        smoothing = config.mixing.label_smoothing
        if self.label_sets is None:
            targets = soft_targets(dataset.labels[rows], len(dataset.class_names), smoothing)
        else:
            targets = soft_label_sets(self.label_sets[rows], smoothing)
        return ClassificationBatch(
            [dataset.path(int(row)) for row in rows], *mixed(rng, views, targets, config.mixing)
        )


def labelled_images(dataset: PreparedDataset, split: str) -> LabelledImages:
    """The labelled images of a split; labels are (n,), or (n, K) where images have any number of classes."""
    rows, label_sets = dataset.indices(split), read_label_sets(dataset)
    if label_sets is None:
        rows = rows[dataset.labels[rows] >= 0]
        labels = dataset.labels[rows]
    else:
        rows = rows[is_labelled(label_sets[rows])]
        labels = label_sets[rows]
    return LabelledImages(
        dataset.name, dataset.split_names.get(split, split), dataset.class_names, labels, rows
    )
