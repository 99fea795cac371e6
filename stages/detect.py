"""Train Cascade Mask R-CNN on a frozen or fine-tuned backbone, and score it on the test images."""

from pathlib import Path

from pipeline.config.dense import DetectConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: DetectConfig, output: Path, *, backbone: Path, data: Path, runtime: RuntimeConfig) -> None:
    """Write the trained model, rows with bootstrap replicates, COCO results, class scores, and a picture."""
    from functools import partial

    from pipeline import kernels
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.detection.batches import BatchMaker, rows_to_train_on
    from pipeline.detection.cascade import CascadeMaskRcnn
    from pipeline.detection.outcome import why_no_masks, why_not, write_outcome
    from pipeline.detection.predictions import Predictor
    from pipeline.detection.training import detection_losses
    from pipeline.finetune.dense_task import predictions_on_first, train_and_save
    from pipeline.measures.classification_rows import write_no_outcome
    from pipeline.models.dense_backbone import open_dense_backbone
    from pipeline.ranks.exchange import ranks_of_this_process

    kernels.use(runtime.kernels)
    dataset = PreparedDataset.open(data)
    reason = why_not(dataset)
    ranks = ranks_of_this_process()
    if reason:
        if ranks.is_first:
            write_no_outcome(output, reason)
        return
    boxes_only = why_no_masks(dataset)
    if boxes_only:
        print(boxes_only)
    path = backbone / "backbone.safetensors"
    taps, stored = open_dense_backbone(path, tap_norm=config.heads.tap_norm, frozen=config.frozen)
    print(taps.described())
    num_classes = len(dataset.class_names)
    network = CascadeMaskRcnn(taps, config.heads, num_classes, masks=not boxes_only, seed=config.seed)
    rows = rows_to_train_on(dataset, skip_empty=config.view.skip_empty, say=print)
    train_and_save(
        network,
        config,
        dataset,
        make_batch=BatchMaker(dataset, rows, config, stored.mean, stored.std, network.multiple),
        losses=partial(detection_losses, network),
        backbone=path,
        stored=stored,
        output=output,
        runtime=runtime,
        ranks=ranks,
    )
    rows = dataset.indices("test")
    predictor = Predictor(network, config.view, stored.mean, stored.std)
    detections = predictor.predictions(dataset, rows, runtime.threads_per_rank, ranks)
    shown = predictions_on_first(detections, len(rows), ranks)
    if shown is not None:
        write_outcome(output, config, dataset, shown, masks=not boxes_only)


if __name__ == "__main__":
    serve(run, DetectConfig, needs_jittor=True, on_ranks=True)
