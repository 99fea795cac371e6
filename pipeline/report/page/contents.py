"""Artifacts of an experiment -> what its page shows."""

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.tables import TablesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.feature_files import FeatureSet, read_features
from pipeline.report.duplicates import cautions
from pipeline.report.enough import enough
from pipeline.report.further_data import further_name, not_measured, read_duplicates
from pipeline.report.line_words import covered, task_name
from pipeline.report.page import charts
from pipeline.report.page.confusions import MOST_CLASSES, Confusion, read_confusion, with_thumbnails
from pipeline.report.page.data_views import DataSummary, data_summary
from pipeline.report.page.feature_views import Neighbours, mapped, neighbours
from pipeline.report.page.figures import Figure
from pipeline.report.page.probe_figures import arm_and_seed, probe_figures
from pipeline.report.page.side_by_side import ComparedTask, detected_images, segmented_images
from pipeline.report.page.thumbnails import picture_address
from pipeline.report.rows import libraries_of
from pipeline.report.tables import Line, headlines, summary, verdicts
from pipeline.storage.artifacts import read_stamp
from pipeline.storage.runs import Run
from pipeline.training.metrics_log import METRICS, read_metrics

_PICTURE_SIDE = 900  # pixels; the files themselves lie in results/<experiment>/pictures


@dataclass(frozen=True)
class Picture:
    """A picture file on the page."""

    title: str
    alt: str
    address: str


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
    confusions: list[Confusion]
    thumbnails: dict[str, dict[str, Any]]  # of the images behind the confusions
    compared: list[ComparedTask]  # arms beside each other on the same test images
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
    def intervals_over(self) -> str:
        """What the intervals of the results are over."""
        return covered(self.lines)

    @property
    def figures(self) -> list[Figure]:
        """Every figure, in the page's order."""
        balances = [data.balance for data in self.data]
        drawn = [confusion.figure for confusion in self.confusions]
        single = [self.differences, self.training]
        every = [*single, *self.probes, *self.classes, *drawn, *self.maps, *balances]
        return [figure for figure in every if figure is not None]


def contents(config: TablesConfig, lines: list[Line], runs: list[Run], settings: str) -> Contents:
    """Read what the page needs.

    Args:
        lines: of the table.
        runs: of every stage but the tables; prepared data sets too, what backbones are pretrained on first.
        settings: the resolved experiment, as text.
    """
    prepared = {run.key.data: run.directory for run in runs if run.stage == "prepare"}
    doubles = {run.key.data: run.directory for run in runs if run.stage == "duplicates"}
    names = {run.key.data: further_name(run) for run in runs if run.stage == "prepare"}
    made = [run for run in runs if run.stage not in ("prepare", "duplicates")]
    arms = [arm for arm in config.arms if any(run.key.arm == arm for run in made)]
    of: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(made, key=lambda run: (run_title(run), arms.index(run.key.arm), run.key.seed)):
        of[run.stage].append(run)
    dataset = PreparedDataset.open(prepared["images"])
    purposes: dict[Path, str] = {}
    for purpose, directory in prepared.items():
        purposes.setdefault(directory, purpose)
    twice = [read_duplicates(run) for run in runs if run.stage == "duplicates"]
    doubts = dict.fromkeys(line for found in twice for line in cautions(found))
    doubts |= dict.fromkeys(line for run in made for line in not_measured(run))
    own = [run for run in of["features"] if run.key.data is None]
    features = {run: read_features(run.directory) for run in _compared(own, config)}
    confusions, thumbnails = with_thumbnails(
        _confusions(_compared(of["knn"] + of["finetune"] + of["segment"], config), prepared),
        {purpose: PreparedDataset.open(directory) for purpose, directory in prepared.items()},
    )
    return Contents(
        experiment=config.experiment,
        confidence=config.confidence,
        sentences=verdicts(lines, config),
        summary=summary(lines, config),
        behind=[*enough(headlines(lines), config), *doubts],
        lines=lines,
        overview=_overview(headlines(lines), arms, config),
        differences=charts.forest(_without_floors(headlines(lines), config), arms, config.confidence),
        training=charts.training_curves(
            {arm_and_seed(run): read_metrics(run.directory / METRICS) for run in of["pretrain"]}, arms
        ),
        probes=[*probe_figures(of, arms), *_present(_precision_recall(of["detect"], arms))],
        classes=_class_figures(of, arms),
        confusions=confusions,
        thumbnails=thumbnails,
        compared=_beside(_compared(of["segment"] + of["detect"], config), prepared),
        pictures=_pictures([run for group in of.values() for run in group]),
        maps=_maps(features, dataset),
        neighbours=_neighbours(features, dataset),
        data=[
            data_summary(directory, doubles.get(purpose), names[purpose])
            for directory, purpose in purposes.items()
        ],
        seconds=_seconds(runs),
        made_with=sorted(set().union(*(libraries_of(run.directory) for run in made))),
        settings=settings,
        arms=arms,
        subjects=[*config.subjects],
    )


