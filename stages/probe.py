"""Run a probe of cached features; its settings say which one."""

from pathlib import Path
from pkgutil import resolve_name

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.probes.settings import PROBES, ProbeConfig, ProbeSection
from pipeline.graph.stage_runner import serve


def run(
    config: ProbeSection, output: Path, *, features: Path, runtime: RuntimeConfig, labels: Path | None = None
) -> None:
    """Write the probe's rows, its predictions and any other file that it makes.

    Args:
        labels: artifact of the subset of training images to learn from; None: all of them.
    """
    from pipeline.evaluate.probe_data import open_probe
    from pipeline.measures.classification_rows import write_outcome
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
