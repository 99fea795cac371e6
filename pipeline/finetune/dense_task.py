"""What segmentation and detection do alike: train and save a network, then predict on all ranks."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import jittor as jt
from jittor import nn
from tqdm import tqdm

from pipeline import kernels
from pipeline.config.dense import DetectConfig, SegmentConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.finetune.model_file import save_model
from pipeline.finetune.training import FinetuneBatch, finetune
from pipeline.models.backbone_file import FrozenBackbone
from pipeline.ranks.exchange import Ranks
from pipeline.storage.files import sha256_of_file, sha256_of_json
from pipeline.training.reporting import quiet, reporting

PredictionT = TypeVar("PredictionT")


def train_and_save(
    network: nn.Module,
    config: SegmentConfig | DetectConfig,
    dataset: PreparedDataset,
    *,
    make_batch: Callable[[int], FinetuneBatch],
    losses: Callable[[FinetuneBatch, jt.Var | None], dict[str, jt.Var]],
    backbone: Path,
    stored: FrozenBackbone,
    output: Path,
    runtime: RuntimeConfig,
    ranks: Ranks,
) -> None:
    """Train `network` in place by `pipeline.finetune.training.finetune`, and write `model.safetensors`.

    Args:
        make_batch, losses: as for `finetune`.
        backbone: file that the network's backbone was read from; `stored` is what else it holds.
    """
    settings = config.model_dump(mode="json")
    with reporting(kernels.note, output, runtime) if ranks.is_first else quiet() as report:
        finetune(
            network,
            make_batch=make_batch,
            losses=losses,
            schedule=config.schedule,
            seed=config.seed,
            run=sha256_of_json([settings, sha256_of_file(backbone), dataset.content_digest]),
            output=output,
            runtime=runtime,
            report=report,
            ranks=ranks,
        )
    if ranks.is_first:
        save_model(output / "model.safetensors", network, settings, dataset.class_names, stored)


def predictions_on_first(
    predictions: Iterator[PredictionT], num_images: int, ranks: Ranks
) -> Iterator[PredictionT] | None:
    """The predictions for the test images, under a progress bar; None on all ranks but the first.

    The other ranks compute their share in here, which the first one is handed.
    """
    if not ranks.is_first:
        deque(predictions, maxlen=0)
        return None
    return tqdm(predictions, desc="test", unit="image", total=num_images, dynamic_ncols=True)
