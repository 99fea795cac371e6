"""Few-shot classification with cached features, over several draws of a few images of each class."""

from pathlib import Path

from tqdm import tqdm

from pipeline.config.few_shot import FewShotConfig
from pipeline.config.stages import RuntimeConfig
from pipeline.graph.stage_runner import serve


def run(config: FewShotConfig, output: Path, *, features: Path, runtime: RuntimeConfig) -> None:
    """Write a row for each method and number of shots, with the outcomes of every draw.

    If a class has fewer images than a number of shots, this number gets no row; no_rows.txt says why.
    """
    from pipeline.evaluate.few_shot import measure_few_shot, too_few
    from pipeline.evaluate.probe_data import open_probe
    from pipeline.measures.draws import write_drawn
    from pipeline.storage.files import write_text

    data = open_probe(features, output, one_class_for="few-shot classification")
    if data is None:
        return
    reasons = [reason for shots in config.shots if (reason := too_few(data, shots))]
    if reasons:
        print("\n".join(reasons))
        write_text(output / "no_rows.txt", "\n".join(reasons) + "\n")
    fits = len(config.methods) * (len(config.shots) - len(reasons)) * config.draws
    with tqdm(unit="fit", total=fits, dynamic_ncols=True) as bar:
        measures = measure_few_shot(config, data, runtime, bar.update)
    write_drawn(output, measures, data.test_images)
    for measure in measures:
        print(f"{measure.task}: {100 * measure.correct.mean():.1f} %, {measure.protocol}")


if __name__ == "__main__":
    serve(run, FewShotConfig)
