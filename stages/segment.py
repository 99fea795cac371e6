"""Train a segmentation decoder on a frozen or fine-tuned backbone, and score it on the test images."""

from collections import deque
from pathlib import Path

from tqdm import tqdm

from pipeline.config.dense import SegmentConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: SegmentConfig, output: Path, *, backbone: Path, data: Path, runtime: RuntimeConfig) -> None:
    """Write the trained model, rows with bootstrap replicates, scores by class, and pictures."""
    from pipeline import kernels
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.finetune.model_file import save_model
    from pipeline.finetune.training import finetune
    from pipeline.measures.classification_rows import write_no_outcome
    from pipeline.ranks.exchange import ranks_of_this_process
    from pipeline.segmentation.batches import BatchMaker
    from pipeline.segmentation.evaluation import Predictor
    from pipeline.segmentation.network import open_network
    from pipeline.segmentation.outcome import why_not, write_outcome
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
    path = backbone / "backbone.safetensors"
    network, stored = open_network(path, config, len(dataset.class_names))
    print(network.backbone.described())
    settings = config.model_dump(mode="json")
    make_batch = BatchMaker(
        dataset, config, stored.mean, stored.std, network.multiple, network.dropout_widths
    )
    with reporting(kernels.note, output, runtime) if ranks.first else quiet() as report:
        finetune(
            network,
            make_batch=make_batch,
            losses=network.losses,
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
    predictor = Predictor(network.logits_of, config.view, stored.mean, stored.std, len(dataset.class_names))
    predictions = predictor.predictions(dataset, rows, num_threads, ranks)
    if not ranks.first:  # takes its part, and leaves the outcome to the first
        deque(predictions, maxlen=0)
        return
    shown = tqdm(predictions, desc="test", unit="image", total=len(rows), dynamic_ncols=True)
    write_outcome(output, config, dataset, shown)


if __name__ == "__main__":
    serve(run, SegmentConfig, needs_jittor=True, on_ranks=True)
