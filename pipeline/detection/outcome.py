"""Writes the results of a detection: rows, class scores, results in COCO's format, and a picture."""

import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.config.dense import DetectConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.detection.pictures import Drawn, Sample, draw_samples
from pipeline.detection.samples import (
    MOST_SAMPLES,
    SAMPLES,
    DetectedSample,
    best_detections,
    share_found,
    write_samples,
)
from pipeline.evaluate.average_precision import AveragePrecision, Detections, coco_results, evaluate_ap
from pipeline.evaluate.overlays import samples
from pipeline.measures.class_replicates import write_class_replicates
from pipeline.measures.intervals.resamples import resample_counts
from pipeline.measures.labelled_images import without_images
from pipeline.measures.measure import Measure, TestImages, write_measures
from pipeline.storage.files import write_csv, write_text

CURVES = "precision_recall.csv"
_KINDS = {"bbox": "box", "segm": "mask"}  # the evaluator's name -> name in tables


def why_not(dataset: PreparedDataset) -> str | None:
    """Why this data set cannot be used for detection; None if it can."""
    if dataset.annotation != "objects":
        return f"no detection in {dataset.name}: expected objects, found {dataset.annotation}"
    missing = without_images({split: dataset.indices(split) for split in ("train", "test")})
    if missing:
        return f"no detection in {dataset.name}: {missing}"
    num_objects, num_crowds = dataset.summary["num_objects"], dataset.summary["num_crowds"]
    for split in ("train", "test"):
        if num_objects[split] == num_crowds[split]:
            found = (
                f'{num_objects[split]} crowds only; data.crowds = "objects" takes them as objects'
                if num_objects[split]
                else "none"
            )
            return f"no detection in {dataset.name}: expected objects in the part {split}, found {found}"
    return None


def why_no_masks(dataset: PreparedDataset) -> str | None:
    """Why only boxes are trained and scored; None if masks are too."""
    for split in ("train", "test"):
        known = [
            segment is not None
            for row in dataset.indices(split).tolist()
            for segment in dataset.objects(row).segments
        ]
        if not all(known):
            return f"no masks: {known.count(False)} of {len(known)} objects in {split} have none; boxes only"
    return None


def write_outcome(
    output: Path,
    config: DetectConfig,
    dataset: PreparedDataset,
    detections: Iterable[Detections],
    *,
    masks: bool,
) -> None:
    """Score the detections in the test images, and write the result files.

    Files: rows.json and replicates.npz, coco_results.json, per_class.csv and its replicates,
    precision_recall.csv, overlay.png, and samples.json with the detections in some images.
    """
    rows = dataset.indices("test")
    kept = list(detections)
    results = coco_results(kept, dataset, rows.tolist())
    write_text(output / "coco_results.json", json.dumps(results))
    counts = resample_counts(len(rows), config.num_bootstrap)
    scored = {
        name: evaluate_ap(results, dataset, rows.tolist(), kind, counts)
        for kind, name in _KINDS.items()
        if masks or kind == "bbox"
    }
    _write_per_class(output / "per_class.csv", dataset, rows, scored)
    write_class_replicates(output, {f"{name}_ap": score.class_replicates for name, score in scored.items()})
    _write_curves(output / CURVES, scored)
    of_samples = [
        _detected_sample(dataset, int(rows[i]), kept[i]) for i in samples(np.arange(len(rows)), MOST_SAMPLES)
    ]
    write_samples(output / SAMPLES, of_samples)
    shown = samples(np.arange(len(rows)), config.num_pictures)
    if len(shown):
        pictures = [_sample(dataset, int(rows[place]), kept[place]) for place in shown]
        draw_samples(output / "overlay.png", pictures, dataset.class_names)
    images = TestImages(dataset.name, dataset.split_names["test"], len(rows))
    state = "frozen" if config.frozen else "finetuned"
    words = protocol(config)
    measures = [
        Measure(f"detect-{name}-{state}", metric, value, words, images, score.replicates.get(metric))
        for name, score in scored.items()
        for metric, value in score.metrics.items()
    ]
    write_measures(output, measures)


def protocol(config: DetectConfig) -> str:
    """One line on how the scores were obtained."""
    schedule, view, stages = config.schedule, config.view, config.heads.stages
    lr = schedule.frozen_lr if config.frozen and schedule.frozen_lr is not None else schedule.lr
    state = "frozen backbone" if config.frozen else f"fine-tuned, layer decay {schedule.layer_decay:g}"
    network = "Mask R-CNN" if stages == 1 else f"Cascade Mask R-CNN, {stages} stages"
    return (
        f"{network}, {state}, AdamW, lr {lr:g}, {schedule.num_steps} steps of {schedule.batch_size} images; "
        f"short side {view.test_short_side} px, at most {config.heads.max_detections} detections"
    )


def _write_per_class(
    path: Path, dataset: PreparedDataset, rows: np.ndarray, scored: dict[str, AveragePrecision]
) -> None:
    """Write each class's AP (empty if it has no objects) and its number of objects, crowds not counted."""
    num_objects = np.zeros(len(dataset.class_names), np.int64)
    for row in rows.tolist():
        objects = dataset.objects(row)
        num_objects += np.bincount(objects.classes[~objects.crowd], minlength=len(num_objects))
    columns = [
        ["" if math.isnan(value) else f"{value:.6f}" for value in score.per_class.tolist()]
        for score in scored.values()
    ]
    header = ["class", "num_objects", *(f"{name}_ap" for name in scored)]
    write_csv(path, [header, *zip(dataset.class_names, num_objects.tolist(), *columns, strict=True)])


def _write_curves(path: Path, scored: dict[str, AveragePrecision]) -> None:
    """Write the mean precision over classes at each recall, of boxes and of masks, at IoU 0.5 and 0.75."""
    lines = [
        (name, iou, f"{recall:.2f}", f"{precision:.6f}")
        for name, score in scored.items()
        for iou, curve in score.curves.items()
        for recall, precision in zip(np.linspace(0, 1, len(curve)), curve.tolist(), strict=True)
    ]
    write_csv(path, [("kind", "iou", "recall", "precision"), *lines])


def _detected_sample(dataset: PreparedDataset, row: int, found: Detections) -> DetectedSample:
    truth = dataset.objects(row)
    best = best_detections(found, int(np.count_nonzero(~truth.crowd)))
    return DetectedSample(row, share_found(truth, best), best)


def _sample(dataset: PreparedDataset, row: int, found: Detections) -> Sample:
    truth = dataset.objects(row)
    segments = found.masks or (None,) * len(found.boxes)
    return Sample(
        dataset.image(row),
        Drawn(truth.boxes, truth.classes, truth.segments, crowd=truth.crowd),
        Drawn(found.boxes, found.classes, tuple(segments), found.scores),
    )
