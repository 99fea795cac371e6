"""A fine-tuned network of an experiment, opened for its export, and what it says of real images."""

from pathlib import Path

import numpy as np

from pipeline.config.backbone import BackboneConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.export.model_description import TunedModel
from pipeline.inference.models import Model, open_model
from pipeline.models.weights import named_arrays
from pipeline.transforms.evaluation import center_crops
from pipeline.weights.arrays import read_arrays


def opened_model(path: Path, task: str, *, name: str, table: str) -> tuple[Model, TunedModel]:
    """Read a model's file.

    Raises:
        WeightsError: no such model, or arrays that do not fit it.
    """
    model, (_, metadata) = open_model(path, task), read_arrays(path)
    view, network = model.config.view, model.network
    size = {
        "classify": lambda: view.image_size,
        "segment": lambda: view.crop_size,
        "detect": lambda: view.test_short_side,
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
        multiple=network.multiple if task == "segment" else 1,
        table=table,
    )


def checked_images(data: Path, model: TunedModel, num_images: int) -> np.ndarray:
    """The first test images (else training images), their central squares, normalised: (B, 3, S, S)."""
    dataset = PreparedDataset.open(data)
    rows = next(rows for split in ("test", "val", "train") if len(rows := dataset.indices(split)))
    images = [dataset.image(int(row), at_least=model.resize) for row in rows[:num_images]]
    return center_crops(images, model.resize, model.size, mean=model.mean, std=model.std)


def logits_here(model: Model, task: str, images: np.ndarray) -> np.ndarray:
    """What this project computes: (B, K), or (B, K, S, S) of a segmenter; nothing of a detector."""
    compute = {"classify": "logits", "segment": "logits_of"}.get(task)
    return getattr(model.network, compute)(images) if compute else np.zeros(0, np.float32)
