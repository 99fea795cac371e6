"""Writes the results of segmentation: table rows, class scores, the confusion matrix."""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.config.dense import SegmentConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.evaluate.mean_iou import (
    SegmentationCounts,
    class_accuracy,
    class_areas,
    class_iou,
    set_scores,
)
from pipeline.evaluate.overlays import Overlay, draw_overlays, samples
from pipeline.measures.class_replicates import write_class_replicates
from pipeline.measures.classification_rows import write_no_outcome
from pipeline.measures.confusion import write_confusion
from pipeline.measures.intervals.resamples import resample_counts
from pipeline.measures.labelled_images import without_images
from pipeline.measures.measure import Measure, TestImages, write_measures
from pipeline.segmentation.evaluation import Prediction
from pipeline.segmentation.samples import MOST_SAMPLES, SAMPLES, SegmentedSample, image_score, write_samples
from pipeline.storage.files import write_csv

_HEADS = {"linear": "1x1 convolution on 4 taps", "uper": "UPerNet on 4 taps"}


def why_not(dataset: PreparedDataset) -> str | None:
    """Why this data set cannot be used for segmentation; None if it can."""
    if dataset.annotation != "label-map":
        return f"no segmentation of {dataset.name}: expected label maps, found {dataset.annotation}"
    missing = without_images({split: dataset.indices(split) for split in ("train", "test")})
    return f"no segmentation of {dataset.name}: {missing}" if missing else None


def write_outcome(
    output: Path, config: SegmentConfig, dataset: PreparedDataset, predictions: Iterable[Prediction]
) -> None:
    """Score the predictions for the test images as they arrive, and write the result files.

    Files: rows.json and replicates.npz (mIoU, mAcc, aAcc), per_class.csv and its replicates, confusion.csv,
    overlay.png, and samples.npz with the predictions for some images.
    """
    rows = dataset.indices("test")
    kept, of_samples = set(samples(rows, MOST_SAMPLES).tolist()), []
    shown, overlays = set(samples(rows, config.num_pictures).tolist()), []
    counts = SegmentationCounts(len(dataset.class_names))
    for prediction in predictions:
        counts.add(prediction.truth, prediction.class_map)
        if prediction.row in kept:
            score = image_score(prediction.truth, prediction.class_map, len(dataset.class_names))
            of_samples.append(SegmentedSample(prediction.row, score, prediction.class_map))
        if prediction.row in shown:
            image = dataset.image(prediction.row)
            overlays.append(Overlay(image, prediction.truth, prediction.class_map))
    write_samples(output / SAMPLES, of_samples)
    images = TestImages(dataset.name, dataset.split_names["test"], len(rows))
    replicates, ious = counts.resampled(resample_counts(len(rows), config.num_bootstrap))
    write_class_replicates(output, {"iou": ious})
    task = f"segment-{config.head}-{'frozen' if config.frozen else 'finetuned'}"
    values = set_scores(class_areas(counts.confusion))
    write_tables(output, counts.confusion, dataset.class_names)
    if overlays:
        draw_overlays(output / "overlay.png", overlays, dataset.class_names)
    if not counts.confusion.any():
        write_no_outcome(output, f"no score of {dataset.name}: no test image has a labelled pixel")
        return
    write_measures(
        output,
        [
            Measure(task, name, float(value), protocol(config), images, replicates[name])
            for name, value in values.items()
        ],
    )


def protocol(config: SegmentConfig) -> str:
    """One line on how the numbers were obtained."""
    schedule, view = config.schedule, config.view
    lr = schedule.frozen_lr if config.frozen and schedule.frozen_lr is not None else schedule.lr
    state = "frozen backbone" if config.frozen else f"fine-tuned, layer decay {schedule.layer_decay:g}"
    inference = (
        "whole image" if view.inference == "whole" else f"window {view.crop_size}, stride {view.stride}"
    )
    return (
        f"{_HEADS[config.head]}, {state}, AdamW, lr {lr:g}, {schedule.num_steps} steps of "
        f"{schedule.batch_size} crops of {view.crop_size} px; short side {view.resize[0]} px, {inference}, "
        "scored at the label map's resolution"
    )


def write_tables(output: Path, confusion: np.ndarray, class_names: list[str]) -> None:
    """Write per_class.csv (undefined scores are empty) and confusion.csv (pixels, rows are the truth)."""
    areas = class_areas(confusion)
    ious, accuracies = (
        ["" if math.isnan(share) else f"{share:.6f}" for share in shares]
        for shares in (class_iou(areas), class_accuracy(areas))
    )
    pixels = zip(class_names, ious, accuracies, *areas[::-1].tolist()[:2], strict=True)
    write_csv(output / "per_class.csv", [["class", "iou", "accuracy", "pixels", "predicted_pixels"], *pixels])
    write_confusion(output / "confusion.csv", confusion, class_names)
