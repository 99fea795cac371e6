"""k-NN, mIoU and AP on small data sets made here, compared with known scores."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import util

import numpy as np

from pipeline.config.stages import RuntimeConfig
from pipeline.datasets.targets import IGNORED, Objects
from pipeline.doctor.answers.answer import Answer

_SEED = 20261128
_NUM_CLASSES = 10
KS = (10, 20)
TEMPERATURE = 0.07
# Accuracy on the queries of `knn_data`, by scikit-learn's brute force in float64.
KNN_TOP1 = {10: 204 / 300, 20: 215 / 300}
# Scores of `detections`, by pycocotools 2.0.
AP = {"ap": 0.13315209908431014, "ap50": 0.26354876089112667, "ar_100": 0.3295751633986928}
_EXACT = 1e-9  # scores are ratios of counts, computed in float64
_REMEDY = "install NumPy and SciPy again: their products or sums are wrong here"
_CARD_REMEDY = "set runtime.device to 'cpu' for the stage knn, and see whether another card gives the same"
# Queries, rows of the bank, channels, neighbours.
SEARCHED = (2000, 40_000, 384, 20)
_AP_REMEDY = "install faster-coco-eval again, as pyproject.toml asks for it"


def evaluation_tests(*, on_card: bool = False) -> dict[str, Callable[[], Answer]]:
    """The test of each score, by name; AP is compared with pycocotools only where that is installed.

    Args:
        on_card: search for neighbours on the GPU too, see `pipeline.evaluate.neighbour_tiles.on_card`.
    """
    tests = {"k-NN": _knn, "mIoU": _mean_iou, "AP": _average_precision}
    if on_card:
        tests["neighbours on the card"] = _neighbours_on_card
    if util.find_spec("pycocotools") is not None:
        tests["AP beside pycocotools"] = _beside_pycocotools
    return tests


def knn_data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Queries (300, 48), their labels, bank (800, 48), its labels: classes overlap."""
    rng = np.random.default_rng(_SEED)
    centres = rng.normal(size=(_NUM_CLASSES, 48))
    labels = rng.integers(_NUM_CLASSES, size=1100)
    features = (centres[labels] + 2.5 * rng.normal(size=(1100, 48))).astype(np.float32)
    return features[:300], labels[:300], features[300:], labels[300:]


def _knn() -> Answer:
    from pipeline.evaluate.knn import classify

    queries, truth, bank, labels = knn_data()
    found = classify(queries, bank, labels, ks=KS, temperature=TEMPERATURE)
    top1 = {each.k: float(np.mean(each.classes == truth)) for each in found}
    return _scores("k-NN", top1, KNN_TOP1, _REMEDY)


def _neighbours_on_card() -> Answer:
    """Several blocks and tiles; the processor's neighbours are those expected, and its similarities."""
    from pipeline.evaluate.neighbours import nearest

    num_queries, num_bank, channels, k = SEARCHED
    rng = np.random.default_rng(_SEED)
    queries, bank = (
        rng.standard_normal((count, channels), dtype=np.float32) for count in (num_queries, num_bank)
    )
    threads = RuntimeConfig().num_threads
    expected = nearest(queries, bank, k, num_threads=threads)
    found = nearest(queries, bank, k, num_threads=threads, on_card=True)
    wrong = sum(int((one != other).sum()) for one, other in zip(found, expected, strict=True))
    numbers = f"of {2 * num_queries * k} rows and similarities differ from the processor's"
    return Answer("neighbours on the card", f"{wrong} {numbers}", f"0 {numbers}", wrong, 0.0, _CARD_REMEDY)


def _mean_iou() -> Answer:
    """Six labelled pixels; the IoUs are 2/3, 1/3 and 1/2; two pixels are ignored, two classes absent."""
    from pipeline.evaluate.mean_iou import SegmentationCounts, class_areas, set_scores

    counts = SegmentationCounts(5)
    truth = np.array([[0, 0, 1, IGNORED], [0, 2, 2, IGNORED]])
    counts.add(truth, np.array([[0, 1, 1, 3], [0, 2, 1, 2]]))
    found = {name: float(value) for name, value in set_scores(class_areas(counts.confusion)).items()}
    return _scores("mIoU", found, {"miou": 0.5, "macc": 13 / 18, "aacc": 2 / 3}, _REMEDY)


@dataclass
class DrawnBoxes:
    """Images of 200 x 160 pixels with boxes of three classes, with what AP reads of a data set."""

    all_objects: list[Objects]
    class_names: tuple[str, ...] = ("a", "b", "c")
    category_ids: tuple[int, ...] = (7, 3, 90)

    def objects(self, row: int) -> Objects:
        return self.all_objects[row]

    def image_id(self, row: int) -> int:
        return 1000 - 7 * row

    def size(self, row: int) -> tuple[int, int]:
        return 200, 160


def detections() -> tuple[DrawnBoxes, list]:
    """Twelve images, and detections of mixed quality."""
    from pipeline.evaluate.average_precision import Detections

    rng = np.random.default_rng(_SEED)
    every, found = [], []
    for _ in range(12):
        number = int(rng.integers(1, 8))
        boxes, classes = _boxes(rng, number), rng.integers(3, size=number)
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        every.append(Objects(boxes, classes, rng.random(number) < 0.15, areas, (None,) * number))
        moved = boxes + (rng.normal(size=boxes.shape) * 3).astype(np.float32)
        boxes = np.concatenate([moved[rng.random(number) < 0.8], _boxes(rng, 3)])
        kinds = np.where(rng.random(len(boxes)) < 0.8, np.resize(classes, len(boxes)), 0)
        found.append(Detections(boxes, rng.random(len(boxes)).astype(np.float32), kinds, None))
    return DrawnBoxes(every), found


def _boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    """(number, 4) float32, of 10 to 80 pixels."""
    sides = rng.uniform(10, 80, (number, 2))
    corners = rng.uniform(0, 1, (number, 2)) * ((200, 160) - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def precision_by_this_project() -> dict[str, float]:
    """The scores of `detections`, by the project's code."""
    from pipeline.evaluate.average_precision import coco_results, evaluate_ap

    dataset, found = detections()
    rows = range(len(found))
    metrics = evaluate_ap(coco_results(found, dataset, rows), dataset, rows, "bbox").metrics
    return {name: metrics[name] for name in AP}


def precision_by_pycocotools() -> dict[str, float]:
    """The scores of `detections`, by pycocotools."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    from pipeline.evaluate.average_precision import METRICS, coco_results, ground_truth

    dataset, found = detections()
    rows = range(len(found))
    with contextlib.redirect_stdout(io.StringIO()):
        expected = COCO()
        expected.dataset = ground_truth(dataset, rows)
        expected.createIndex()
        evaluator = COCOeval(expected, expected.loadRes(coco_results(found, dataset, rows)), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    metrics = dict(zip(METRICS, map(float, evaluator.stats), strict=True))
    return {name: metrics[name] for name in AP}


def _average_precision() -> Answer:
    return _scores("AP", precision_by_this_project(), AP, _AP_REMEDY)


def _beside_pycocotools() -> Answer:
    return _scores(
        "AP beside pycocotools", precision_by_this_project(), precision_by_pycocotools(), _AP_REMEDY
    )


def _scores(name: str, found: dict, expected: dict, remedy: str) -> Answer:
    error = float(np.max([abs(found[name] - value) for name, value in expected.items()]))
    shown = [", ".join(f"{value:.4f}" for value in scores.values()) for scores in (found, expected)]
    return Answer(name, *shown, error, _EXACT, remedy)
