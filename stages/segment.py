"""Train a segmentation decoder on a frozen or fine-tuned backbone, and score it on the test images."""

from pathlib import Path

from pipeline.config.dense import SegmentConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: SegmentConfig, output: Path, *, backbone: Path, data: Path, runtime: RuntimeConfig) -> None:
    """Write the trained model, rows with bootstrap replicates, scores by class, and pictures."""
    from pipeline.finetune.dense_task import open_dense_task
    from pipeline.segmentation.batches import BatchMaker
    from pipeline.segmentation.evaluation import Predictor
    from pipeline.segmentation.network import open_network
    from pipeline.segmentation.outcome import why_not, write_outcome

    task = open_dense_task(config, output, backbone=backbone, data=data, runtime=runtime, why_not=why_not)
    if task is None:
        return
    dataset, num_classes = task.dataset, len(task.dataset.class_names)
    network, stored = open_network(task.backbone, config, num_classes)
    print(network.backbone.described())
    make_batch = BatchMaker(
        dataset, config, stored.mean, stored.std, network.multiple, network.dropout_widths
    )
    task.train_and_save(network, stored, make_batch=make_batch, losses=network.losses)
    predictor = Predictor(network.logits_of, config.view, stored.mean, stored.std, num_classes)
    predictions = task.test_predictions(predictor)
    if predictions is not None:
        write_outcome(output, config, dataset, predictions)


if __name__ == "__main__":
    serve(run, SegmentConfig, needs_jittor=True, on_ranks=True)
