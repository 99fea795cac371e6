"""Measures the discrepancy of the teacher's base and auxiliary head on held-out images."""

from contextlib import suppress
from dataclasses import dataclass

import jittor as jt
import numpy as np

from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.discrepancy import cka_distance, cosine_distance, kl_divergence
from pipeline.models.encoder import Tokens
from pipeline.models.hssl import EncodingNetwork
from pipeline.models.projection_head import logits
from pipeline.pretrain.held_out import held_out_rows
from pipeline.pretrain.input_statistics import input_statistics
from pipeline.transforms.evaluation import center_crops


def held_out_crops(dataset: PreparedDataset, size: int, normalization: str) -> np.ndarray:
    """Central crops of `size` pixels of the held-out images: (B, 3, S, S) float32."""
    mean, std = input_statistics(normalization, dataset)
    images = [dataset.image(int(row), at_least=size) for row in held_out_rows(dataset)[1]]
    return center_crops(images, size, size, mean=mean, std=std)


@dataclass(frozen=True)
class BaseAndHead:
    """Outputs of base and head for B images, base first."""

    maps: tuple[np.ndarray, np.ndarray]  # (B, N, D) each: patch tokens
    vectors: tuple[np.ndarray, np.ndarray] | None  # (B, C) each: in one space, if the method has one
    logits: tuple[np.ndarray, np.ndarray] | None  # (B, K) each: of prototypes, if the method has any

    def of(self, rows: np.ndarray) -> "BaseAndHead":
        """The outputs for some of the images."""

        def some(sides: tuple[np.ndarray, np.ndarray] | None):
            return None if sides is None else (sides[0][rows], sides[1][rows])

        return BaseAndHead(some(self.maps), some(self.vectors), some(self.logits))


def measured_discrepancy(network: EncodingNetwork, crops: np.ndarray, temperature: float) -> dict[str, float]:
    """Measures between base and head of a network with an auxiliary head: see `discrepancies`.

    Args:
        crops: (B, 3, S, S) float32, B >= 2.
        temperature: of the prototype distributions.
    """
    with jt.no_grad():
        return discrepancies(base_and_head(network, network.backbone(jt.array(crops))), temperature)


def base_and_head(network: EncodingNetwork, tokens: Tokens) -> BaseAndHead:
    """The outputs of the network's base for the images, and of its head for those of the base."""
    with jt.no_grad():
        maps = (tokens.feature_map, network.auxiliary_head.mixed(tokens.feature_map))
        base_map, head_map = (x.numpy().reshape(x.shape[0], -1, x.shape[-1]) for x in maps)
        vectors, prototypes = network.comparable_vectors(tokens), network.unit_prototypes()
        if vectors is None:
            return BaseAndHead((base_map, head_map), None, None)
        base, head = (x.numpy() for x in vectors)
        if prototypes is None:
            return BaseAndHead((base_map, head_map), (base, head), None)
        base_logits, head_logits = (logits(x, prototypes).numpy() for x in vectors)
        return BaseAndHead((base_map, head_map), (base, head), (base_logits, head_logits))


def discrepancies(sides: BaseAndHead, temperature: float) -> dict[str, float]:
    """Compute up to three measures.

    Returns:
        "discrepancy_cka" and "discrepancy_cosine" in 0..1, "discrepancy_kl" (from the head's to the base's
            distribution) in nats. CKA is left out if it is undefined, because all vectors are equal; the
            cosine for a method that never compares the vectors of base and head in one space; the divergence
            for one without prototypes.
    """
    values = {}
    if sides.vectors is not None:
        values["discrepancy_cosine"] = cosine_distance(*sides.vectors)
    if sides.logits is not None:
        base_logits, head_logits = sides.logits
        values["discrepancy_kl"] = kl_divergence(head_logits, base_logits, temperature)
    with suppress(ValueError):
        values["discrepancy_cka"] = cka_distance(*(x.reshape(-1, x.shape[-1]) for x in sides.maps))
    return values
