"""Artifacts of an experiment -> what its page shows."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.tables import TablesConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.feature_files import FeatureSet, read_features
from pipeline.report.page import charts
from pipeline.report.page.feature_views import Neighbours, mapped, neighbours
from pipeline.report.page.figures import Figure
from pipeline.report.page.thumbnails import picture_address
from pipeline.report.tables import Line, headlines, summary, verdicts
from pipeline.storage.artifacts import read_stamp
from pipeline.storage.files import read_json
from pipeline.training.metrics_log import METRICS, read_metrics

_PICTURE_SIDE = 900  # pixels; the files themselves lie in results/<experiment>/pictures
_MOST_CLASSES = 60  # of a figure: more rows than anybody reads
_MOST_QUARANTINED = 50


@dataclass(frozen=True)
class Made:
    """One artifact that the page is made of."""

    stage: str  # of the artifact
    run: str  # what it is called within the stage: of a dense task, its decoder
    arm: str
    seed: int
    directory: Path

    @property
    def title(self) -> str:
        """In figures."""
        return f"{self.arm} seed {self.seed}"


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


def contents(
    config: TablesConfig, lines: list[Line], made: list[Made], images: Mapping[str, Path], settings: str
) -> Contents:
    """Read what the page needs.

    Args:
        lines: of the table.
        made: every artifact but the prepared data sets.
        images: prepared data sets by what they are for, "images" first.
        settings: the resolved experiment, as text.
    """
    arms = [arm for arm in config.arms if any(each.arm == arm for each in made)]
    of = defaultdict(list)
    for each in made:
        of[each.stage].append(each)
    for group in of.values():
        group.sort(key=lambda each: (each.run, arms.index(each.arm), each.seed))
    dataset = PreparedDataset.open(images["images"])
    features = {each: read_features(each.directory) for each in _compared(of["features"], config)}
    return Contents(
        experiment=config.experiment,
        confidence=config.confidence,
        sentences=verdicts(lines, config),
        summary=summary(lines, config),
        lines=lines,
        overview=_overview(headlines(lines), arms, config),
        differences=charts.forest(headlines(lines), arms, config.confidence),
        training=charts.training_curves(
            {each.title: read_metrics(each.directory / METRICS) for each in of["pretrain"]}, arms
        ),
        probes=_present([_over_k(of["knn"], arms), _over_rates(of["linear"], arms)]),
        classes=_class_figures(of, arms),
        confusions=_confusions(_compared(of["knn"] + of["finetune"] + of["segment"], config)),
        pictures=_pictures([each for group in of.values() for each in group]),
        maps=_maps(features, dataset),
        neighbours=_neighbours(features, dataset),
        data=[_data_summary(PreparedDataset.open(path), path) for path in dict.fromkeys(images.values())],
        seconds=_seconds(made, images),
        made_with=sorted({f"{k} {v}" for each in made for k, v in _stamp(each).get("made_with", {}).items()}),
        settings=settings,
        arms=arms,
        subjects=[*config.subjects],
    )


def _overview(lines: list[Line], arms: list[str], config: TablesConfig) -> list[OverviewRow]:
    found = defaultdict(dict)
    for line in lines:
        found[line["task"], line["metric"]][line["arm"]] = line
    return [
        OverviewRow(task, metric, [of.get(arm) for arm in arms], [of.get(arm) for arm in config.subjects])
        for (task, metric), of in found.items()
    ]


def _compared(made: list[Made], config: TablesConfig) -> list[Made]:
    """Of the first seed, those of the arms that the answer is about."""
    wanted = {*config.subjects, *(config.compared_with[arm] for arm in config.subjects)} or {*config.arms}
    first = min((each.seed for each in made), default=0)
    return [each for each in made if each.arm in wanted and each.seed == first]


def _present(figures: list[Figure | None]) -> list[Figure]:
    return [figure for figure in figures if figure is not None]


def _over_k(made: list[Made], arms: list[str]) -> Figure | None:
    values = [
        {
            "arm": each.arm,
            "run": each.title,
            "k": int(row["metric"].removeprefix("top1_k")),
            "top-1 (%)": 100 * row["value"],
        }
        for each in made
        if each.run == "knn"
        for row in _rows(each)
        if row["metric"].startswith("top1_k")
    ]
    return charts.sweep("knn-k", "k-NN on the test images, over k.", values, arms, x="k", log=True)


def _over_rates(made: list[Made], arms: list[str]) -> Figure | None:
    values = []
    for each in made:
        path = each.directory / "sweep.json"
        for rate in read_json(path) if path.is_file() else []:
            if not rate["diverged"]:
                values.append(
                    {
                        "arm": each.arm,
                        "run": each.title,
                        "base learning rate": rate["base_lr"],
                        "top-1 (%)": 100 * rate["test"],
                    }
                )
    caption = "Linear probe on the test images, over the learning rates; one is chosen on validation images."
    return charts.sweep("linear-rates", caption, values, arms, x="base learning rate", log=True)


def _class_figures(of: Mapping[str, list[Made]], arms: list[str]) -> list[Figure]:
    """Per class, of k-NN, fine-tuning, segmentation and detection; runs of one task in one figure."""
    measures = {"knn": "accuracy", "finetune": "accuracy", "segment": "iou", "detect": "box_ap"}
    figures = []
    for stage, measure in measures.items():
        by_run = defaultdict(list)
        for each in of[stage]:
            for line in _csv(each.directory / "per_class.csv")[:_MOST_CLASSES]:
                if line.get(measure):
                    value = {"class": line["class"], "arm": each.arm, "run": each.title}
                    by_run[each.run].append(value | {measure: 100 * float(line[measure])})
        figures += [charts.per_class(run, measure, values, arms) for run, values in by_run.items()]
    return _present(figures)


def _confusions(made: list[Made]) -> list[Figure]:
    figures = []
    for each in made:
        table = _table(each.directory / "confusion.csv")
        if 1 < len(table) <= _MOST_CLASSES + 1:
            names = [line[0] for line in table[1:]]
            counts = np.array([[int(cell) for cell in line[1:]] for line in table[1:]], np.int64)
            if counts.shape == (len(names), len(names)) and counts.sum():
                figures.append(charts.confusion(each.run, each.arm, names, counts))
    return figures


def _pictures(made: list[Made]) -> dict[str, list[Picture]]:
    """Of the first seed, by kind of picture, arms side by side."""
    found = defaultdict(list)
    first = min((each.seed for each in made), default=0)
    for each in made:
        if each.stage in ("dense_probe", "segment", "detect") and each.seed == first:
            for path in sorted(each.directory.glob("*.png")):
                kind = f"{each.run}: {path.stem}"
                alt = f"{path.stem} of {each.run} from the backbone of {each.arm}"
                found[kind].append(Picture(each.arm, alt, picture_address(path, _PICTURE_SIDE)))
    return dict(found)


def _maps(features: dict[Made, FeatureSet], dataset: PreparedDataset) -> list[Figure]:
    figures = []
    for each, stored in features.items():
        if stored.test is not None:
            values = mapped(stored.test.last_cls, stored.test.index, stored.test.labels, dataset)
            figures += [charts.feature_map(each.arm, values)] if values else []
    return figures


def _neighbours(features: dict[Made, FeatureSet], dataset: PreparedDataset) -> dict[str, list[Neighbours]]:
    return {
        each.arm: neighbours(
            *((part.last_cls, part.index, part.labels) for part in (stored.train, stored.test)), dataset
        )
        for each, stored in features.items()
        if stored.train is not None and stored.test is not None
    }


def _data_summary(dataset: PreparedDataset, directory: Path) -> DataSummary:
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


def _seconds(made: list[Made], images: Mapping[str, Path]) -> list[tuple[str, int, float]]:
    """Of every stage: how many runs, and their seconds together."""
    stamps = [read_stamp(path) or {} for path in dict.fromkeys(images.values())]
    stamps += [_stamp(each) for each in made]
    totals: dict[str, list[float]] = defaultdict(list)
    for stamp in stamps:
        if "seconds" in stamp:
            totals[stamp["stage"]].append(stamp["seconds"])
    return [(stage, len(seconds), sum(seconds)) for stage, seconds in totals.items()]


def _stamp(each: Made) -> dict[str, Any]:
    return read_stamp(each.directory) or {}


def _rows(each: Made) -> list[dict[str, Any]]:
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
