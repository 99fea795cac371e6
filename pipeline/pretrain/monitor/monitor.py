"""Measures a network during training: the features of a fixed sample, and their quality.

It uses its own random generators and changes no parameter, so the training is the same as without it.

Shapes: B images of a batch, S pixels, D channels, K prototypes.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress

import jittor as jt
import numpy as np

from pipeline.config.stages import PretrainConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.discrepancy import cka_distance
from pipeline.evaluate.features import batch_rows
from pipeline.models.encoder import Tokens
from pipeline.models.hssl import EncodingNetwork
from pipeline.optim.schedules import Rates
from pipeline.pretrain.batch import Batch
from pipeline.pretrain.centers import Centers
from pipeline.pretrain.entropy import mean_entropy
from pipeline.pretrain.hssl_loss import teacher_targets
from pipeline.pretrain.input_statistics import input_statistics
from pipeline.pretrain.methods.method import method_of
from pipeline.pretrain.monitor.measures import alignment, knn_top1, rank_me, uniformity
from pipeline.pretrain.monitor.sample import draw_sample
from pipeline.pretrain.step import TrainState
from pipeline.training.random_generators import Purpose, generator
from pipeline.transforms.evaluation import center_crops
from pipeline.transforms.multi_crop import multi_crop

BATCH_SIZE = 64  # images of a forward pass; base and head are compared on the first batch of queries


class Monitor:
    """Measures the network that the method publishes: iBOT's teacher, the student of other methods.

    Raises:
        ValueError: the training part has too few images.
    """

    def __init__(self, config: PretrainConfig, dataset: PreparedDataset):
        self._config, self._dataset = config, dataset
        self._published = method_of(config).published
        self._mean, self._std = input_statistics(config.normalization, dataset)
        self.sample = draw_sample(dataset, config.monitor)

    def measured(self, state: TrainState, rates: Rates) -> dict[str, float]:
        """The measures after a step.

        Args:
            rates: of that step, for the teacher's temperature.

        Returns:
            "monitor_knn_top1" in 0..1 if the training part has labels, "monitor_rankme", "monitor_alignment",
                "monitor_uniformity"; "monitor_cka" (1 - CKA of base and head, in 0..1) for a network with an
                auxiliary head, unless it collapsed; "monitor_teacher_entropy" in nats for a method with
                prototypes.
        """
        network: EncodingNetwork = getattr(state, self._published)
        with jt.no_grad():
            bank, _ = self._tokens(network, self.sample.bank)
            queries, distance = self._tokens(network, self.sample.queries)
            views, entropy = self._views(state, network, rates)
        values = {}
        if self.sample.labelled is not None:
            kept, asked = self.sample.labelled
            values["monitor_knn_top1"] = knn_top1(
                queries[asked],
                self.sample.query_labels[asked],
                bank[kept],
                self.sample.bank_labels[kept],
                k=self._config.monitor.k,
            )
        return {
            **values,
            "monitor_rankme": rank_me(np.concatenate([queries, bank])),
            "monitor_alignment": alignment(*views),
            "monitor_uniformity": (uniformity(views[0]) + uniformity(views[1])) / 2,
            **distance,
            **entropy,
        }

    def _tokens(self, network: EncodingNetwork, rows: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
        """Global vectors (n, D) of central crops, and 1 - CKA on the first batch."""
        size, found, distance = self._config.crops.global_size, [], {}

        def crop(images: list[np.ndarray]) -> np.ndarray:
            return center_crops(images, size, size, mean=self._mean, std=self._std)

        for crops in self._batches(rows, crop, at_least=size):
            tokens = network.backbone(jt.array(crops))
            if not found:
                distance = _base_and_head(network, tokens)
            found.append(tokens.cls.numpy())
        return np.concatenate(found), distance

    def _views(
        self, state: TrainState, network: EncodingNetwork, rates: Rates
    ) -> tuple[np.ndarray, dict[str, float]]:
        """Global vectors of two views of the queries (2, Q, D), and the teacher's entropy on them."""
        crops = self._config.crops.model_copy(update={"num_global": 2, "num_local": 0})
        rng = generator(self._config.monitor.seed, Purpose.MONITOR_VIEWS, 0)  # the same views every time

        def crop(images: list[np.ndarray]) -> np.ndarray:
            return multi_crop(rng, images, crops, mean=self._mean, std=self._std).global_crops

        found, probs = [], []
        for views in self._batches(self.sample.queries, crop, at_least=2 * crops.global_size):
            if self._config.method.prototypes:
                batch = Batch(
                    views, views[:0], np.zeros((*views.shape[:2], *self._config.backbone.grid), bool)
                )
                centers = Centers(**state.method_state)
                targets = teacher_targets(state.teacher, batch, centers, rates, patches=False)
                vectors = targets.features.numpy()
                probs.append(targets.cls_probs.numpy())
            else:
                vectors = network.backbone(jt.array(views.reshape(-1, *views.shape[2:]))).cls.numpy()
            found.append(vectors.reshape(2, views.shape[1], -1))
        entropy = {"monitor_teacher_entropy": mean_entropy(np.concatenate(probs))} if probs else {}
        return np.concatenate(found, axis=1), entropy

    def _batches(
        self, rows: np.ndarray, crop: Callable[[list[np.ndarray]], np.ndarray], *, at_least: int
    ) -> Iterator[np.ndarray]:
        for part in batch_rows(rows, BATCH_SIZE):
            yield crop([self._dataset.image(int(row), at_least=at_least) for row in part])


def _base_and_head(network: EncodingNetwork, tokens: Tokens) -> dict[str, float]:
    """1 - CKA of the patches; empty without a head, or if all vectors of a side are equal."""
    if network.auxiliary_head is None:
        return {}
    maps = (tokens.feature_map, network.auxiliary_head.mixed(tokens.feature_map))
    with suppress(ValueError):
        return {"monitor_cka": cka_distance(*(x.numpy().reshape(-1, x.shape[-1]) for x in maps))}
    return {}
