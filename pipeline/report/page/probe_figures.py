"""Figures of probe scores over k, learning rate, shots, and share of labels."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.config.evaluate import FEW_SHOT
from pipeline.report.page.charts.probes import sweep
from pipeline.report.page.figures import Figure
from pipeline.storage.files import read_json
from pipeline.storage.runs import Run

_METRICS = {"top1": "top-1 (%)", "map": "mAP (%)"}  # the second for multi-label data
_OVER_K = re.compile(r"(top1|map)_k(\d+)")
_SHOTS = re.compile(r"(\w+)-(\d+)-shot")


def probe_figures(of: Mapping[str, list[Run]], arms: list[str]) -> list[Figure]:
    """The figures of the experiment's own images and of each further data set.

    Args:
        of: stage -> its runs.
    """
    figures: list[tuple[str, Callable]] = [
        ("knn", _over_k),
        ("linear", _over_rates),
        (FEW_SHOT, _over_shots),
        *((stage, _over_shares) for stage in ("knn", "logistic", "finetune")),
    ]
    found = []
    for stage, drawn in figures:
        runs = of.get(stage, [])
        for name in dict.fromkeys(each.key.data for each in runs):
            found += drawn([each for each in runs if each.key.data == name], arms, name)
    return [figure for figure in found if figure is not None]


def arm_and_seed(run: Run) -> str:
    """The label of a curve."""
    return f"{run.key.arm} seed {run.key.seed}"


def _over_k(made: list[Run], arms: list[str], name: str | None) -> list[Figure | None]:
    values = [
        _value(each, row["value"], match[1], k=int(match[2]))
        for each in made
        if each.key.share is None
        for row in _rows(each)
        if (match := _OVER_K.fullmatch(row["metric"]))
    ]
    caption = f"k-NN on the test images{_of(name)}, over k."
    return [sweep(_named("knn-k", name), caption, values, arms, x="k", log=True)]


def _over_rates(made: list[Run], arms: list[str], name: str | None) -> list[Figure | None]:
    values = []
    for each in made:
        path = each.directory / "sweep.json"
        metric = next((row["metric"] for row in _rows(each)), "top1")
        for rate in read_json(path) if path.is_file() else []:
            if not rate["diverged"]:
                values.append(_value(each, rate["test"], metric, **{"base learning rate": rate["base_lr"]}))
    chosen = "over the learning rates; one is chosen on validation images."
    caption, figure = f"Linear probe on the test images{_of(name)}, {chosen}", _named("linear-rates", name)
    return [sweep(figure, caption, values, arms, x="base learning rate", log=True)]


def _over_shots(made: list[Run], arms: list[str], name: str | None) -> list[Figure | None]:
    values: dict[str, list[dict[str, Any]]] = {}
    for each in made:
        for row in _rows(each):
            method, shots = _SHOTS.fullmatch(row["task"]).groups()
            values.setdefault(method, []).append(_value(each, row["value"], "top1", shots=int(shots)))
    return [
        sweep(
            _named(f"few-shot-{method}", name),
            f"{method} from a few images of each class{_of(name)}: mean over the draws.",
            of_method,
            arms,
            x="shots",
            log=True,
        )
        for method, of_method in values.items()
    ]


def _over_shares(made: list[Run], arms: list[str], name: str | None) -> list[Figure | None]:
    """The figure of one stage over the share of labels; empty for fewer than two shares."""
    shares = "training labels (%)"
    values = [
        _value(each, row["value"], row["metric"], **{shares: 100 * (each.key.share or 1.0)})
        for each in made
        for row in _rows(each)
        if row["metric"] in _METRICS and not row.get("floor")
    ]
    if len({value[shares] for value in values}) < 2:
        return []
    stage = made[0].stage
    caption = f"{stage} on the test images{_of(name)}, over the share of the training labels."
    figure = _named(f"label-shares-{stage}", name)
    return [sweep(figure, caption, values, arms, x=shares, log=True)]


def _value(run: Run, fraction: float, metric: str, **at: float) -> dict[str, Any]:
    return {"arm": run.key.arm, "run": arm_and_seed(run), **at, _METRICS[metric]: 100 * fraction}


def _of(name: str | None) -> str:
    return f" of {name}" if name else ""


def _named(figure: str, name: str | None) -> str:
    return f"{figure}-{name}" if name else figure


def _rows(each: Run) -> list[dict[str, Any]]:
    path = each.directory / "rows.json"
    return read_json(path) if path.is_file() else []
