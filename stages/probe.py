"""Run a probe on cached features; its settings select which one."""

from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pipeline.config.stages import RuntimeConfig
from pipeline.evaluate.probes.settings import PROBES, ProbeConfig, ProbeSection
from pipeline.graph.stage_runner import serve

if TYPE_CHECKING:
    from pipeline.evaluate.probe_data import ProbeData


def run(
    config: ProbeSection, output: Path, *, features: Path, runtime: RuntimeConfig, labels: Path | None = None
) -> None:
    """Write the probe's rows, its predictions and its other files.

    Args:
        labels: artifact of the subset of training images to learn from; None: all of them.
    """
    from pipeline.evaluate.probe_data import open_probe
    from pipeline.measures.classification_rows import write_outcome
    from pipeline.storage.files import write_json

    data = open_probe(features, output, labels=labels, needs_val=config.needs_val)
    if data is None:
        return
    if PROBES[config.name].on_card:
        from pipeline.evaluate.neighbour_tiles.on_card import prepare

        prepare(runtime, say=lambda text: print(text, flush=True))
    if data.is_multilabel:
        _score(config, output, data, runtime)
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


def _score(config: ProbeSection, output: Path, data: "ProbeData", runtime: RuntimeConfig) -> None:
    """Write the rows of a probe on multi-label data."""
    from pipeline.evaluate.multilabel.outcome import write_label_set_outcome
    from pipeline.measures.classification_rows import write_no_outcome
    from pipeline.storage.files import write_json

    section = PROBES[config.name].section
    if section.multilabel_implementation is None:
        write_no_outcome(output, f"no {config.name} of {data.test_images.dataset}: one class for each image")
        return
    scored = resolve_name(section.multilabel_implementation)(config, data, runtime)
    for name, content in scored.files.items():
        write_json(output / name, content)
    write_label_set_outcome(
        output,
        data.subset.task(config.name),
        scored,
        data.test_images,
        None if data.val is None else data.val.labels,
        num_bootstrap=config.num_bootstrap,
    )
    print(scored.protocol)


if __name__ == "__main__":
    serve(run, ProbeConfig)
