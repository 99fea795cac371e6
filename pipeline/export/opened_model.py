"""Opens an experiment's fine-tuned network for export, and computes its outputs for real images."""

from pathlib import Path

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.export.model_description import TunedModel
from pipeline.inference.models import Model, open_model
from pipeline.models.weights import named_arrays
from pipeline.transforms.dense import fitted
from pipeline.transforms.evaluation import center_crops
from pipeline.transforms.padding import padded_images
from pipeline.transforms.scene import Scene
from pipeline.weights.arrays import read_arrays


def opened_model(path: Path, task: str, *, name: str, table: str) -> tuple[Model, TunedModel]:
    """Read a model's file.

    Raises:
        WeightsError: not such a model, or arrays that do not fit it.
    """
    model, (_, metadata) = open_model(path, task), read_arrays(path)
    view, network = model.config.view, model.network
    multiple = 1 if task == "classify" else network.multiple
    size = {
        "classify": lambda: view.image_size,
        "segment": lambda: view.crop_size,
        # An image of any proportions fits in.
        "detect": lambda: -(-max(view.max_long_side, view.test_short_side) // multiple) * multiple,
    }[task]()
    return model, TunedModel(
        name=name,
        task=task,
        architecture=BackboneConfig.model_validate(metadata["architecture"]),
        config=model.config,
        arrays=named_arrays(network),
        class_names=model.class_names,
        mean=model.mean,
        std=model.std,
        size=size,
        multiple=multiple,
        table=table,
    )


def checked_images(data: Path, model: TunedModel, num_images: int) -> np.ndarray:
    """The first test images (else training images), their central squares, normalised: (B, 3, S, S)."""
    dataset, rows = _checked_rows(data, num_images)
    images = [dataset.image(row, at_least=model.resize) for row in rows]
    return center_crops(images, model.resize, model.size, mean=model.mean, std=model.std)


def checked_scenes(data: Path, model: TunedModel, num_images: int) -> tuple[np.ndarray, np.ndarray]:
    """The same images for a detector, padded (B, 3, S, S), and their sizes (B, 2) without padding."""
    dataset, rows = _checked_rows(data, num_images)
    view = model.config.view
    limits = view.test_short_side, view.max_long_side
    images = [fitted(Scene(dataset.image(row)), *limits).image for row in rows]
    square = padded_images(images, mean=model.mean, std=model.std, multiple=1, square=model.size)
    return square, np.array([image.shape[:2] for image in images])


def _checked_rows(data: Path, num_images: int) -> tuple[PreparedDataset, list[int]]:
    dataset = PreparedDataset.open(data)
    rows = next(rows for split in ("test", "val", "train") if len(rows := dataset.indices(split)))
    return dataset, [int(row) for row in rows[:num_images]]


def logits_here(model: Model, task: str, images: np.ndarray) -> np.ndarray:
    """This project's logits: (B, K), or (B, K, S, S) for a segmenter; empty for a detector."""
    compute = {"classify": "logits", "segment": "logits_of"}.get(task)
    return getattr(model.network, compute)(images) if compute else np.zeros(0, np.float32)
