"""Trains a classifier end to end."""

from collections.abc import Callable
from pathlib import Path

import jittor as jt

from pipeline.classification.batches import BatchMaker, ClassificationBatch
from pipeline.classification.loss import binary_loss, soft_target_loss
from pipeline.classification.network import Classifier
from pipeline.classification.schedule import schedule_in_steps
from pipeline.config.stages import RuntimeConfig
from pipeline.finetune.training import finetune
from pipeline.ranks.exchange import SINGLE_PROCESS, Ranks
from pipeline.storage.files import sha256_of_json
from pipeline.training.progress import Progress


def train_classifier(
    network: Classifier,
    batches: BatchMaker,
    *,
    backbone_digest: str,
    output: Path,
    runtime: RuntimeConfig,
    report: Callable[[Progress], None],
    ranks: Ranks = SINGLE_PROCESS,
) -> None:
    """Train `network` in place, resuming from `output`; see `pipeline.training.loop.train`.

    Args:
        backbone_digest: digest of the backbone's file; a checkpoint made with another backbone is refused.
        ranks: the ranks that train together.
    """
    config, rows = batches.config, batches.rows

    def losses(batch: ClassificationBatch, drop_path_scales: jt.Var | None) -> dict[str, jt.Var]:
        logits = network(jt.array(batch.images), drop_path_scales)
        loss = soft_target_loss if batches.label_sets is None else binary_loss
        return {"cross_entropy": loss(logits, jt.array(batch.targets))}

    decisive = [
        config.model_dump(mode="json"),
        backbone_digest,
        batches.dataset.content_digest,
        rows.tolist(),
    ]
    finetune(
        network,
        make_batch=batches,
        losses=losses,
        schedule=schedule_in_steps(config.schedule, len(rows)),
        seed=config.seed,
        run=sha256_of_json(decisive),
        output=output,
        runtime=runtime,
        report=report,
        num_microbatches=config.schedule.accumulation_steps,
        ranks=ranks,
    )
