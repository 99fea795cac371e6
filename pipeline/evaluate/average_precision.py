"""Average precision of detections by COCO's rules, and detections in COCO's result format."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from faster_coco_eval import COCO
from faster_coco_eval.core.faster_eval_api import COCOeval_faster

from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.precision_resampling import (
    ImagePairs,
    class_precision,
    matched,
    mean_over_classes,
)

# Names of the evaluator's numbers, in its order; those with "_" are not in the short table.
METRICS = (
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar_1",
    "ar_10",
    "ar_100",
    "ar_small",
    "ar_medium",
    "ar_large",
)

_CURVES = (0.5, 0.75)  # IoU of the precision-recall curves


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections in one image, at most 100."""

    boxes: np.ndarray  # (n, 4) float32: x1, y1, x2, y2, pixels of the original image
    scores: np.ndarray  # (n,) float32 in [0, 1]
    classes: np.ndarray  # (n,) int64 in 0..K-1
    masks: list[dict[str, Any]] | None  # COCO's compressed run lengths, of the original image; None: no masks


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """AP of boxes or of masks, as fractions; NaN without such objects in the ground truth."""

    metrics: dict[str, float]  # METRICS
    per_class: np.ndarray  # (K,) float64: AP of each class
    replicates: dict[str, np.ndarray] = field(default_factory=dict)  # ap, ap50, ap75: (R,) float64
    class_replicates: np.ndarray | None = None  # (R, K) float64: AP of each class, NaN without objects
    # IoU -> mean precision over classes with objects, at the recalls 0, 0.01, ... 1: (101,) float64.
    curves: dict[float, np.ndarray] = field(default_factory=dict)


def coco_results(
    detections: Sequence[Detections], dataset: PreparedDataset, rows: Sequence[int]
) -> list[dict[str, Any]]:
    """Entries of a COCO result file, with the source's own ids, and boxes as x, y, width, height.

    Args:
        detections: one for each of the images `rows` of the data set, in the same order.

    Raises:
        ValueError: the numbers of `detections` and `rows` differ.
    """
    ids = category_ids(dataset)
    results = []
    for found, row in zip(detections, rows, strict=True):
        boxes = found.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        for index, box in enumerate(boxes.tolist()):
            result = {
                "image_id": dataset.image_id(row),
                "category_id": ids[int(found.classes[index])],
                "bbox": box,
                "score": float(found.scores[index]),
            }
            if found.masks is not None:
                result["segmentation"] = _as_text(found.masks[index])
            results.append(result)
    return results


def category_ids(dataset: PreparedDataset) -> list[int]:
    """COCO's category id of each class: the source's own, or 1, 2, ... if it has none."""
    return dataset.category_ids or list(range(1, len(dataset.class_names) + 1))


def _as_text(segment: dict[str, Any]) -> dict[str, Any]:
    """A run-length encoded mask with its bytes as text, for JSON."""
    counts = segment["counts"]
    return {
        "size": [int(length) for length in segment["size"]],
        "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts,
    }


def ground_truth(dataset: PreparedDataset, rows: Sequence[int]) -> dict[str, Any]:
    """The images `rows` with their objects, in the layout of a COCO annotation file."""
    ids = category_ids(dataset)
    images, annotations = [], []
    for row in rows:
        width, height = dataset.size(row)
        image_id, objects = dataset.image_id(row), dataset.objects(row)
        images.append({"id": image_id, "width": width, "height": height})
        boxes = objects.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        for index, box in enumerate(boxes.tolist()):
            annotation = {
                "id": len(annotations) + 1,  # not from 0: the evaluator takes 0 for "no match"
                "image_id": image_id,
                "category_id": ids[int(objects.classes[index])],
                "bbox": box,
                "area": float(objects.areas[index]),
                "iscrowd": int(objects.crowd[index]),
            }
            if objects.segments[index] is not None:
                annotation["segmentation"] = _as_text(objects.segments[index])
            annotations.append(annotation)
    categories = [{"id": number, "name": name} for number, name in zip(ids, dataset.class_names, strict=True)]
    return {"images": images, "annotations": annotations, "categories": categories}


