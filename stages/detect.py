"""Train Cascade Mask R-CNN on a frozen or fine-tuned backbone, and score it on the test images."""

from collections import deque
from pathlib import Path

from tqdm import tqdm

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
    from pipeline.finetune.model_file import save_model
    from pipeline.finetune.training import finetune
    from pipeline.measures.classification_rows import write_no_outcome
    from pipeline.models.dense_backbone import open_dense_backbone
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.storage.files import sha256_of_file, sha256_of_json
    from pipeline.training.reporting import quiet, reporting

    kernels.use(runtime.kernels)
    dataset = PreparedDataset.open(data)
    reason = why_not(dataset)
    ranks = ranks_of_this_process()
    if reason:
        if ranks.first:
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
    settings = config.model_dump(mode="json")
    with reporting(kernels.note, output, runtime) if ranks.first else quiet() as report:
        finetune(
            network,
            make_batch=BatchMaker(dataset, rows, config, stored.mean, stored.std, network.multiple),
            losses=partial(detection_losses, network),
            schedule=config.schedule,
            seed=config.seed,
            run=sha256_of_json([settings, sha256_of_file(path), dataset.content_digest]),
            output=output,
            runtime=runtime,
            report=report,
            ranks=ranks,
        )
    if ranks.first:
        save_model(output / "model.safetensors", network, settings, dataset.class_names, stored)
    rows = dataset.indices("test")
    num_threads = runtime.threads_per_rank
    predictor = Predictor(network, config.view, stored.mean, stored.std)
    detections = predictor.predictions(dataset, rows, num_threads, ranks)
    if not ranks.first:  # takes its part, and leaves the outcome to the first
        deque(detections, maxlen=0)
        return
    shown = tqdm(detections, desc="test", unit="image", total=len(rows), dynamic_ncols=True)
    write_outcome(output, config, dataset, shown, masks=not boxes_only)


if __name__ == "__main__":
    serve(run, DetectConfig, needs_jittor=True, on_ranks=True)
