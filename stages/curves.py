"""Plot a pretraining's losses, and measure the discrepancy between base and head, from its log."""

from pathlib import Path

from pipeline.config.stages import PretrainConfig, RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(
    config: PretrainConfig, output: Path, *, data: Path, pretraining: Path, runtime: RuntimeConfig
) -> None:
    """Write loss.png and rows.json from a pretraining's metrics.jsonl."""
    from pipeline.datasets.prepared import PreparedDataset
    from pipeline.measures.measure import write_measures
    from pipeline.pretrain.curves import draw_curves
    from pipeline.pretrain.discrepancy_rows import discrepancy_measures
    from pipeline.training.metrics_log import METRICS, read_metrics

    metrics = read_metrics(pretraining / METRICS)
    if not metrics:
        raise ValueError(f"{pretraining / METRICS}: expected a line for each logged step, found none")
    draw_curves(output / "loss.png", metrics, config.projection_head.num_prototypes)
    write_measures(output, discrepancy_measures(metrics[-1], PreparedDataset.open(data)))


if __name__ == "__main__":
    serve(run, PretrainConfig)
