"""Shared by segmentation and detection: open the data, train and save a network, predict on all ranks."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import jittor as jt
import numpy as np
from jittor import nn
from tqdm import tqdm

from pipeline import kernels
from pipeline.config.dense import DetectConfig, SegmentConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.finetune.model_file import save_model
from pipeline.finetune.training import FinetuneBatch, finetune
from pipeline.measures.classification_rows import write_no_outcome
from pipeline.models.backbone_file import FrozenBackbone
from pipeline.ranks.exchange import Ranks, ranks_of_this_process
from pipeline.storage.files import sha256_of_file, sha256_of_json
from pipeline.training.reporting import quiet, reporting

PredictionT = TypeVar("PredictionT", covariant=True)


class Predictor(Protocol[PredictionT]):
    """Predicts on images that all ranks share."""

    def predictions(
        self, dataset: PreparedDataset, rows: np.ndarray, num_threads: int, ranks: Ranks
    ) -> Iterator[PredictionT]: ...


@dataclass(frozen=True, eq=False)
class DenseTask:
    """The inputs and the output folder of one stage.

    Attributes:
        backbone: file of the network's backbone.
    """

    config: SegmentConfig | DetectConfig
    dataset: PreparedDataset
    backbone: Path
    output: Path
    runtime: RuntimeConfig
    ranks: Ranks

    def train_and_save(
        self,
        network: nn.Module,
        stored: FrozenBackbone,
        *,
        make_batch: Callable[[int], FinetuneBatch],
        losses: Callable[[FinetuneBatch, jt.Var | None], dict[str, jt.Var]],
    ) -> None:
        """Train `network` in place by `pipeline.finetune.training.finetune`, and write `model.safetensors`.

        Args:
            stored: the other content of the backbone's file.
            make_batch, losses: as for `finetune`.
        """
        config, runtime, first = self.config, self.runtime, self.ranks.is_first
        settings = config.model_dump(mode="json")
        with reporting(kernels.note, self.output, runtime) if first else quiet() as report:
            finetune(
                network,
                make_batch=make_batch,
                losses=losses,
                schedule=config.schedule,
                seed=config.seed,
                run=sha256_of_json([settings, sha256_of_file(self.backbone), self.dataset.content_digest]),
                output=self.output,
                runtime=runtime,
                report=report,
                ranks=self.ranks,
            )
        if first:
            save_model(self.output / "model.safetensors", network, settings, self.dataset.class_names, stored)

    def test_predictions(self, predictor: Predictor[PredictionT]) -> Iterator[PredictionT] | None:
        """The predictions for the test images, with a progress bar; None on all ranks but the first.

        The other ranks compute their share inside this call, and pass it to the first one.
        """
        rows = self.dataset.indices("test")
        predictions = predictor.predictions(self.dataset, rows, self.runtime.threads_per_rank, self.ranks)
        if not self.ranks.is_first:
            deque(predictions, maxlen=0)
            return None
        return tqdm(predictions, desc="test", unit="image", total=len(rows), dynamic_ncols=True)


def open_dense_task(
    config: SegmentConfig | DetectConfig,
    output: Path,
    *,
    backbone: Path,
    data: Path,
    runtime: RuntimeConfig,
    why_not: Callable[[PreparedDataset], str | None],
) -> DenseTask | None:
    """Open the inputs of a stage; if nothing can be trained, write why into `output`, return None.

    Args:
        backbone: artifact of the backbone.
        data: artifact of the prepared images.
        why_not: returns why a data set cannot be used.
    """
    kernels.use(runtime.kernels)
    kernels.use_precision(config.schedule.precision, auto="tf32")
    dataset, ranks = PreparedDataset.open(data), ranks_of_this_process()
    if reason := why_not(dataset):
        if ranks.is_first:
            write_no_outcome(output, reason)
        return None
    return DenseTask(config, dataset, backbone / "backbone.safetensors", output, runtime, ranks)
