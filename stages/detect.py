"""Train Cascade Mask R-CNN on a frozen or fine-tuned backbone, and score it on the test images."""

from pathlib import Path

from pipeline.config.dense import DetectConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: DetectConfig, output: Path, *, backbone: Path, data: Path, runtime: RuntimeConfig) -> None:
    """Write the trained model, rows with bootstrap replicates, COCO results, class scores, and a picture."""
    from functools import partial

    from pipeline.detection.batches import BatchMaker, rows_to_train_on
    from pipeline.detection.cascade import CascadeMaskRcnn
    from pipeline.detection.outcome import why_no_masks, why_not, write_outcome
    from pipeline.detection.predictions import Predictor
    from pipeline.detection.training import detection_losses
    from pipeline.finetune.dense_task import open_dense_task
    from pipeline.models.dense_backbone import open_dense_backbone

    task = open_dense_task(config, output, backbone=backbone, data=data, runtime=runtime, why_not=why_not)
    if task is None:
        return
    dataset = task.dataset
    boxes_only = why_no_masks(dataset)
    if boxes_only:
        print(boxes_only)
    taps, stored = open_dense_backbone(task.backbone, tap_norm=config.heads.tap_norm, frozen=config.frozen)
    print(taps.described())
    num_classes = len(dataset.class_names)
    network = CascadeMaskRcnn(taps, config.heads, num_classes, masks=not boxes_only, seed=config.seed)
    rows = rows_to_train_on(dataset, skip_empty=config.view.skip_empty, say=print)
    make_batch = BatchMaker(dataset, rows, config, stored.mean, stored.std, network.multiple)
    task.train_and_save(network, stored, make_batch=make_batch, losses=partial(detection_losses, network))
    detections = task.test_predictions(Predictor(network, config.view, stored.mean, stored.std))
    if detections is not None:
        write_outcome(output, config, dataset, detections, masks=not boxes_only)


if __name__ == "__main__":
    serve(run, DetectConfig, needs_jittor=True, on_ranks=True)
