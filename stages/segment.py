"""Train a segmentation decoder on a frozen or fine-tuned backbone, and score it on the test images."""

from pathlib import Path

from pipeline.config.dense import SegmentConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: SegmentConfig, output: Path, *, backbone: Path, data: Path, runtime: RuntimeConfig) -> None:
    """Write the trained model, rows with bootstrap replicates, scores by class, and pictures."""
    from pipeline import kernels
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.finetune.dense_task import predictions_on_first, train_and_save
    from pipeline.measures.classification_rows import write_no_outcome
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.segmentation.batches import BatchMaker
    from pipeline.segmentation.evaluation import Predictor
    from pipeline.segmentation.network import open_network
    from pipeline.segmentation.outcome import why_not, write_outcome

    kernels.use(runtime.kernels)
    dataset = PreparedDataset.open(data)
    reason = why_not(dataset)
    ranks = ranks_of_this_process()
    if reason:
        if ranks.is_first:
            write_no_outcome(output, reason)
        return
    path = backbone / "backbone.safetensors"
    network, stored = open_network(path, config, len(dataset.class_names))
    print(network.backbone.described())
    make_batch = BatchMaker(
        dataset, config, stored.mean, stored.std, network.multiple, network.dropout_widths
    )
    train_and_save(
        network,
        config,
        dataset,
        make_batch=make_batch,
        losses=network.losses,
        backbone=path,
        stored=stored,
        output=output,
        runtime=runtime,
        ranks=ranks,
    )
    rows = dataset.indices("test")
    predictor = Predictor(network.logits_of, config.view, stored.mean, stored.std, len(dataset.class_names))
    predictions = predictor.predictions(dataset, rows, runtime.threads_per_rank, ranks)
    shown = predictions_on_first(predictions, len(rows), ranks)
    if shown is not None:
        write_outcome(output, config, dataset, shown)


if __name__ == "__main__":
    serve(run, SegmentConfig, needs_jittor=True, on_ranks=True)