def run_title(run: Run) -> str:
    """The stage and what it was done with: "knn-10pct", "segment-uper-finetuned"."""
    return "-".join([run.stage, *filter(None, [replace(run.key, arm=None, seed=None).name])])


def _overview(lines: list[Line], arms: list[str], config: TablesConfig) -> list[OverviewRow]:
    found = defaultdict(dict)
    for line in lines:
        found[task_name(line), line["metric"]][line["arm"]] = line
    return [
        OverviewRow(task, metric, [of.get(arm) for arm in arms], [of.get(arm) for arm in config.subjects])
        for (task, metric), of in found.items()
    ]


def _without_floors(lines: list[Line], config: TablesConfig) -> list[Line]:
    """Floors lie far away: on their scale the differences between pretrainings could not be read."""
    return [line for line in lines if line["arm"] not in config.floors]


def _compared(made: list[Run], config: TablesConfig) -> list[Run]:
    """Of the first seed, those of the arms that the answer is about."""
    wanted = {*config.subjects, *(config.compared_with[arm] for arm in config.subjects)} or {*config.arms}
    first = min((each.key.seed for each in made), default=0)
    return [each for each in made if each.key.arm in wanted and each.key.seed == first]


def _present(figures: list[Figure | None]) -> list[Figure]:
    return [figure for figure in figures if figure is not None]


def _precision_recall(made: list[Run], arms: list[str]) -> list[Figure | None]:
    """Of each run of detection, boxes and masks."""
    values = defaultdict(list)
    for each in made:
        for line in _csv(each.directory / "precision_recall.csv"):
            numbers = {name: float(line[name]) for name in ("recall", "precision")}
            value = {"arm": each.key.arm, "run": arm_and_seed(each), "IoU": line["iou"], **numbers}
            values[run_title(each), line["kind"]].append(value)
    return [charts.precision_recall(task, kind, of, arms) for (task, kind), of in values.items()]


def _class_figures(of: Mapping[str, list[Run]], arms: list[str]) -> list[Figure]:
    """Per class, of k-NN, fine-tuning, segmentation and detection; runs of one task in one figure."""
    measures = {"knn": "accuracy", "finetune": "accuracy", "segment": "iou", "detect": "box_ap"}
    figures = []
    for stage, measure in measures.items():
        by_run = defaultdict(list)
        for each in of[stage]:
            for line in _csv(each.directory / "per_class.csv")[:MOST_CLASSES]:
                if line.get(measure):
                    value = {"class": line["class"], "arm": each.key.arm, "run": arm_and_seed(each)}
                    by_run[run_title(each)].append(value | {measure: 100 * float(line[measure])})
        figures += [charts.per_class(run, measure, values, arms) for run, values in by_run.items()]
    return _present(figures)


def _confusions(made: list[Run], purposes: Collection[str]) -> list[Confusion]:
    found = []
    for each in made:
        own = "finetune" if each.stage == "finetune" and "finetune" in purposes else "images"
        purpose = each.key.data or own
        found.append(read_confusion(each.directory, run_title(each), each.key.arm, purpose))
    return [confusion for confusion in found if confusion is not None]


def _beside(made: list[Run], prepared: Mapping[str, Path]) -> list[ComparedTask]:
    """Of each task of segmentation and detection, arms on the same images."""
    tasks: dict[tuple[str, str | None, str], dict[str, Path]] = defaultdict(dict)
    for each in made:
        tasks[each.stage, each.key.data, run_title(each)][each.key.arm] = each.directory
    found = [
        segmented_images(title, runs, prepared[name or "segmentation"])
        if stage == "segment"
        else detected_images(title, runs, prepared[name or "detection"])
        for (stage, name, title), runs in tasks.items()
    ]
    return [task for task in found if task is not None]


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


def _seconds(runs: list[Run]) -> list[tuple[str, int, float]]:
    """Of every stage: how many runs, and their seconds together."""
    totals: dict[str, list[float]] = defaultdict(list)
    for run in {run.directory: run for run in runs}.values():  # seeds may share what no seed changes
        totals[run.stage].append((read_stamp(run.directory) or {}).get("seconds", 0.0))
    return [(stage, len(seconds), sum(seconds)) for stage, seconds in totals.items()]


def _csv(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
