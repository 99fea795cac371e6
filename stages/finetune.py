"""Fine-tune one whole backbone for classification; from random weights this is supervised training."""

from pathlib import Path

from pipeline.config.finetune import FinetuneConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(
    config: FinetuneConfig,
    output: Path,
    *,
    backbone: Path,
    data: Path,
    runtime: RuntimeConfig,
    labels: Path | None = None,
) -> None:
    """Write classifier.safetensors, metrics.jsonl, validation.json, and the rows of test accuracy.

    The weights are those of the last step: nothing is selected on validation or test images. Rank 0 alone
    writes.

    Args:
        labels: artifact of the subset of training images to learn from; None: all of them.
    """
    from functools import partial

    import numpy as np

    from pipeline import kernels
    from pipeline.classification.batches import BatchMaker, labelled_images
    from pipeline.classification.network import LABEL_SETS, open_classifier
    from pipeline.classification.predicting import logits_of_batches, top_classes
    from pipeline.classification.protocol import protocol
    from pipeline.classification.training import train_classifier
    from pipeline.datasets.label_subset import read_subset
    from pipeline.datasets.multilabel import read_label_sets
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.evaluate.multilabel.data import why_no_scores
    from pipeline.evaluate.multilabel.outcome import (
        Scored,
        mean_average_precision,
        write_label_set_outcome,
    )
    from pipeline.finetune.model_file import save_model
    from pipeline.measures.classification_rows import Metric, why_not, write_no_outcome, write_outcome
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.storage.files import sha256_of_file, write_json
    from pipeline.training.reporting import quiet, reporting

    kernels.use(runtime.kernels)
    kernels.use_precision(config.schedule.precision, auto="tf32")
    dataset, subset, path = PreparedDataset.open(data), read_subset(labels), backbone / "backbone.safetensors"
    train, val, test = (labelled_images(dataset, split) for split in ("train", "val", "test"))
    label_sets = read_label_sets(dataset)
    learnt = {"train": train.labels, "test": test.labels}
    reason = (why_not if label_sets is None else why_no_scores)(dataset.name, learnt)
    ranks = ranks_of_this_process()
    if reason:
        if ranks.is_first:
            write_no_outcome(output, reason)
        return
    rows, names = subset.chosen(train.index), dataset.class_names
    network, stored = open_classifier(path, len(names), pooling=config.pooling, seed=config.seed)
    statistics = {"mean": stored.mean, "std": stored.std}
    batches = BatchMaker(config, dataset, rows, **statistics, label_sets=label_sets)
    digest = sha256_of_file(path)
    with reporting(kernels.note, output, runtime) if ranks.is_first else quiet() as report:
        train_classifier(
            network,
            batches,
            backbone_digest=digest,
            output=output,
            runtime=runtime,
            report=report,
            ranks=ranks,
        )
    logits_of = partial(logits_of_batches, network.logits, dataset, config=config, **statistics, ranks=ranks)
    settings = config.model_dump(mode="json") | ({} if label_sets is None else {LABEL_SETS: True})
    how = protocol(
        config,
        weights=stored.weights,
        num_images=len(rows),
        labels=subset.description,
        is_multilabel=label_sets is not None,
    )
    task = subset.task("finetune")
    if label_sets is not None:
        scores = {
            part: np.concatenate([*logits_of(of.index)])
            for part, of in (("val", val), ("test", test))
            if len(of.index) and (of.labels == 1).any()
        }
        if not ranks.is_first:
            return
        save_model(output / "classifier.safetensors", network, settings, names, stored)
        if "val" in scores:
            found = mean_average_precision(val.labels == 1, scores["val"])
            write_json(output / "validation.json", {"map": found, "num_images": len(val.index)})
        scored = Scored(scores["test"], scores.get("val"), how)
        write_label_set_outcome(output, task, scored, test, val.labels, num_bootstrap=config.num_bootstrap)
        return
    of_val = top_classes(logits_of(val.index))[:, 0] if len(val.index) else None
    ranking = top_classes(logits_of(test.index))
    if not ranks.is_first:
        return
    save_model(output / "classifier.safetensors", network, settings, names, stored)
    if of_val is not None:  # for users who compare recipes
        accuracy = float((of_val == val.labels).mean())
        write_json(output / "validation.json", {"top1": accuracy, "num_images": len(of_val)})
    hits = ranking == test.labels[:, None]
    metrics = [Metric("top1", hits[:, 0], how)]
    if len(names) > 5:
        metrics.append(Metric("top5", hits.any(axis=1), how))
    write_outcome(output, task, metrics, ranking[:, 0], test, num_bootstrap=config.num_bootstrap)


if __name__ == "__main__":
    serve(run, FinetuneConfig, needs_jittor=True, on_ranks=True)
