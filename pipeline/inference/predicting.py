"""Predicts for any images and writes the results one by one: label maps, detections, classes, pictures."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from scipy.special import expit

from pipeline.datasets.source import Source
from pipeline.detection.predictions import Predictor as Detector
from pipeline.evaluate.average_precision import category_ids, coco_results
from pipeline.evaluate.overlays import class_colours
from pipeline.inference.crops import View, crop_batches
from pipeline.inference.decoded import DecodedImages, decoded_parts
from pipeline.inference.images import Decoding
from pipeline.inference.models import Model
from pipeline.inference.pictures import classified, detected, segmented
from pipeline.segmentation.evaluation import Predictor as Segmenter
from pipeline.storage.files import write_csv

_MOST_COLOURS = 256  # of a PNG with a palette
_LIKELIEST = 5

Bad = list[tuple[str, str]]  # path and reason


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model, images, and the folder for its predictions.

    Args:
        folder: output folder.
        category_ids: of each class, as numbered in the model's training data; detection only.
        num_overlays: number of first images with a picture; None: all.
        lowest_score: of the detections shown in pictures.
        progress: called with the number of images, and of unusable ones among them.
    """

    model: Model
    source: Source
    decoding: Decoding
    folder: Path
    category_ids: list[int]
    num_threads: int
    num_overlays: int | None
    lowest_score: float
    progress: Callable[[int, int], None]

    def segment(self) -> Bad:
        """Write label_maps/, classes.csv, images.csv and overlays/."""
        model, colours = self.model, class_colours(len(self.model.class_names))
        names = [[i, name, *colours[i].tolist()] for i, name in enumerate(model.class_names)]
        write_csv(self.folder / "classes.csv", [["value", "class", "red", "green", "blue"], *names])
        predictor = Segmenter(
            model.network.logits_of, model.config.view, model.mean, model.std, len(model.class_names)
        )
        files, bad = FileNames(self.folder / "label_maps"), []
        with open(self.folder / "images.csv", "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["path", "label_map", "width", "height"])
            for part in self._parts(bad):
                rows = np.arange(len(part))
                for place, found in enumerate(predictor.predictions(part, rows, self.num_threads)):
                    path, image = part.paths[place], part.images[place]
                    file = files.new(path)
                    _label_map_picture(found.class_map, colours).save(file)
                    height, width = image.shape[:2]
                    writer.writerow([path, file.relative_to(self.folder).as_posix(), width, height])
                    if self._is_drawn(part.image_id(place)):
                        self._draw(path, segmented(image, found.class_map, model.class_names))
                    self.progress(1, 0)
        return bad

    def detect(self) -> Bad:
        """Write coco_results.json, coco_images.json with images and categories, and overlays/."""
        model, bad, images = self.model, [], []
        predictor = Detector(model.network, model.config.view, model.mean, model.std)
        with open(self.folder / "coco_results.json", "w", encoding="utf-8") as stream:
            separator = "["
            for part in self._parts(bad):
                rows = np.arange(len(part))
                for place, found in enumerate(predictor.predictions(part, rows, self.num_threads)):
                    path, (width, height) = part.paths[place], part.size(place)
                    number = part.image_id(place)
                    images.append({"id": number, "file_name": path, "width": width, "height": height})
                    for result in coco_results([found], part, [place]):
                        stream.write(separator + json.dumps(result))
                        separator = ",\n"
                    if self._is_drawn(number):
                        picture = detected(part.images[place], found, model.class_names, self.lowest_score)
                        self._draw(path, picture)
                    self.progress(1, 0)
            stream.write("[]" if separator == "[" else "]")
        empty = DecodedImages(model.class_names, self.category_ids, 1)
        categories = [
            {"id": number, "name": name}
            for number, name in zip(category_ids(empty), model.class_names, strict=True)
        ]
        text = json.dumps({"images": images, "categories": categories, "annotations": []})
        (self.folder / "coco_images.json").write_text(text, encoding="utf-8")
        return bad

    def classify(self) -> Bad:
        """Write classes.csv and overlays/.

        For each image the most likely classes with their probabilities; with any number of classes, the
        probability of every class by itself. A picture shows the central crop, which is all that the
        classifier sees.
        """
        model, bad, num_done = self.model, [], 0
        view, size, names = model.config.view, model.config.test_batch_size, model.class_names
        batches = crop_batches(
            self.source,
            self.source.entries(),
            self.decoding,
            View(view.resize, view.image_size, model.mean, model.std),
            batch_size=size,
            num_threads=self.num_threads,
        )
        count = min(_LIKELIEST, len(names))
        with open(self.folder / "classes.csv", "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            numbered = [f"{what}_{i}" for i in range(1, count + 1) for what in ("class", "probability")]
            writer.writerow(["path", *(names if model.is_multilabel else numbered)])
            for crops in batches:
                bad += crops.reasons
                logits = model.network.logits(crops.images)
                order, probabilities = ranked(logits, count, is_multilabel=model.is_multilabel)
                for place in np.flatnonzero(crops.is_good):
                    path = crops.paths[place]
                    best = [names[label] for label in order[place]]
                    shares = probabilities[place].tolist()
                    if model.is_multilabel:
                        every = expit(logits[place].astype(np.float64)).tolist()
                        writer.writerow([path, *(f"{share:.6f}" for share in every)])
                    else:
                        cells = zip(best, (f"{share:.6f}" for share in shares), strict=True)
                        writer.writerow([path, *(cell for pair in cells for cell in pair)])
                    num_done += 1
                    if self._is_drawn(num_done):
                        seen = _pixels(crops.images[place], model.mean, model.std)
                        self._draw(path, classified(seen, best, shares))
                self.progress(len(crops.paths), len(crops.reasons))
        return bad

    def _parts(self, bad: Bad) -> Iterator[DecodedImages]:
        parts = decoded_parts(
            self.source,
            self.decoding,
            class_names=self.model.class_names,
            category_ids=self.category_ids,
            num_threads=self.num_threads,
        )
        for part, unusable in parts:
            bad += unusable
            self.progress(len(unusable), len(unusable))
            yield part

    def _is_drawn(self, number: int) -> bool:
        return self.num_overlays is None or number <= self.num_overlays

    def _draw(self, path: str, picture: Image.Image) -> None:
        picture.save(FileNames(self.folder / "overlays").new(path))


@dataclass(frozen=True)
class FileNames:
    """Names of PNG files in a folder, in subfolders like those of the images."""

    folder: Path

    def new(self, path: str) -> Path:
        """A file that does not exist yet: `a/b.png` for a/b.jpg; `a/b.jpg.png` if there is another a/b."""
        parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
        below = self.folder.joinpath(*parts)
        below.parent.mkdir(parents=True, exist_ok=True)
        file = below.with_suffix(".png")
        return below.with_name(f"{below.name}.png") if file.exists() else file


def ranked(logits: np.ndarray, count: int, *, is_multilabel: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The most likely classes, in descending order, the lowest first in a tie, and their probabilities.

    Args:
        logits: (b, K) float32.
        is_multilabel: whether each class has its own probability, by a sigmoid; else they sum to 1.

    Returns:
        (b, count) int64 and (b, count) float64.

    Raises:
        FloatingPointError: a logit is not finite.
    """
    if not np.isfinite(logits).all():
        raise FloatingPointError("a classifier's logits are not all finite")
    order = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    if is_multilabel:
        return order, np.take_along_axis(expit(logits.astype(np.float64)), order, axis=1)
    shares = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return order, np.take_along_axis(shares, order, axis=1)


def _label_map_picture(class_map: np.ndarray, colours: np.ndarray) -> Image.Image:
    """A PNG whose values are the classes: with their colours as palette, or of 16 bits if there are many."""
    if len(colours) > _MOST_COLOURS:
        return Image.fromarray(class_map.astype(np.uint16))
    picture = Image.fromarray(class_map.astype(np.uint8))
    picture.putpalette(colours.tobytes())
    return picture


def _pixels(crop: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """A normalised crop (3, S, S) as a picture: (S, S, 3) uint8."""
    levels = 255 * (crop * std[:, None, None] + mean[:, None, None])
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8).transpose(1, 2, 0)
