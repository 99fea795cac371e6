"""Compares an exported detector with this project's own detections, on real images.

Shapes: B images padded to S x S pixels, k detections of one.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.export.comparison import missing, quoted, releases
from pipeline.export.error import ExportError
from pipeline.export.model_files import ONNX_FILE

_PACKAGES = ("onnxruntime",)
BOX_TOLERANCE = 1e-2  # pixels of the padded image
SCORE_TOLERANCE = 1e-4
MASK_TOLERANCE = 1e-3  # of probabilities; shifting a box by a hundredth of a pixel changes them more
LEAST_SHARE = 0.99  # of detections that must be found by both


class RawDetections(Protocol):
    """Detections in one image, like `pipeline.detection.inference.RawDetections`, which loads Jittor."""

    boxes: np.ndarray  # (k, 4), pixels of the padded image
    scores: np.ndarray  # (k,)
    classes: np.ndarray  # (k,)
    masks: np.ndarray | None  # (k, 28, 28)


class _Detected(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    masks: np.ndarray | None


def compared_detector(folder: Path, images: np.ndarray, sizes: np.ndarray, ours: list[RawDetections]) -> str:
    """Compare onnxruntime's detections in the images with this project's; return a line about it.

    If the overlap of two boxes is almost exactly the limit of suppression, or a score almost exactly a
    threshold, rounding decides; so one detection of a hundred may be found by one side only.

    Args:
        images: (B, 3, S, S) float32, normalised and padded.
        sizes: (B, 2) height and width without padding.
        ours: this project's detections in each image.

    Raises:
        ExportError: the file cannot be read, or detections differ.
    """
    if reason := missing(_PACKAGES):
        return f"not checked: {reason}"
    try:
        theirs = detections_of_onnx(folder / ONNX_FILE, images, sizes)
    except Exception as error:  # of any kind, since it is another project's code
        raise ExportError(f"onnxruntime does not read what was written: {quoted(error)}") from error
    differences, alone, total = [], 0, 0
    for mine, other in zip(ours, theirs, strict=True):
        found, num_alone = _matched(mine, other)
        differences += found
        alone += num_alone
        total += max(len(mine.boxes), len(other.boxes))
    text = f"onnxruntime: {total - alone} of {total} detections the same"
    if differences:
        box, score, mask = np.max(differences, axis=0)
        text += f", largest difference of boxes {box:.1e} px, of scores {score:.1e}"
        text += "" if ours[0].masks is None else f", of mask probabilities {mask:.1e}"
    text += f" ({len(images)} images; {releases(_PACKAGES)})"
    if total - alone < LEAST_SHARE * total:
        raise ExportError(f"{text}: fewer than {LEAST_SHARE:.0%}, so nothing is written")
    return text


def detections_of_onnx(file: Path, images: np.ndarray, sizes: np.ndarray) -> list[RawDetections]:
    """onnxruntime's detections with a file, image by image."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = []
    for image, size in zip(images, sizes, strict=True):
        inputs = {"images": image[None], "size": size.astype(np.float32)}
        values = dict(zip(names, session.run(names, inputs), strict=True))
        found.append(_Detected(values["boxes"], values["scores"], values["classes"], values.get("masks")))
    return found


def _matched(mine: RawDetections, other: RawDetections) -> tuple[list[tuple[float, float, float]], int]:
    """Differences of box, score and mask of common detections; number of detections on one side only."""
    left, differences = list(range(len(other.boxes))), []
    for index in range(len(mine.boxes)):
        for candidate in left:
            found = _difference(mine, index, other, candidate)
            if found is not None:
                differences.append(found)
                left.remove(candidate)
                break
    return differences, max(len(mine.boxes), len(other.boxes)) - len(differences)


def _difference(
    mine: RawDetections, i: int, other: RawDetections, j: int
) -> tuple[float, float, float] | None:
    """Differences between detection i here and j there; None if they are not the same."""
    box = float(np.abs(mine.boxes[i] - other.boxes[j]).max())
    score = abs(float(mine.scores[i] - other.scores[j]))
    if mine.classes[i] != other.classes[j] or not (box <= BOX_TOLERANCE and score <= SCORE_TOLERANCE):
        return None
    mask = 0.0 if mine.masks is None else float(np.abs(mine.masks[i] - other.masks[j]).max())
    return (box, score, mask) if mask <= MASK_TOLERANCE else None
