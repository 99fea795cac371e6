"""Artifacts of an experiment -> what its page shows."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.tables import TablesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.feature_files import FeatureSet, read_features
from pipeline.report.enough import enough
from pipeline.report.page import charts
from pipeline.report.page.feature_views import Neighbours, mapped, neighbours
from pipeline.report.page.figures import Figure
from pipeline.report.page.thumbnails import picture_address
from pipeline.report.rows import libraries_of
from pipeline.report.tables import Line, headlines, summary, verdicts
from pipeline.storage.artifacts import read_stamp
from pipeline.storage.files import read_json
from pipeline.storage.runs import Run
from pipeline.training.metrics_log import METRICS, read_metrics

_PICTURE_SIDE = 900  # pixels; the files themselves lie in results/<experiment>/pictures
_MOST_CLASSES = 60  # of a figure: more rows than anybody reads
_MOST_QUARANTINED = 50


@dataclass(frozen=True)
class Picture:
    """A picture file on the page."""

    title: str
    alt: str
    address: str


@dataclass(frozen=True)
class DataSummary:
    """One prepared data set."""

    name: str
    source: str
    counts: dict[str, int]  # images by split
    num_classes: int
    num_quarantined: int
    quarantine: list[dict[str, str]]  # the first of them: path and reason
    balance: Figure | None


@dataclass(frozen=True)
class OverviewRow:
    """One task in its headline metric."""

    task: str
    metric: str
    values: list[Line | None]  # of each arm
    differences: list[Line | None]  # of each subject


@dataclass
class Contents:
    """All that the page shows; empty parts are left out."""

    experiment: str
    confidence: float
    sentences: list[str]
    summary: str  # the answer in one sentence
    behind: list[str]  # what it rests on, and what it would need
    lines: list[Line]
    overview: list[OverviewRow]
    differences: Figure | None
    training: Figure | None
    probes: list[Figure]
    classes: list[Figure]
    confusions: list[Figure]
    pictures: dict[str, list[Picture]]
    maps: list[Figure]
    neighbours: dict[str, list[Neighbours]]
    data: list[DataSummary]
    seconds: list[tuple[str, int, float]]  # stage, runs, seconds together
    made_with: list[str]
    settings: str  # the resolved experiment, as JSON text
    arms: list[str]
    subjects: list[str]

    @property
    def figures(self) -> list[Figure]:
        """Every figure, in the page's order."""
        balances = [data.balance for data in self.data]
        single = [self.differences, self.training]
        every = [*single, *self.probes, *self.classes, *self.confusions, *self.maps, *balances]
        return [figure for figure in every if figure is not None]


def contents(config: TablesConfig, lines: list[Line], runs: list[Run], settings: str) -> Contents:
    """Read what the page needs.

    Args:
        lines: of the table.
        runs: of every stage but the tables; prepared data sets too, what backbones are pretrained on first.
        settings: the resolved experiment, as text.
    """
    prepared = [run for run in runs if run.stage == "prepare"]
    made = [run for run in runs if run.stage != "prepare"]
    arms = [arm for arm in config.arms if any(run.key.arm == arm for run in made)]
    of: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(made, key=lambda run: (run_title(run), arms.index(run.key.arm), run.key.seed)):
        of[run.stage].append(run)
    dataset = PreparedDataset.open(prepared[0].directory)
    features = {run: read_features(run.directory) for run in _compared(of["features"], config)}
    return Contents(
        experiment=config.experiment,
        confidence=config.confidence,
        sentences=verdicts(lines, config),
        summary=summary(lines, config),
        behind=enough(headlines(lines), config),
        lines=lines,
        overview=_overview(headlines(lines), arms, config),
        differences=charts.forest(headlines(lines), arms, config.confidence),
        training=charts.training_curves(
            {_title(run): read_metrics(run.directory / METRICS) for run in of["pretrain"]}, arms
        ),
        probes=_present([_over_k(of["knn"], arms), _over_rates(of["linear"], arms)]),
        classes=_class_figures(of, arms),
        confusions=_confusions(_compared(of["knn"] + of["finetune"] + of["segment"], config)),
        pictures=_pictures([run for group in of.values() for run in group]),
        maps=_maps(features, dataset),
        neighbours=_neighbours(features, dataset),
        data=[_data_summary(directory) for directory in dict.fromkeys(run.directory for run in prepared)],
        seconds=_seconds(runs),
        made_with=sorted(set().union(*(libraries_of(run.directory) for run in made))),
        settings=settings,
        arms=arms,
        subjects=[*config.subjects],
    )


def run_title(run: Run) -> str:
    """The stage and what it was done with: "knn-10pct", "segment-uper-finetuned"."""
    return "-".join([run.stage, *filter(None, [replace(run.key, arm=None, seed=None).name])])


def _title(run: Run) -> str:
    """Of one arm at one seed."""
    return f"{run.key.arm} seed {run.key.seed}"


def _overview(lines: list[Line], arms: list[str], config: TablesConfig) -> list[OverviewRow]:
    found = defaultdict(dict)
    for line in lines:
        found[line["task"], line["metric"]][line["arm"]] = line
    return [
        OverviewRow(task, metric, [of.get(arm) for arm in arms], [of.get(arm) for arm in config.subjects])
        for (task, metric), of in found.items()
    ]


def _compared(made: list[Run], config: TablesConfig) -> list[Run]:
    """Of the first seed, those of the arms that the answer is about."""
    wanted = {*config.subjects, *(config.compared_with[arm] for arm in config.subjects)} or {*config.arms}
    first = min((each.key.seed for each in made), default=0)
    return [each for each in made if each.key.arm in wanted and each.key.seed == first]


