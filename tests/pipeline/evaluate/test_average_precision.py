import contextlib
import copy
import io
import json
import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from faster_coco_eval.core import mask as run_lengths

from pipeline.datasets.targets import Objects
from pipeline.evaluate.average_precision import (
    METRICS,
    Detections,
    coco_results,
    evaluate_ap,
    ground_truth,
)


@dataclass
class Dataset:
    """What is asked of a PreparedDataset."""

    all_objects: list[Objects]
    sizes: list[tuple[int, int]]  # width, height
    ids: list[int]
    category_ids: list[int]
    class_names: list[str] = field(default_factory=lambda: ["cat", "dog", "unicorn", "owl"])

    def objects(self, i):
        return self.all_objects[i]

    def image_id(self, i):
        return self.ids[i]

    def size(self, i):
        return self.sizes[i]


def region(box, width, height, kind):
    """A mask that fills its box, or an ellipse in it."""
    y, x = np.mgrid[:height, :width] + 0.5
    x1, y1, x2, y2 = box
    if kind == "rectangle":
        return (x > x1) & (x < x2) & (y > y1) & (y < y2)
    return (2 * (x - x1) / (x2 - x1) - 1) ** 2 + (2 * (y - y1) / (y2 - y1) - 1) ** 2 < 1


def encoded(mask):
    return run_lengths.encode(np.asfortranarray(mask.astype(np.uint8)))


