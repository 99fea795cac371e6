"""Draws a backbone's patch features in a few test images.

Shapes: n images, h x w patches, D channels.
"""

from pathlib import Path

import numpy as np

from pipeline.config.dense import DenseProbeConfig
from pipeline.datasets.prepared import PreparedDataset
from pipeline.dense_probes.contact_sheet import blocks, boxed, labels, panel, tinted, write_sheet
from pipeline.dense_probes.foreground import foreground, truth_boxes
from pipeline.dense_probes.object_probes import find_objects, rows_with_objects
from pipeline.dense_probes.patch_boxes import box_around
from pipeline.dense_probes.patch_classifiers import PatchClassifier
from pipeline.dense_probes.patch_features import PatchFeatures
from pipeline.dense_probes.patch_grid import pixel_classes
from pipeline.dense_probes.patch_reader import PatchReader
from pipeline.dense_probes.pca import colours, foreground_gate, principal_components
from pipeline.evaluate.overlays import samples


def draw_label_maps(
    output: Path,
    dataset: PreparedDataset,
    reader: PatchReader,
    classifiers: dict[str, PatchClassifier],
    num_pictures: int,
) -> None:
    """Write labels.png, the ground truth beside every classifier's prediction, and pca.png."""
    rows = samples(dataset.indices("test"), num_pictures)
    if not len(rows):
        return
    features = _features(dataset, reader, rows)
    images = [dataset.image(row) for row in rows.tolist()]
    draw_pca(output / "pca.png", images, features.tokens)
    num_classes = len(dataset.class_names)
    sheet = []
    for row, image, tokens in zip(rows.tolist(), images, features.tokens, strict=True):
        truth = dataset.label_map(row)
        panels = [panel(image), labels(truth, num_classes)]
        for classifier in classifiers.values():
            scores = classifier.scores(tokens.reshape(-1, tokens.shape[-1])).reshape(*features.grid, -1)
            predicted = classifier.classes[pixel_classes(scores, *truth.shape)]
            panels.append(labels(predicted, num_classes))
        sheet.append(panels)
    write_sheet(output / "labels.png", ["image", "truth", *classifiers], sheet)


def draw_objects(
    output: Path, dataset: PreparedDataset, reader: PatchReader, config: DenseProbeConfig
) -> None:
    """Write discovery.png, pca.png and, if the base has CLS attention, attention.png."""
    rows = samples(rows_with_objects(dataset, "test"), config.num_pictures)
    if not len(rows):
        return
    features = _features(dataset, reader, rows)
    draw_pca(output / "pca.png", [dataset.image(row) for row in rows.tolist()], features.tokens)
    attention, discovery = [], []
    for i, row in enumerate(rows.tolist()):
        width, height = dataset.size(row)
        objects = dataset.objects(row)
        found = find_objects(features[i : i + 1], objects, width, height, config)
        image = panel(dataset.image(row))
        if features.attention is not None:
            mean = features.attention[i].mean(axis=0)
            shown = tinted(image, foreground(objects, height, width))
            attention.append([image, shown, blocks(mean / mean.max()), tinted(image, found.attention_mask)])
        discovery.append([boxed(image, truth_boxes(objects), width, height, "lime")])
        for marked, colour in ((found.lost, "red"), (found.token_cut, "cyan")):
            box = box_around(marked, height, width)
            discovery[-1].append(boxed(tinted(image, marked), box[None], width, height, colour))
    titles = ["image", "objects", "CLS attention, all heads", "best head, kept mass"]
    if attention:
        write_sheet(output / "attention.png", titles, attention)
    write_sheet(output / "discovery.png", ["objects", "LOST", "TokenCut"], discovery)


def draw_pca(path: Path, images: list[np.ndarray], tokens: np.ndarray) -> None:
    """Draw the image, the first three components as red, green and blue, and these within the foreground.

    Args:
        images: n of (H, W, 3) uint8.
        tokens: (n, h, w, D).
    """
    components = principal_components(tokens)
    shown, gate = colours(components), foreground_gate(components[..., 0])
    rows = [
        [panel(image), blocks(colour), blocks(colour * inside[..., None])]
        for image, colour, inside in zip(images, shown, gate, strict=True)
    ]
    write_sheet(path, ["image", "PCA of last tokens", "side of 1st component"], rows)


def _features(dataset: PreparedDataset, reader: PatchReader, rows: np.ndarray) -> PatchFeatures:
    return PatchFeatures.joined([part for _, part in reader.read(dataset, rows, "pictures")])