def evaluate_ap(
    results: list[dict[str, Any]],
    dataset: PreparedDataset,
    rows: Sequence[int],
    kind: Literal["bbox", "segm"],
    counts: np.ndarray | None = None,
) -> AveragePrecision:
    """Score results against the objects of some images.

    Args:
        results: entries as from `coco_results`, for these images.
        rows: the images, including those without objects and those without results.
        kind: whether boxes or masks must overlap.
        counts: (R, len(rows)) integers, how often each image is in each resample; None: no replicates.

    Raises:
        ValueError: masks are to be scored, but a result or an object has none.

    Source:
        Lin et al. 2014 (COCO) and its pycocotools: AP over IoU 0.50:0.05:0.95 and 101 recalls, at most 100
        detections per image and class, results on crowds ignored, sizes by the annotated area.
    """
    truth = ground_truth(dataset, rows)
    evaluator = _evaluated(truth, results, kind)
    precision = evaluator.eval["precision"][:, :, :, 0, -1].mean(axis=(0, 1))  # (K,) in the order of ids
    order = np.argsort(np.argsort(category_ids(dataset)))
    every = evaluator.eval["precision"][:, :, precision > -1, 0, -1]  # (T, 101, classes with objects)
    thresholds = evaluator.params.iouThrs
    curves = {iou: every[np.argmin(np.abs(thresholds - iou))].mean(axis=1) for iou in _CURVES if every.size}
    replicates, class_replicates = {}, None
    if counts is not None:
        replicates, class_replicates = _replicates(evaluator, truth, results, counts)
    return AveragePrecision(
        metrics={name: _or_nan(value) for name, value in zip(METRICS, evaluator.stats, strict=True)},
        per_class=np.where(precision > -1, precision, np.nan)[order],
        replicates=replicates,
        class_replicates=class_replicates,
        curves=curves,
    )


def _or_nan(value: float) -> float:
    return float(value) if value > -1 else float("nan")


def _evaluated(truth: dict[str, Any], results: list[dict[str, Any]], kind: str) -> COCOeval_faster:
    """The evaluator, after matching and accumulation."""
    if kind == "segm":
        for name, entries in (("result", results), ("object", truth["annotations"])):
            if any("segmentation" not in entry for entry in entries):
                raise ValueError(f"masks are to be scored, and a {name} has none")
    expected = COCO(truth, print_function=_silent)
    # Without boxes in the results, their sizes are those of their masks.
    left_out = "bbox" if kind == "segm" else "segmentation"
    found = [{key: value for key, value in result.items() if key != left_out} for result in results]
    evaluator = COCOeval_faster(expected, expected.loadRes(found), kind, print_function=_silent)
    evaluator.run()
    return evaluator


def _silent(*_: object) -> None:
    pass


def _replicates(
    evaluator: COCOeval_faster, truth: dict[str, Any], results: list[dict[str, Any]], counts: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """ap, ap50 and ap75, (R,) each, and the AP of each class, (R, K), on each resample.

    They are computed from the overlaps that the evaluator has found.
    """
    thresholds, most = evaluator.params.iouThrs, evaluator.params.maxDets[-1]
    # The evaluator takes images by ascending ids, and keeps that order among equal scores.
    columns = {image["id"]: column for column, image in enumerate(truth["images"])}
    crowds, scores = _grouped(truth["annotations"], "iscrowd"), _grouped(results, "score")
    pairs: dict[int, list[ImagePairs]] = {category["id"]: [] for category in truth["categories"]}
    for image, category in sorted(crowds.keys() | scores.keys()):
        key = (image, category)
        ranked = -np.sort(-np.array(scores.get(key, ()), np.float64))[:most]
        crowd = np.array(crowds.get(key, ()), bool)
        ious = np.asarray(evaluator.ious[key], np.float64).reshape(len(ranked), len(crowd))
        pairs[category].append(ImagePairs(columns[image], ranked, crowd, ious))
    classes = [matched(of_class, len(columns), thresholds) for of_class in pairs.values()]
    of_classes = class_precision(classes, counts, evaluator.params.recThrs)
    precision = mean_over_classes(of_classes)
    replicates = {
        "ap": precision.mean(axis=1),
        "ap50": precision[:, np.argmin(np.abs(thresholds - 0.5))],
        "ap75": precision[:, np.argmin(np.abs(thresholds - 0.75))],
    }
    return replicates, of_classes.mean(axis=1)


def _grouped(entries: list[dict[str, Any]], key: str) -> dict[tuple[int, int], list[float]]:
    """The entries' values under `key`, by (image, category), in the order of the entries."""
    groups: dict[tuple[int, int], list[float]] = {}
    for entry in entries:
        groups.setdefault((entry["image_id"], entry["category_id"]), []).append(entry[key])
    return groups