def _present(figures: list[Figure | None]) -> list[Figure]:
    return [figure for figure in figures if figure is not None]


def _over_k(made: list[Run], arms: list[str]) -> Figure | None:
    values = [
        {
            "arm": each.key.arm,
            "run": _title(each),
            "k": int(row["metric"].removeprefix("top1_k")),
            "top-1 (%)": 100 * row["value"],
        }
        for each in made
        if each.key.share is None
        for row in _rows(each)
        if row["metric"].startswith("top1_k")
    ]
    return charts.sweep("knn-k", "k-NN on the test images, over k.", values, arms, x="k", log=True)


def _over_rates(made: list[Run], arms: list[str]) -> Figure | None:
    values = []
    for each in made:
        path = each.directory / "sweep.json"
        for rate in read_json(path) if path.is_file() else []:
            if not rate["diverged"]:
                values.append(
                    {
                        "arm": each.key.arm,
                        "run": _title(each),
                        "base learning rate": rate["base_lr"],
                        "top-1 (%)": 100 * rate["test"],
                    }
                )
    caption = "Linear probe on the test images, over the learning rates; one is chosen on validation images."
    return charts.sweep("linear-rates", caption, values, arms, x="base learning rate", log=True)


def _class_figures(of: Mapping[str, list[Run]], arms: list[str]) -> list[Figure]:
    """Per class, of k-NN, fine-tuning, segmentation and detection; runs of one task in one figure."""
    measures = {"knn": "accuracy", "finetune": "accuracy", "segment": "iou", "detect": "box_ap"}
    figures = []
    for stage, measure in measures.items():
        by_run = defaultdict(list)
        for each in of[stage]:
            for line in _csv(each.directory / "per_class.csv")[:_MOST_CLASSES]:
                if line.get(measure):
                    value = {"class": line["class"], "arm": each.key.arm, "run": _title(each)}
                    by_run[run_title(each)].append(value | {measure: 100 * float(line[measure])})
        figures += [charts.per_class(run, measure, values, arms) for run, values in by_run.items()]
    return _present(figures)


def _confusions(made: list[Run]) -> list[Figure]:
    figures = []
    for each in made:
        table = _table(each.directory / "confusion.csv")
        if 1 < len(table) <= _MOST_CLASSES + 1:
            names = [line[0] for line in table[1:]]
            counts = np.array([[int(cell) for cell in line[1:]] for line in table[1:]], np.int64)
            if counts.shape == (len(names), len(names)) and counts.sum():
                figures.append(charts.confusion(run_title(each), each.key.arm, names, counts))
    return figures


def _pictures(made: list[Run]) -> dict[str, list[Picture]]:
    """Of the first seed, by kind of picture, arms side by side."""
    found = defaultdict(list)
    first = min((each.key.seed for each in made), default=0)
    for each in made:
        if each.stage in ("dense_probe", "segment", "detect") and each.key.seed == first:
            for path in sorted(each.directory.glob("*.png")):
                kind = f"{run_title(each)}: {path.stem}"
                alt = f"{path.stem} of {run_title(each)} from the backbone of {each.key.arm}"
                found[kind].append(Picture(each.key.arm, alt, picture_address(path, _PICTURE_SIDE)))
    return dict(found)


def _maps(features: dict[Run, FeatureSet], dataset: PreparedDataset) -> list[Figure]:
    figures = []
    for each, stored in features.items():
        if stored.test is not None:
            values = mapped(stored.test.last_cls, stored.test.index, stored.test.labels, dataset)
            figures += [charts.feature_map(each.key.arm, values)] if values else []
    return figures


def _neighbours(features: dict[Run, FeatureSet], dataset: PreparedDataset) -> dict[str, list[Neighbours]]:
    return {
        each.key.arm: neighbours(
            *((part.last_cls, part.index, part.labels) for part in (stored.train, stored.test)), dataset
        )
        for each, stored in features.items()
        if stored.train is not None and stored.test is not None
    }


def _data_summary(directory: Path) -> DataSummary:
    dataset = PreparedDataset.open(directory)
    summary = read_json(directory / "summary.json")
    unit = {"label-map": "pixels", "objects": "objects"}.get(summary["annotation"], "images")
    values = [
        {"class": name, "split": split, "count": count}
        for split, counts in summary.get("class_counts", {}).items()
        for name, count in zip(dataset.class_names, counts, strict=False)
    ]
    few = len(dataset.class_names) <= _MOST_CLASSES
    balance = charts.class_balance(values, f"{unit} of {summary['name']}") if few else None
    quarantine = _csv(directory / "quarantine.csv")[:_MOST_QUARANTINED]
    return DataSummary(
        name=summary["name"],
        source=str(summary["source"]),
        counts=summary["counts"],
        num_classes=len(dataset.class_names),
        num_quarantined=summary["num_quarantined"],
        quarantine=quarantine,
        balance=balance,
    )


def _seconds(runs: list[Run]) -> list[tuple[str, int, float]]:
    """Of every stage: how many runs, and their seconds together."""
    totals: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        totals[run.stage].append((read_stamp(run.directory) or {}).get("seconds", 0.0))
    return [(stage, len(seconds), sum(seconds)) for stage, seconds in totals.items()]


def _rows(each: Run) -> list[dict[str, Any]]:
    path = each.directory / "rows.json"
    return read_json(path) if path.is_file() else []


def _csv(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _table(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))