def boxes_in(rng, num_boxes, width, height):
    sides = np.exp(rng.uniform(np.log(8), np.log(0.6 * min(width, height)), (num_boxes, 2)))
    corners = rng.uniform(0, 1, (num_boxes, 2)) * ((width, height) - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


@pytest.fixture
def mixed(rng):
    """15 images with crowds, images without objects, a class that is never there, ids with holes."""
    objects, sizes = [], []
    for index in range(15):
        width, height = rng.integers(100, 260, 2).tolist()
        number = 0 if index in (3, 9) else int(rng.integers(1, 8))
        boxes = boxes_in(rng, number, width, height)
        masks = [region(box, width, height, "ellipse") for box in boxes]
        objects.append(
            Objects(
                boxes=boxes,
                classes=rng.choice([0, 1, 3], number),
                crowd=rng.random(number) < 0.2,
                areas=np.array([mask.sum() for mask in masks], np.float32),
                segments=tuple(encoded(mask) for mask in masks),
            )
        )
        sizes.append((width, height))
    return Dataset(objects, sizes, ids=(1000 - 7 * np.arange(15)).tolist(), category_ids=[7, 3, 90, 20])


@pytest.fixture
def found(rng, mixed):
    """Objects found roughly, some of them twice or as another class, some not; and false ones."""
    return [
        imperfect(rng, objects, *size) for objects, size in zip(mixed.all_objects, mixed.sizes, strict=True)
    ]


def imperfect(rng, objects, width, height):
    boxes = [boxes_in(rng, int(rng.integers(0, 4)), width, height)]
    classes = [rng.integers(0, 4, len(boxes[0]))]
    for _ in range(2):
        kept = rng.random(len(objects.boxes)) < 0.7
        sides = np.tile(objects.boxes[kept, 2:] - objects.boxes[kept, :2], 2)
        boxes.append(objects.boxes[kept] + sides * rng.normal(0, 0.06, sides.shape))
        wrong = rng.random(kept.sum()) < 0.15
        classes.append(np.where(wrong, rng.integers(0, 4, len(wrong)), objects.classes[kept]))
    boxes = np.concatenate(boxes).astype(np.float32)
    masks = [encoded(region(box, width, height, "ellipse")) for box in boxes]
    return Detections(boxes, rng.random(len(boxes)).astype(np.float32), np.concatenate(classes), masks)


def perfect(dataset):
    return [
        Detections(
            objects.boxes[~objects.crowd],
            np.ones(np.count_nonzero(~objects.crowd), np.float32),
            objects.classes[~objects.crowd],
            [segment for segment, crowd in zip(objects.segments, objects.crowd, strict=True) if not crowd],
        )
        for objects in dataset.all_objects
    ]


def second_opinion(truth, results, kind):
    """pycocotools on the same, quietly."""
    pycocotools = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    from pycocotools.cocoeval import COCOeval

    results = [
        {key: value for key, value in result.items() if kind == "bbox" or key != "bbox"} for result in results
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        expected = pycocotools.COCO()
        expected.dataset = copy.deepcopy(truth)
        expected.createIndex()
        evaluator = COCOeval(expected, expected.loadRes(copy.deepcopy(results)), kind)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_equal_to_pycocotools(mixed, found, kind):
    """T23: all 12 numbers and those of each class, with crowds, empty images and an absent class."""
    rows = range(15)
    results = coco_results(found, mixed, rows)
    average_precision = evaluate_ap(results, mixed, rows, kind)
    evaluator = second_opinion(ground_truth(mixed, rows), results, kind)
    expected = [value if value > -1 else math.nan for value in evaluator.stats]
    assert list(average_precision.metrics) == list(METRICS)
    assert list(average_precision.metrics.values()) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert 0.05 < average_precision.metrics["ap"] < 0.9
    precision = evaluator.eval["precision"][:, :, :, 0, -1].mean(axis=(0, 1))
    by_id = dict(zip(evaluator.params.catIds, precision, strict=True))
    per_class = [by_id[number] if by_id[number] > -1 else math.nan for number in mixed.category_ids]
    assert average_precision.per_class == pytest.approx(per_class, abs=1e-12, nan_ok=True)
    assert math.isnan(average_precision.per_class[2])


def test_a_worked_example():
    """Two objects, found at .9 and .7 with a false one at .8: 51 recalls have precision 1, 50 have 2/3."""
    boxes = np.array([[0, 0, 20, 20], [50, 50, 80, 80]], np.float32)
    objects = Objects(
        boxes, np.zeros(2, int), np.zeros(2, bool), np.array([400, 900], np.float32), (None, None)
    )
    dataset = Dataset([objects], [(100, 100)], [1], [], ["thing"])
    detections = Detections(
        np.array([[0, 0, 20, 20], [20, 20, 40, 40], [50, 50, 80, 80]], np.float32),
        np.array([0.9, 0.8, 0.7], np.float32),
        np.zeros(3, int),
        None,
    )
    results = coco_results([detections], dataset, [0])
    found = evaluate_ap(results, dataset, [0], "bbox")
    metrics = found.metrics
    assert metrics["ap50"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert [*found.curves] == [0.5, 0.75]
    assert found.curves[0.5] == pytest.approx([1.0] * 51 + [2 / 3] * 50)
    assert metrics["ar_100"] == 1
    assert metrics["ar_1"] == 0.5
    assert math.isnan(metrics["ap_medium"])
    assert results[0] == {
        "image_id": 1,
        "category_id": 1,
        "bbox": [0, 0, 20, 20],
        "score": pytest.approx(0.9),
    }


def test_detections_on_a_crowd_count_for_nothing():
    """T14: the evaluator is told of crowds: two detections inside one are no mistakes, one beside it is."""
    boxes = np.array([[0, 0, 20, 20], [40, 0, 100, 60]], np.float32)
    areas = np.array([400, 3600], np.float32)
    objects = Objects(boxes, np.zeros(2, int), np.array([False, True]), areas, (None, None))
    dataset = Dataset([objects], [(100, 100)], [1], [5], ["thing"])
    inside = [[50, 10, 60, 20], [70, 30, 90, 60], [0, 0, 20, 20]]
    beside = [[0, 70, 20, 90], *inside]
    for found, expected in ((inside, 1), (beside, 0.5)):
        scores = np.linspace(0.9, 0.1, len(found)).astype(np.float32)
        detections = Detections(np.array(found, np.float32), scores, np.zeros(len(found), int), None)
        results = coco_results([detections], dataset, [0])
        found_ap = evaluate_ap(results, dataset, [0], "bbox", np.ones((1, 1), int))
        assert found_ap.metrics["ap50"] == found_ap.replicates["ap50"][0] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_perfect_shuffled_and_empty_results(mixed, rng, kind):
    """T22: the truth itself scores 1, with images exchanged about 0, and nothing at all 0."""
    rows = range(15)
    results = coco_results(perfect(mixed), mixed, rows)
    metrics = evaluate_ap(results, mixed, rows, kind).metrics
    assert [metrics[name] for name in ("ap", "ap50", "ap75", "ar_100")] == pytest.approx([1, 1, 1, 1])
    exchanged = dict(zip(mixed.ids, np.roll(mixed.ids, 1).tolist(), strict=True))
    moved = [result | {"image_id": exchanged[result["image_id"]]} for result in results]
    assert evaluate_ap(moved, mixed, rows, kind).metrics["ap"] < 0.05
    counts = rng.multinomial(15, np.full(15, 1 / 15), size=3)
    nothing = evaluate_ap([], mixed, rows, kind, counts)
    assert nothing.metrics["ap"] == nothing.metrics["ar_100"] == 0
    assert nothing.replicates["ap"].tolist() == [0, 0, 0]


def test_results_survive_json(mixed, found):
    """T16: results are plain JSON: run lengths are text, column by column; ids are the source's own."""
    results = coco_results(found, mixed, range(15))
    again = json.loads(json.dumps(results))
    assert again == results
    assert all(isinstance(result["segmentation"]["counts"], str) for result in results)
    assert {result["image_id"] for result in results} <= set(mixed.ids)
    assert {result["category_id"] for result in results} <= {3, 7, 20, 90}
    for kind in ("bbox", "segm"):
        first, second = (evaluate_ap(entries, mixed, range(15), kind) for entries in (results, again))
        assert np.array_equal(list(first.metrics.values()), list(second.metrics.values()), equal_nan=True)
    mask = np.zeros((5, 8), bool)
    mask[1:3, 2:6] = True
    dataset = Dataset([], [(8, 5)], [4], [], ["thing"])
    detections = Detections(
        np.array([[2, 1, 6, 3]], np.float32), np.ones(1), np.zeros(1, int), [encoded(mask)]
    )
    (result,) = coco_results([detections], dataset, [0])
    assert result["bbox"] == run_lengths.toBbox([result["segmentation"]])[0].tolist() == [2, 1, 4, 2]


def test_a_part_of_the_images(mixed, found):
    rows = [12, 3, 5]
    results = coco_results([found[row] for row in rows], mixed, rows)
    metrics = evaluate_ap(results, mixed, rows, "bbox").metrics
    evaluator = second_opinion(ground_truth(mixed, rows), results, "bbox")
    assert metrics["ap"] == pytest.approx(evaluator.stats[0], abs=1e-12)
    with pytest.raises(ValueError, match="zip"):
        coco_results(found, mixed, rows)


def test_no_objects_at_all(found, mixed):
    """Every number is an average over nothing; false detections change nothing about that."""
    nothing = Objects(
        np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros(0, bool), np.zeros(0, np.float32), ()
    )
    dataset = Dataset([nothing] * 15, mixed.sizes, mixed.ids, mixed.category_ids)
    results = coco_results(found, dataset, range(15))
    average_precision = evaluate_ap(results, dataset, range(15), "bbox", np.ones((2, 15), int))
    assert all(math.isnan(value) for value in average_precision.metrics.values())
    assert np.isnan(average_precision.per_class).all()
    assert np.isnan(average_precision.replicates["ap"]).all()


def test_masks_that_are_missing(mixed, found):
    results = coco_results(found, mixed, range(15))
    del results[4]["segmentation"]
    with pytest.raises(ValueError, match="masks are to be scored, and a result has none"):
        evaluate_ap(results, mixed, range(15), "segm")


def test_nothing_is_printed(mixed, found, capfd):
    evaluate_ap(coco_results(found, mixed, range(15)), mixed, range(15), "segm", np.ones((1, 15), int))
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_replicates_equal_an_evaluation_of_repeated_images(mixed, found, rng, kind):
    """Images that a resample holds twice are there twice, under two ids; what it lacks is not there."""
    counts = np.concatenate([np.ones((1, 15), int), rng.multinomial(15, np.full(15, 1 / 15), size=8)])
    counts = np.concatenate([counts, np.eye(15, dtype=int)[[3]], 5 * np.eye(15, dtype=int)[[0]]])
    results = coco_results(found, mixed, range(15))
    whole = evaluate_ap(results, mixed, range(15), kind, counts)
    for name, replicates in whole.replicates.items():
        assert replicates.shape == (11,)
        assert replicates[0] == pytest.approx(whole.metrics[name], abs=1e-12)
    for index, row in enumerate(counts):
        drawn = np.repeat(np.arange(15), row).tolist()
        copies = [copy_number for number in row for copy_number in range(number)]
        repeated = Dataset(
            [mixed.all_objects[i] for i in drawn],
            [mixed.sizes[i] for i in drawn],
            [100 * mixed.ids[i] + number for i, number in zip(drawn, copies, strict=True)],
            mixed.category_ids,
        )
        rows = range(len(drawn))
        results = coco_results([found[i] for i in drawn], repeated, rows)
        metrics = evaluate_ap(results, repeated, rows, kind).metrics
        for name in ("ap", "ap50", "ap75"):
            assert whole.replicates[name][index] == pytest.approx(metrics[name], abs=1e-12, nan_ok=True)
