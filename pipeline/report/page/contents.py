"""Reads the content of an experiment's page from its artifacts."""

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.config.tables import TablesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.measures.rows import libraries_of
from pipeline.report.answer import answers, verdicts
from pipeline.report.display_names import covered, task_name
from pipeline.report.duplicates import cautions
from pipeline.report.evidence import evidence
from pipeline.report.further_data import further_name, not_measured, read_duplicates
from pipeline.report.page.charts.classes import per_class
from pipeline.report.page.charts.differences import forest
from pipeline.report.page.charts.probes import precision_recall
from pipeline.report.page.charts.training import terms, training_curves
from pipeline.report.page.class_scores import class_scores
from pipeline.report.page.confusions import Confusion, confusions, read_confusion, with_thumbnails
from pipeline.report.page.costs import StageCost, machines, stage_costs
from pipeline.report.page.data_views import DataSummary, data_summary
from pipeline.report.page.feature_views import FeatureViews, feature_views
from pipeline.report.page.figures import Figure
from pipeline.report.page.forest_table import ForestTable, forest_table
from pipeline.report.page.pictures import Sheet, picture_of, sheet_of
from pipeline.report.page.probe_figures import arm_and_seed, probe_figures
from pipeline.report.page.side_by_side import ComparedTask, detected_images, segmented_images
from pipeline.report.page.study_views import STUDIES, StudyView, study_view
from pipeline.report.page.training_logs import read_training_log
from pipeline.report.tables import Line, headlines
from pipeline.storage.artifacts import read_stamp
from pipeline.storage.runs import Run
from pipeline.training.metrics_log import METRICS


@dataclass(frozen=True)
class OverviewRow:
    """One task in its headline metric."""

    task: str
    metric: str
    values: list[Line | None]  # of each arm
    differences: list[Line | None]  # of each subject


@dataclass
class Contents:
    """The content of the page; empty parts are not shown."""

    experiment: str
    confidence: float
    sentences: list[str]
    answers: list[str]  # a sentence for each subject
    behind: list[str]  # sentences on the evidence, see `evidence`
    lines: list[Line]
    overview: list[OverviewRow]
    forest: ForestTable | None
    differences: Figure | None  # the forest plot as a figure, for papers
    training: Figure | None
    terms: dict[str, str]  # explanations of its curves
    probes: list[Figure]
    classes: list[Figure]
    confusions: list[Confusion]
    thumbnails: dict[str, dict[str, Any]]  # of the images behind confusions and on maps
    compared: list[ComparedTask]  # arms side by side on the same test images
    sheets: list[Sheet]
    features: list[FeatureViews]  # of each arm that is compared
    studies: list[StudyView]  # finished studies of the auxiliary head
    data: list[DataSummary]
    costs: list[StageCost]
    machines: list[str]  # machines of the stages
    made_with: list[str]
    settings: str  # the resolved experiment, as JSON text
    arms: list[str]  # columns of `overview`
    subjects: list[str]

    @property
    def intervals_over(self) -> str:
        """The sources of variation that the intervals of the results cover, such as "test images"."""
        return covered(self.lines)

    @property
    def figures(self) -> list[Figure]:
        """Every figure, in the page's order."""
        balances = [data.balance for data in self.data]
        drawn = [confusion.figure for confusion in self.confusions]
        single = [self.differences, self.training]
        studied = [figure for study in self.studies for figure in study.figures]
        maps = [side.map for views in self.features for side in views.sides]
        every = [*single, *self.probes, *self.classes, *drawn, *maps, *studied, *balances]
        return [figure for figure in every if figure is not None]


def contents(config: TablesConfig, lines: list[Line], runs: list[Run], settings: str) -> Contents:
    """Read the page's content.

    Args:
        lines: of the table.
        runs: of every stage but the tables, prepared data sets included, the pretraining images first.
        settings: the resolved experiment, as text.
    """
    prepared = {run.key.data: run.directory for run in runs if run.stage == "prepare"}
    doubles = {run.key.data: run.directory for run in runs if run.stage == "duplicates"}
    names = {run.key.data: further_name(run) for run in runs if run.stage == "prepare"}
    made = [run for run in runs if run.stage not in ("prepare", "duplicates", *STUDIES)]
    arms = [arm for arm in config.arms if any(run.key.arm == arm for run in made)]
    of: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(made, key=lambda run: (run_title(run), arms.index(run.key.arm), run.key.seed)):
        of[run.stage].append(run)
    purposes: dict[Path, str] = {}
    for purpose, directory in prepared.items():
        purposes.setdefault(directory, purpose)
    opened = {directory: PreparedDataset.open(directory) for directory in purposes}
    datasets = {purpose: opened[directory] for purpose, directory in prepared.items()}
    twice = [read_duplicates(run) for run in runs if run.stage == "duplicates"]
    doubts = dict.fromkeys(line for found in twice for line in cautions(found))
    doubts |= dict.fromkeys(line for run in made for line in not_measured(run))
    matrices, thumbnails = with_thumbnails(
        _confusions(_compared(of["knn"] + of["finetune"] + of["segment"], config), prepared),
        datasets,
    )
    logs = {
        arm_and_seed(run): read_training_log(run.directory / METRICS, _settings(run), len(of["pretrain"]))
        for run in of["pretrain"]
    }
    views = {run.key.arm: run.directory for run in _compared(of["views"], config)}
    measured = [arm for arm in arms if any(line["arm"] == arm for line in headlines(lines))]
    features, of_maps = feature_views(views, datasets["images"], "images")
    return Contents(
        experiment=config.experiment,
        confidence=config.confidence,
        sentences=verdicts(lines, config),
        answers=answers(lines, config),
        behind=[*evidence(headlines(lines), config), *doubts],
        lines=lines,
        overview=_overview(headlines(lines), measured, config),
        forest=forest_table(_without_floors(headlines(lines), config)),
        differences=forest(_without_floors(headlines(lines), config), arms, config.confidence),
        training=training_curves(
            {run: log.lines for run, log in logs.items()},
            arms,
            {run: log.warnings for run, log in logs.items()},
        ),
        terms=terms(logs.values()),
        probes=[*probe_figures(of, arms), *_present(_precision_recall(of["detect"], arms))],
        classes=_class_figures(of, arms, config),
        confusions=matrices,
        thumbnails=of_maps | thumbnails,
        compared=_beside(_compared(of["segment"] + of["detect"], config), datasets),
        sheets=_sheets([run for group in of.values() for run in group]),
        features=features,
        studies=[
            study_view(run.stage, run.directory, config.confidence) for run in runs if run.stage in STUDIES
        ],
        data=[
            data_summary(opened[directory], doubles.get(purpose), names[purpose])
            for directory, purpose in purposes.items()
        ],
        costs=stage_costs(runs),
        machines=machines(runs),
        made_with=sorted(set().union(*(libraries_of(run.directory) for run in made))),
        settings=settings,
        arms=measured,
        subjects=[*config.subjects],
    )


