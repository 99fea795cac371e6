"""Any probe of cached features; which one, its settings say."""

from pathlib import Path
from pkgutil import resolve_name

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
    from pipeline.evaluate.probe_data import open_probe
    from pipeline.report.classification_rows import write_outcome
    from pipeline.storage.files import write_json

    data = open_probe(features, output, labels=labels, needs_val=config.needs_val)
    if data is None:
        return
    outcome = resolve_name(PROBES[config.name].section.implementation)(config, data, runtime)
    for name, content in outcome.files.items():
        write_json(output / name, content)
    write_outcome(
        output,
        data.subset.task(config.name),
        outcome.metrics,
        outcome.predictions,
        data.test_images,
        num_bootstrap=config.num_bootstrap,
    )
    print(outcome.metrics[0].protocol)


if __name__ == "__main__":
    serve(run, ProbeConfig)
