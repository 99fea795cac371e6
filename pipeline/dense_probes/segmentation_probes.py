"""Segmentation by patches, with a linear classifier, k-NN and clusters, scored on pixels.

Shapes: n test images, K classes.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.config.dense import DenseProbeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.dense_probes.label_pairs import LabelPairs, joined_pairs, pairs_of_image
from pipeline.dense_probes.patch_classifiers import PatchClassifier, fit_classifiers, labelled_patches
from pipeline.dense_probes.patch_clusters import match_clusters
from pipeline.dense_probes.patch_grid import pixel_classes
from pipeline.dense_probes.patch_reader import PatchReader
from pipeline.dense_probes.patch_sample import PatchSample
from pipeline.evaluate.mean_iou import set_scores
from pipeline.measures.intervals.resamples import resample_counts
from pipeline.measures.measure import Measure, TestImages


def segmentation_probes(
    dataset: PreparedDataset, reader: PatchReader, config: DenseProbeConfig, say: Callable[[str], None]
) -> tuple[list[Measure], dict[str, PatchClassifier]]:
    """Measure the mIoU of the linear patch probe, of patch k-NN and of clusters on the test images.

    Returns:
        The measures and the classifiers by task. Both are empty if the data do not allow a probe; the reason
            is printed.
    """
    train, validation = (labelled_patches(dataset, split, reader, config) for split in ("train", "val"))
    rows = dataset.indices("test")
    reason = _reason_to_skip(train, rows)
    if reason:
        say(f"no probe of the label maps of {dataset.name}: {reason}")
        return [], {}
    classifiers = fit_classifiers(dataset, train, validation, config, reader.num_threads, reader.ranks)
    pairs = predict(dataset, rows, reader, classifiers)
    num_classes, clusters = len(dataset.class_names), classifiers["clusters"]
    names = match_clusters(pairs["clusters"].confusion(num_classes)[:, : len(clusters.classes)])
    pairs["clusters"] = pairs["clusters"].renamed(names)
    classifiers["clusters"] = clusters.renamed(names)
    images = TestImages(dataset.name, dataset.split_names["test"], len(rows))
    draws = resample_counts(len(rows), config.num_bootstrap).astype(float)
    how = _training_protocol(train, config)
    measures = []
    for task, classifier in classifiers.items():
        areas = pairs[task].areas(len(rows), num_classes)
        # float64 holds counts below 2^53 exactly, and multiplies many times faster than integers.
        resampled = draws @ areas.reshape(len(rows), -1).astype(float)
        value = float(set_scores(areas.sum(axis=0))["miou"])
        replicates = set_scores(resampled.reshape(-1, *areas.shape[1:]))["miou"]
        protocol = f"{classifier.protocol}; {how}"
        measures.append(Measure(task, "miou", value, protocol, images, replicates))
    return measures, classifiers


def predict(
    dataset: PreparedDataset, rows: np.ndarray, reader: PatchReader, classifiers: dict[str, PatchClassifier]
) -> dict[str, LabelPairs]:
    """Predict the pixels of images with every classifier, in one pass; return pairs with the ground truth."""
    made = reader.gathered(_pairs_of_batches(dataset, rows, reader, classifiers), len(rows))
    task_of, *columns = np.concatenate([*made]).T
    return {
        task: LabelPairs(*(column[task_of == number] for column in columns))
        for number, task in enumerate(classifiers)
    }


def _pairs_of_batches(
    dataset: PreparedDataset, rows: np.ndarray, reader: PatchReader, classifiers: dict[str, PatchClassifier]
) -> Iterator[np.ndarray]:
    """For each batch, (m, 5) int64: task, position in `rows`, truth, prediction, pixels."""
    num_classes = len(dataset.class_names)
    place_of = {row: place for place, row in enumerate(rows.tolist())}
    with ThreadPoolExecutor(reader.num_threads) as pool:
        for of_batch, features in reader.read(dataset, rows, "test patches"):
            flat = features.tokens.reshape(-1, features.tokens.shape[-1])
            truths = list(pool.map(dataset.label_map, of_batch.tolist()))
            made = []
            for number, classifier in enumerate(classifiers.values()):
                scores = classifier.scores(flat).reshape(len(of_batch), *features.grid, -1)

                def compare(
                    truth: np.ndarray, of_image: np.ndarray, names: np.ndarray = classifier.classes
                ) -> np.ndarray:
                    return pairs_of_image(truth, names[pixel_classes(of_image, *truth.shape)], num_classes)

                with threadpool_limits(1, user_api="blas"):
                    found = joined_pairs([*pool.map(compare, truths, scores)])
                places = np.array([place_of[row] for row in of_batch.tolist()])
                columns = (places[found.image], found.truth, found.predicted, found.pixels)
                made.append(np.stack(np.broadcast_arrays(np.int64(number), *columns), axis=1))
            yield np.concatenate(made)


def _reason_to_skip(train: PatchSample | None, rows: np.ndarray) -> str | None:
    if train is None:
        return "no labelled training patches"
    if not len(rows):
        return "no test images"
    if len(np.unique(train.labels)) < 2:
        return "its training patches are of one class"
    return None


def _training_protocol(train: PatchSample, config: DenseProbeConfig) -> str:
    return (
        f"learned from {len(train)} patches of {train.num_images} training images, resized to "
        f"{config.image_size} x {config.image_size} px; scores bilinear to the label map's size; "
        "protocol of this project's own"
    )
