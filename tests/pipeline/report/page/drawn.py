"""Contents of a page without any artifact, with names that would break a page that trusts them."""

import numpy as np
from PIL import Image

from pipeline.report.page import charts
from pipeline.report.page.confusions import Confusion
from pipeline.report.page.contents import Contents, OverviewRow, Picture
from pipeline.report.page.data_views import DataSummary, LeftOut, Twice
from pipeline.report.page.feature_views import Neighbours
from pipeline.report.page.side_by_side import ComparedImage, ComparedTask, Panel
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
    figure = charts.confusion("knn", "hssl", names, counts)
    return Confusion(figure, names, counts, "images", {(0, 1): [0]})


def drawn_contents():
    lines = [a_line("ibot"), a_line("hssl", 0.026)]
    logs = {
        f"{arm} seed 0": [{"step": s, "loss": 3.0 - s / 10, "lr": 0.1} for s in (1, 5, 9)] for arm in ARMS
    }
    shown = {"image": an_image(), "class": NASTY, "path": f"train/{NASTY}.png"}
    points = [shown | {"x": float(i), "y": float(-i)} for i in range(9)]
    classes = [
        {"class": name, "arm": "hssl", "run": "hssl seed 0", "accuracy": 50.0} for name in (NASTY, "b")
    ]
    balance = [{"class": name, "split": "train", "count": 3} for name in (NASTY, "b")]
    panels = [Panel(NASTY, None, NASTY, an_image()), Panel("hssl", 0.5, "b", an_image(9))]
    left_out = [LeftOut(NASTY, NASTY, an_image()), LeftOut("b", "c", None)]
    twice = [shown | {"part": part} for part in ("test", "train")]
    return Contents(
        experiment="drawn",
        confidence=0.95,
        sentences=[f"hssl - ibot: {NASTY}"],
        summary="hssl against ibot, of 1 tasks: 1 better",
        behind=[f"Is it enough? {NASTY}"],
        lines=lines,
        overview=[OverviewRow("knn", "top1", lines, [lines[1]])],
        differences=charts.forest(lines, ARMS, 0.95),
        training=charts.training_curves(logs, ARMS),
        probes=[],
        classes=[charts.per_class("knn", "accuracy", classes, ARMS)],
        confusions=[a_confusion()],
        thumbnails={"images-0": {"image": an_image(), "path": NASTY}},
        compared=[
            ComparedTask(NASTY, "mIoU", [ComparedImage("best", NASTY, panels)], [(NASTY, "#a0b0c0")])
        ],
        pictures={NASTY: [Picture(NASTY, NASTY, an_image(80))]},
        maps=[charts.feature_map("hssl", points)],
        neighbours={"hssl": [Neighbours(shown, [shown | {"cosine": 0.9}])]},
        data=[
            DataSummary(
                NASTY, NASTY, {"train": 6}, 2, 1, left_out, charts.class_balance(balance, "images"), [NASTY],
                [Twice("alike", 0.991, twice, same_class=False)], NASTY,
            )
        ],
        seconds=[("pretrain", 2, 12.5)],
        made_with=["numpy 1.26"],
        settings=f'{{"name": "{NASTY}"}}',
        arms=ARMS,
        subjects=["hssl"],
    )  # fmt: skip


def picture_size(address):
    import base64
    import io

    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).size
