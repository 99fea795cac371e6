"""Discrepancy of the teacher's base and auxiliary head on held-out images, while it trains and at the end."""

from contextlib import suppress
from dataclasses import dataclass

import jittor as jt
import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.discrepancy import cka_distance, cosine_distance, kl_divergence
from pipeline.evaluate.measures import Measure, TestImages
from pipeline.models.hssl import EncodingNetwork
from pipeline.models.projection_head import logits
from pipeline.pretrain.input_statistics import input_statistics
from pipeline.transforms.evaluation import center_crops

NUM_IMAGES = 64  # enough for a CKA that moves less between draws of images than between heads

_WORDS = {
    "cka": "1 - linear CKA of patch tokens before the last norms",
    "cosine": "(1 - cosine) / 2 of projected CLS vectors",
}


@dataclass(frozen=True)
class HeldOutImages:
    """Central crops of a few images that are not trained on, where there are any such."""

    crops: np.ndarray  # (B, 3, S, S) float32
    source: TestImages


def held_out_images(dataset: PreparedDataset, config: PretrainConfig) -> HeldOutImages:
    """Up to NUM_IMAGES of the first of val, test and train that has any, evenly spread over it."""
    split = next(name for name in ("val", "test", "train") if len(dataset.indices(name)))
    rows = dataset.indices(split)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(NUM_IMAGES, len(rows))).round().astype(int))]
    size = config.crops.global_size
    mean, std = input_statistics(config.normalization, dataset)
    images = [dataset.image(int(row), at_least=size) for row in rows]
    crops = center_crops(images, size, size, mean=mean, std=std)
    return HeldOutImages(crops, TestImages(dataset.name, dataset.split_names[split], len(rows)))


def measured_discrepancy(network: EncodingNetwork, crops: np.ndarray, temperature: float) -> dict[str, float]:
    """Up to three measures between base and head, of a network with an auxiliary head.

    Args:
        crops: (B, 3, S, S) float32, B >= 2.
        temperature: of the prototype distributions.

    Returns:
        "discrepancy_cka" and "discrepancy_cosine" in 0..1, "discrepancy_kl" (from the head's to the base's
        distribution) in nats. A network that collapsed, all its vectors equal, has no CKA: it is left out. So
        is the cosine of a method that never compares the vectors of base and head in one space, and the
        divergence of one without prototypes.
    """
    values = {}
    with jt.no_grad():
        tokens = network.backbone(jt.array(crops))
        maps = [tokens.feature_map, network.auxiliary_head.mixed(tokens.feature_map)]
        base_map, auxiliary_map = (x.numpy().reshape(-1, x.shape[-1]) for x in maps)
        vectors, prototypes = network.comparable_vectors(tokens), network.unit_prototypes()
        if vectors is not None:
            values["discrepancy_cosine"] = cosine_distance(*(x.numpy() for x in vectors))
        if vectors is not None and prototypes is not None:
            base_logits, auxiliary_logits = (logits(x, prototypes).numpy() for x in vectors)
            values["discrepancy_kl"] = kl_divergence(auxiliary_logits, base_logits, temperature)
    with suppress(ValueError):
        values["discrepancy_cka"] = cka_distance(base_map, auxiliary_map)
    return values


def discrepancy_measures(metrics: dict[str, float], images: TestImages) -> list[Measure]:
    """Rows of those of the last metrics that are fractions; none of a network without a head."""
    protocol = "teacher's {}; no labels; this project's definition"
    return [
        Measure("discrepancy", name, metrics[f"discrepancy_{name}"], protocol.format(words), images)
        for name, words in _WORDS.items()
        if f"discrepancy_{name}" in metrics
    ]
