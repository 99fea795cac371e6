"""The table of `ablate`: discrepancy and gain of each variant of the head."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.config.studies import AblateConfig
from pipeline.storage.runs import Run
from pipeline.studies.agreement import agreement
from pipeline.studies.comparison import MEASURES, compared_lines
from pipeline.studies.files import Column, gain, number, percent, text, write_study

MEASURE_COLUMNS: list[Column] = [
    number("1 - CKA", "cka"),
    number("cosine dist.", "cosine"),
    number("KL (nats)", "kl"),
]
DEFINITIONS = (
    "Discrepancy of base and head at the end of training, on held-out images, without labels: 1 - linear CKA "
    "of patch tokens; (1 - cosine) / 2 of projected CLS vectors; KL from the head's to the base's prototype "
    "distribution. Definitions of this project."
)


def write_ablation(directory: Path, config: AblateConfig, runs: Sequence[Run]) -> None:
    """Write ablate.{md,csv,tex,json,txt}; for `runs` see `compared_lines`."""
    lines = compared_lines(config, runs)
    probes = list(dict.fromkeys(run.stage for run in runs if run.stage != "pretrain"))
    columns = [text("variant", "name"), text("head", "head"), *MEASURE_COLUMNS]
    for probe in probes:
        key = f"{probe}_gain"
        columns += [percent(f"{probe} %", probe), *gain(config.baseline, key, config.confidence)]
    heads = [line for line in lines if line["name"] in config.heads]
    agreements = [
        agreement(heads, measure, f"{probe}_gain", config) for probe in probes for measure in MEASURES
    ]
    write_study(
        directory,
        "ablate",
        lines,
        columns,
        [*(found.sentence(config.confidence) for found in agreements), DEFINITIONS],
        extra={"confidence": config.confidence, "correlations": [found.as_dict() for found in agreements]},
    )
