"""Any probe of cached features; which one, its settings say."""

from pathlib import Path

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.probes.settings import PROBES, ProbeConfig, ProbeSection
from pipeline.graph.stage_runner import serve


def run(
    config: ProbeSection, output: Path, *, features: Path, runtime: RuntimeConfig, labels: Path | None = None
) -> None:
    """Write the rows of the probe, its predictions and what else it leaves.

    Args:
        labels: a subset of the training images to learn from; None: all.
    """
    from pipeline.datasets.label_subset import read_subset
    from pipeline.evaluate.feature_files import read_features
    from pipeline.report.classification_rows import why_not, write_no_outcome, write_outcome
    from pipeline.storage.files import write_json

    stored = read_features(features)
    reason = why_not(stored.dataset, stored.labels(*config.needs))
    if reason:
        print(reason)
        write_no_outcome(output, reason)
        return
    subset, probe = read_subset(labels), PROBES[config.name].section.implementation()
    outcome = probe(config, stored, subset, runtime)
    for name, content in outcome.files.items():
        write_json(output / name, content)
    write_outcome(
        output,
        subset.task(config.name),
        outcome.metrics,
        outcome.predictions,
        stored.test_images(),
        num_bootstrap=config.num_bootstrap,
    )
    print(f"{config.name}: {outcome.metrics[0].protocol}")


if __name__ == "__main__":
    serve(run, ProbeConfig)