def run_title(run: Run) -> str:
    """The stage with the run's other fields: "knn-10pct", "segment-uper-finetuned"."""
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
    """The lines without floors, which would stretch the scale until other differences are unreadable."""
    return [line for line in lines if line["arm"] in config.arms and line["arm"] not in config.floors]


def _compared(made: list[Run], config: TablesConfig) -> list[Run]:
    """The runs of the first seed and of the arms to show."""
    first = min((each.key.seed for each in made), default=0)
    return [each for each in made if each.key.arm in config.shown and each.key.seed == first]


def _present(figures: list[Figure | None]) -> list[Figure]:
    return [figure for figure in figures if figure is not None]


def _precision_recall(made: list[Run], arms: list[str]) -> list[Figure | None]:
    """Precision-recall figures of boxes and masks for each task of detection."""
    values = defaultdict(list)
    for each in made:
        for line in _csv(each.directory / "precision_recall.csv"):
            numbers = {name: float(line[name]) for name in ("recall", "precision")}
            value = {"arm": each.key.arm, "run": arm_and_seed(each), "IoU": line["iou"], **numbers}
            values[run_title(each), line["kind"]].append(value)
    return [precision_recall(task, kind, of, arms) for (task, kind), of in values.items()]


def _class_figures(of: Mapping[str, list[Run]], arms: list[str], config: TablesConfig) -> list[Figure]:
    """Figures of class scores, one for each task of k-NN, fine-tuning, segmentation and detection."""
    measures = [("knn", "accuracy"), ("finetune", "accuracy"), ("segment", "iou"), ("detect", "box_ap")]
    measures += [("knn", "ap"), ("finetune", "ap")]  # of multi-label data
    figures = []
    for stage, measure in measures:
        by_run = defaultdict(list)
        for each in of[stage]:
            of_run = {"arm": each.key.arm, "run": arm_and_seed(each)}
            scores = class_scores(each.directory, measure, config)
            by_run[run_title(each)] += [score | of_run for score in scores]
        figures += [
            per_class(run, measure, values, arms, config.confidence) for run, values in by_run.items()
        ]
    return _present(figures)


def _confusions(made: list[Run], purposes: Collection[str]) -> list[Confusion]:
    found = []
    for each in made:
        own = "finetune" if each.stage == "finetune" and "finetune" in purposes else "images"
        purpose = each.key.data or own
        found.append(read_confusion(each.directory, run_title(each), each.key.arm, purpose))
    return confusions([counted for counted in found if counted is not None])


def _beside(made: list[Run], datasets: Mapping[str, PreparedDataset]) -> list[ComparedTask]:
    """Arms side by side on the same images, for each task of segmentation and detection."""
    tasks: dict[tuple[str, str | None, str], dict[str, Path]] = defaultdict(dict)
    for each in made:
        tasks[each.stage, each.key.data, run_title(each)][each.key.arm] = each.directory
    found = [
        segmented_images(title, runs, datasets[name or "segmentation"])
        if stage == "segment"
        else detected_images(title, runs, datasets[name or "detection"])
        for (stage, name, title), runs in tasks.items()
    ]
    return [task for task in found if task is not None]


def _sheets(made: list[Run]) -> list[Sheet]:
    """Picture files of the first seed by kind, arms side by side."""
    found = defaultdict(list)
    first = min((each.key.seed for each in made), default=0)
    for each in made:
        if each.stage in ("dense_probe", "segment", "detect") and each.key.seed == first:
            for path in sorted(each.directory.glob("*.png")):
                alt = f"{path.stem} of {run_title(each)} from the backbone of {each.key.arm}"
                picture = picture_of(path, each.key.arm, alt)
                found[run_title(each), each.stage, path.stem].append(picture)
    return [sheet_of(*kind, pictures) for kind, pictures in found.items()]


def _settings(each: Run) -> dict[str, Any]:
    """The configuration of a run, from its stamp."""
    return (read_stamp(each.directory) or {}).get("config", {})


def _csv(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
