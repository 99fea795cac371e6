"""Object discovery by attention and keys, on the test images of a detection data set.

Shapes: n images with objects, h x w patches.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.config.dense import DenseProbeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.datasets.targets import Objects
from pipeline.dense_probes.attention_masks import attention_masks, best_jaccard
from pipeline.dense_probes.foreground import foreground, truth_boxes
from pipeline.dense_probes.lost import lost_object
from pipeline.dense_probes.patch_boxes import box_around, centered_box
from pipeline.dense_probes.patch_features import PatchFeatures
from pipeline.dense_probes.patch_reader import PatchReader
from pipeline.dense_probes.token_cut import token_cut_object
from pipeline.evaluate.box_overlap import box_iou
from pipeline.measures.intervals.resamples import resample_counts
from pipeline.measures.measure import Measure, TestImages

CORLOC_IOU = 0.5
CENTRE_SIDES = tuple(side / 10 for side in range(1, 11))  # of the centred box, shares of the image's sides


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """The objects found in one image, as patch masks (h, w) bool."""

    attention_mask: (
        np.ndarray | None
    )  # by the head whose mask fits the objects best; None without CLS attention
    jaccard: float  # IoU of this mask with the objects; NaN without CLS attention
    lost: np.ndarray
    token_cut: np.ndarray


def object_probes(
    dataset: PreparedDataset, reader: PatchReader, config: DenseProbeConfig, say: Callable[[str], None]
) -> list[Measure]:
    """Measure the Jaccard index of the attention, and CorLoc of LOST, of TokenCut and of a centred box.

    A base without CLS attention has no Jaccard index, which is printed, and its patch tokens replace the keys
    of LOST and TokenCut; both are this project's own choice.
    """
    rows = rows_with_objects(dataset, "test")
    if not len(rows):
        say(f"no probe of objects in {dataset.name}: no test image shows one")
        return []
    scores = np.concatenate([*reader.gathered(_scores(dataset, rows, reader, config), len(rows))])
    attends = not np.isnan(scores[:, 0]).all()
    if not attends:
        say("no probe of attention: this base has no CLS token that attends to patches")
    images = TestImages(dataset.name, dataset.split_names["test"], len(rows))
    return _measures(scores, images, config, attends=attends)


def _scores(
    dataset: PreparedDataset, rows: np.ndarray, reader: PatchReader, config: DenseProbeConfig
) -> Iterator[np.ndarray]:
    """`image_scores` of each batch that is read, (b, 3 + number of centred boxes)."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(reader.num_threads) as pool:
        for of_batch, features in reader.read(dataset, rows, "objects"):

            def score(i: int, of_batch: np.ndarray = of_batch, features: PatchFeatures = features) -> tuple:
                row = int(of_batch[i])
                return image_scores(features[i : i + 1], dataset.objects(row), *dataset.size(row), config)

            yield np.array([*pool.map(score, range(len(of_batch)))])


def rows_with_objects(dataset: PreparedDataset, split: str) -> np.ndarray:
    """Rows of the images of a split with at least one object, crowds not counted."""
    rows = dataset.indices(split)
    return np.array([row for row in rows if len(truth_boxes(dataset.objects(int(row))))], np.int64)


def find_objects(
    features: PatchFeatures, objects: Objects, width: int, height: int, config: DenseProbeConfig
) -> FoundObjects:
    """Discover objects in one image of width x height pixels; the ground truth only selects the best head."""
    keys, grid = features.keys[0], features.grid
    kept, jaccard = None, float("nan")
    if features.attention is not None:
        of_heads = attention_masks(features.attention[0], config.attention_mass)
        jaccard, head = best_jaccard(of_heads, foreground(objects, height, width))
        kept = of_heads[head]
    return FoundObjects(
        attention_mask=kept,
        jaccard=jaccard,
        lost=lost_object(keys, grid, config.lost_share),
        token_cut=token_cut_object(keys, grid, config.tokencut_threshold),
    )


def image_scores(
    features: PatchFeatures, objects: Objects, width: int, height: int, config: DenseProbeConfig
) -> tuple[float, ...]:
    """The Jaccard index, then for LOST, TokenCut and each centred box whether its box hits an object."""
    found = find_objects(features, objects, width, height, config)
    boxes = [box_around(marked, height, width) for marked in (found.lost, found.token_cut)]
    boxes += [centered_box(side, height, width) for side in CENTRE_SIDES]
    overlap = box_iou(np.stack(boxes), truth_boxes(objects)).max(axis=1)
    return (found.jaccard, *(overlap >= CORLOC_IOU).astype(float).tolist())


def _measures(
    scores: np.ndarray, images: TestImages, config: DenseProbeConfig, *, attends: bool
) -> list[Measure]:
    """The measures, from scores (n, 3 + number of centred boxes) of `image_scores`."""
    counts = resample_counts(len(scores), config.num_bootstrap)

    def mean(task: str, metric: str, values: np.ndarray, protocol: str) -> Measure:
        return Measure(task, metric, float(values.mean()), protocol, images, counts @ values / len(values))

    jaccard, lost, token_cut, *centred = scores.T
    best = int(np.argmax([hits.mean() for hits in centred]))
    size = f"images resized to {config.image_size} x {config.image_size} px, this project's own choice"
    corloc = "share of images with objects whose one box has IoU >= 0.5 with an object"
    keys = (
        "keys of the last block, all heads"
        if attends
        else "patch tokens in place of keys, which this base does not have for whole images"
    )
    of_attention = (
        f"CLS attention of the last block, {config.attention_mass:.0%} of the mass, best head of each image, "
        f"IoU with the union of the objects, mean over images with objects; {size}"
    )
    of_lost = f"LOST, {keys}, seed grown by {config.lost_share:.0%} of the patches; {corloc}; {size}"
    of_cut = f"TokenCut, {keys}, edges at cosine > {config.tokencut_threshold:g}; {corloc}; {size}"
    of_centre = (
        f"no features: a box in the centre, its sides {CENTRE_SIDES[best]:g} of the image's, the best of "
        f"0.1, 0.2, ..., 1 on these very images; {corloc}"
    )
    measures = [mean("attention", "jaccard", jaccard, of_attention)] if attends else []
    return [
        *measures,
        mean("lost", "corloc", lost, of_lost),
        mean("lost", "corloc_centre_box", centred[best], of_centre),
        mean("tokencut", "corloc", token_cut, of_cut),
        mean("tokencut", "corloc_centre_box", centred[best], of_centre),
    ]
