"""Contents of a page without any artifact, with names that would break a page without escaping."""

import numpy as np
from PIL import Image

from pipeline.report.page.charts.classes import class_balance, confusion, per_class
from pipeline.report.page.charts.differences import forest
from pipeline.report.page.charts.features import feature_map
from pipeline.report.page.charts.training import training_curves
from pipeline.report.page.confusions import Confusion
from pipeline.report.page.contents import Contents, OverviewRow
from pipeline.report.page.costs import StageCost
from pipeline.report.page.data_views import DataSummary, DuplicatePair, LeftOut
from pipeline.report.page.feature_views import FeatureViews, Neighbours, Side
from pipeline.report.page.forest_table import forest_table
from pipeline.report.page.pictures import Picture, Sheet
from pipeline.report.page.side_by_side import ComparedImage, ComparedTask, Panel
from pipeline.report.page.study_views import StudyView
from pipeline.report.page.thumbnails import data_address

NASTY = "</script><img src=x onerror=alert(1)>&\"'"
ARMS = ["ibot", "hssl"]


def a_line(arm, difference=None, **more):
    return {
        "experiment": "drawn",
        "arm": arm,
        "task": "knn",
        "metric": "top1",
        "value": 0.5,
        "std": None,
        "ci_low": 0.45,
        "ci_high": 0.55,
        "seeds": [0],
        "dataset": "drawn",
        "split": "test",
        "num_images": 100,
        "protocol": NASTY,
        "higher_is_better": True,
        "fingerprint": "f",
        "difference": difference,
        "difference_std": None,
        "difference_ci_low": None if difference is None else difference - 0.01,
        "difference_ci_high": None if difference is None else difference + 0.01,
        "baseline": "ibot",
    } | more


def an_image(tone=120):
    return data_address(np.full((40, 60, 3), tone, np.uint8), 48)


def a_confusion():
    names, counts = [NASTY, "b"], np.array([[3, 1], [0, 4]])
    totals = counts.sum(axis=1)
    figure = confusion("knn", "hssl", names, counts, totals, 2)
    return Confusion(figure, names, counts, totals, "images", {(0, 1): [0]})


def a_view(points, shown):
    near = [Neighbours(shown, [shown | {"cosine": 0.9}, shown | {"cosine": 0.8, "labelled": False}])]
    sides = [
        Side(f"hssl, {side}", feature_map(f"hssl, {side}", "test", points), near)
        for side in ("base", "auxiliary head")
    ]
    return FeatureViews("hssl", "test", 9, [Picture(NASTY, NASTY, an_image(60))], sides)


def drawn_contents():
    lines = [a_line("ibot"), a_line("hssl", 0.026)]
    logs = {
        f"{arm} seed 0": [{"step": s, "loss": 3.0 - s / 10, "lr": 0.1} for s in (1, 5, 9)] for arm in ARMS
    }
    shown = {"image": an_image(), "class": NASTY, "labelled": True, "path": f"train/{NASTY}.png"}
    points = [shown | {"x": float(i), "y": float(-i), "image": "images-0"} for i in range(9)]
    classes = [
        {"class": name, "arm": "hssl", "run": "hssl seed 0", "accuracy": 50.0, "low": 40.0, "high": 60.0}
        for name in (NASTY, "b")
    ]
    balance = [{"class": name, "split": "train", "count": 3} for name in (NASTY, "b")]
    panels = [Panel(NASTY, None, NASTY, an_image()), Panel("hssl", 0.5, "b", an_image(9))]
    left_out = [LeftOut(NASTY, NASTY, an_image()), LeftOut("b", "c", None)]
    twice = [shown | {"part": part} for part in ("test", "train")]
    return Contents(
        experiment="drawn",
        confidence=0.95,
        sentences=[f"hssl - ibot: {NASTY}"],
        answers=["HSSL - iBOT: +20.0 points k-NN top-1 [+10.0, +30.0], 1 seed, better at this seed"],
        behind=[f"Is it enough? {NASTY}"],
        lines=lines,
        overview=[OverviewRow("knn", "top1", lines, [lines[1]])],
        forest=forest_table(lines),
        differences=forest(lines, ARMS, 0.95),
        training=training_curves(logs, ARMS),
        terms={"loss": NASTY},
        probes=[],
        classes=[per_class("knn", "accuracy", classes, ARMS, 0.95)],
        confusions=[a_confusion()],
        thumbnails={"images-0": {"image": an_image(), "path": NASTY}},
        compared=[
            ComparedTask(NASTY, "mIoU", [ComparedImage("best", NASTY, panels)], [(NASTY, "#a0b0c0")])
        ],
        sheets=[Sheet(NASTY, NASTY, [Picture(NASTY, NASTY, an_image(80))], is_more=False)],
        features=[a_view(points, shown)],
        studies=[StudyView(NASTY, [NASTY, "b"], [[NASTY, "1.0"]], [NASTY], [])],
        data=[
            DataSummary(
                NASTY, NASTY, {"train": 6}, "4 x 3", 2, 1, left_out,
                class_balance(balance, "images"), [NASTY],
                [DuplicatePair("alike", 0.991, twice, same_class=False)], NASTY,
            )
        ],
        costs=[StageCost("pretrain", 2, 12.5, 25.0, NASTY, 250.0)],
        machines=[NASTY],
        made_with=["numpy 1.26"],
        settings=f'{{"name": "{NASTY}"}}',
        arms=ARMS,
        subjects=["hssl"],
    )  # fmt: skip


def picture_size(address):
    import base64
    import io

    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).size
