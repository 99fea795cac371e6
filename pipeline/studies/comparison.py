"""Compares heads that were each trained on their own: discrepancy and gain, one line per head."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.studies import StudyConfig
from pipeline.config.tables import TablesConfig
from pipeline.measures.rows import Row, read_rows
from pipeline.report.tables import headlines, table_lines
from pipeline.storage.runs import Run
from pipeline.training.metrics_log import METRICS, read_metrics

Line = dict[str, Any]
MEASURES = ("cka", "cosine", "kl")
_PREFIX = "discrepancy_"


def compared_lines(config: StudyConfig, runs: Iterable[Run]) -> list[Line]:
    """Lines of the baseline and of every head.

    Args:
        runs: the `pretrain` runs of every head, and the probes of all heads and of the baseline.

    Returns:
        Lines with name, head and seeds. For each measure of discrepancy, its mean over seeds and standard
        deviation at the end of training: "cka" and "cka_std". For each probe's headline metric, its value and
        its gain over the baseline, as fractions: "knn", "knn_std", "knn_gain", "knn_gain_std",
        "knn_gain_ci_low", "knn_gain_ci_high". What does not exist is None.
    """
    rows: list[Row] = []
    discrepancies: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        name = run.key.head or run.key.arm
        if run.stage == "pretrain":
            discrepancies.setdefault(name, []).append(last_discrepancy(run.directory))
        else:
            rows += read_rows(run.directory, arm=name, seed=run.key.seed)
    names = table_order(config)
    tables = TablesConfig(
        experiment=config.experiment,
        arms=(config.baseline, *names),
        baseline=config.baseline,
        subjects=(),
        confidence=config.confidence,
        num_bootstrap=config.num_bootstrap,
    )
    lines = {name: _head_line(config, name, discrepancies.get(name, [])) for name in tables.arms}
    for line in headlines(table_lines(rows, tables)):
        lines[line["arm"]] |= _probe_columns(line)
    return list(lines.values())


def table_order(config: StudyConfig) -> list[str]:
    """Names of the heads in the order of the table, the arm's own first."""
    return sorted(config.heads, key=lambda name: (name != config.arm, name))


def describe_head(head: AuxiliaryHeadConfig) -> str:
    """A head as tables show it: "convnext x3, kernel 7, detached"."""
    parts = [f"{head.kind} x{head.depth}"]
    for name, word in (("kernel_size", "kernel"), ("window_size", "window"), ("num_heads", "heads")):
        if getattr(head, name) is not None:
            parts.append(f"{word} {getattr(head, name)}")
    if head.token_dim is not None:
        parts.append(f"token MLP {head.token_dim}")
    parts += [word for name, word in (("first_shortcut", "first shortcut"), ("detached", "detached"))
              if getattr(head, name)]  # fmt: skip
    return ", ".join(parts)


def last_discrepancy(directory: Path) -> dict[str, float]:
    """Measures of discrepancy at the end of a pretraining, by name; a missing one is left out.

    Raises:
        ValueError: the pretraining logged nothing.
    """
    metrics = read_metrics(directory / METRICS)
    if not metrics:
        raise ValueError(f"{directory / METRICS}: no line; run its stage again")
    return {key.removeprefix(_PREFIX): value for key, value in metrics[-1].items() if key.startswith(_PREFIX)}


def mean_and_std(values: list[float | None]) -> tuple[float | None, float | None]:
    """Mean and standard deviation over seeds. None if a value is missing; one seed has no deviation."""
    if not values or any(value is None for value in values):
        return None, None
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def _head_line(config: StudyConfig, name: str, measured: list[dict[str, float]]) -> Line:
    head = config.heads.get(name)
    line: Line = {"name": name, "head": describe_head(head) if head else ""}
    for measure in MEASURES:
        mean, std = mean_and_std([values.get(measure) for values in measured])
        line |= {measure: mean, f"{measure}_std": std}
    return line


def _probe_columns(line: Line) -> Line:
    task = line["task"]
    return {
        "seeds": line["seeds"],
        task: line["value"],
        f"{task}_std": line["std"],
        f"{task}_gain": line["difference"],
        f"{task}_gain_std": line["difference_std"],
        f"{task}_gain_ci_low": line["difference_ci_low"],
        f"{task}_gain_ci_high": line["difference_ci_high"],
    }
