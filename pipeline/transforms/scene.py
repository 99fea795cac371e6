"""An image with its label map and objects, which are transformed together.

Shapes: an image of H x W pixels, n objects. Boxes are x1, y1, x2, y2 in continuous pixel coordinates: the
    left edge of the image is 0, the right edge W. A transform's result may share memory with its input.
"""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from pipeline.datasets.prepared import PreparedDataset

_MIN_SIDE = 1.0  # pixels; objects that are not wider and higher than this are dropped


@dataclass(frozen=True, eq=False)
class Scene:
    """An image with its label map and objects; None: not annotated."""

    image: np.ndarray  # (H, W, 3) uint8
    label_map: np.ndarray | None = None  # (H, W) int16; IGNORED where there is no label
    boxes: np.ndarray | None = None  # (n, 4) float32
    classes: np.ndarray | None = None  # (n,) int64
    crowd: np.ndarray | None = None  # (n,) bool
    masks: np.ndarray | None = None  # (n, H, W) bool; None also if an object has no mask

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]


def scene_of(dataset: PreparedDataset, i: int) -> Scene:
    """Image `i` with its label map or its objects.

    Raises:
        ValueError: the label map or the masks differ in size from the image; names the image.
    """
    image = dataset.image(i)
    height, width = image.shape[:2]
    if dataset.annotation == "label-map":
        label_map = dataset.label_map(i)
        if label_map.shape != (height, width):
            raise ValueError(
                f"{dataset.path(i)}: expected a label map of {height} x {width} pixels as the image, "
                f"found {' x '.join(map(str, label_map.shape))}"
            )
        return Scene(image, label_map=label_map)
    if dataset.annotation == "objects":
        objects = dataset.objects(i)
        try:
            masks = objects.masks(height, width)
        except ValueError as error:
            raise ValueError(f"{dataset.path(i)}: {error}") from error
        return Scene(image, None, objects.boxes, objects.classes, objects.crowd, masks)
    return Scene(image)


def resized(scene: Scene, height: int, width: int) -> Scene:
    """The scene resized to `height` x `width` pixels.

    The image is resampled bilinearly with antialiasing, labels and masks by the nearest neighbour of each
    pixel's centre, so that they stay aligned with the image.
    """
    old_height, old_width = scene.size
    if (height, width) == (old_height, old_width):
        return scene
    rows, columns = _nearest(old_height, height), _nearest(old_width, width)
    picture = Image.fromarray(np.ascontiguousarray(scene.image))
    image = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
    label_map, boxes, masks = scene.label_map, scene.boxes, scene.masks
    if label_map is not None:
        label_map = label_map[rows[:, None], columns]
    if boxes is not None:
        factors = np.array([width / old_width, height / old_height] * 2)
        boxes = (boxes * factors).astype(np.float32)
    if masks is not None:
        masks = masks.take(rows, axis=1).take(columns, axis=2)
    return replace(scene, image=image, label_map=label_map, boxes=boxes, masks=masks)


def cropped(scene: Scene, top: int, left: int, height: int, width: int) -> Scene:
    """The part of the scene inside a window; boxes are relative to the window's corner.

    An object that the window cuts gets the bounding box of the rest of its mask or, without a mask, its
    clipped box. An object that is then at most one pixel wide or high, or has an empty mask, is dropped.

    Raises:
        ValueError: the window is empty or reaches outside the image.
    """
    full_height, full_width = scene.size
    leaves = min(top, left) < 0 or top + height > full_height or left + width > full_width
    if leaves or min(height, width) < 1:
        raise ValueError(
            f"expected a window inside {full_height} x {full_width} pixels, found {height} x {width} pixels "
            f"from row {top}, column {left}"
        )
    window = (slice(top, top + height), slice(left, left + width))
    label_map, boxes, masks = scene.label_map, scene.boxes, scene.masks
    if label_map is not None:
        label_map = label_map[window]
    if masks is not None:
        masks = masks[:, window[0], window[1]]
    if boxes is not None:
        moved = boxes - np.array([left, top, left, top], np.float32)
        boxes = np.clip(moved, 0, np.array([width, height, width, height], np.float32))
        if masks is not None:
            cut = (boxes != moved).any(axis=1)
            boxes[cut] = _mask_boxes(masks[cut])
    part = replace(scene, image=scene.image[window], label_map=label_map, boxes=boxes, masks=masks)
    return without_degenerate(part)


def flipped(scene: Scene) -> Scene:
    """The mirror image: x becomes W - x."""
    label_map, boxes, masks = scene.label_map, scene.boxes, scene.masks
    if label_map is not None:
        label_map = label_map[:, ::-1]
    if boxes is not None:
        x1, y1, x2, y2 = boxes.T
        width = np.float32(scene.size[1])
        boxes = np.stack([width - x2, y1, width - x1, y2], axis=1)
    if masks is not None:
        masks = masks[:, :, ::-1]
    return replace(scene, image=scene.image[:, ::-1], label_map=label_map, boxes=boxes, masks=masks)


def without_degenerate(scene: Scene) -> Scene:
    """The scene without objects that are at most one pixel wide or high, or have an empty mask."""
    if scene.boxes is None:
        return scene
    sides = scene.boxes[:, 2:] - scene.boxes[:, :2]
    kept = (sides > _MIN_SIDE).all(axis=1)
    if scene.masks is not None:
        kept &= scene.masks.any(axis=(1, 2))
    if kept.all():
        return scene
    names = ("boxes", "classes", "crowd", "masks")
    values = {name: getattr(scene, name) for name in names}
    return replace(scene, **{name: value[kept] for name, value in values.items() if value is not None})


def _nearest(old: int, new: int) -> np.ndarray:
    """Index of the old pixel that contains the centre of each new pixel, (new,) int64."""
    return (2 * np.arange(new) + 1) * old // (2 * new)


def _mask_boxes(masks: np.ndarray) -> np.ndarray:
    """Tight boxes (n, 4) float32 around the pixels of masks (n, H, W) bool; 0 for an empty mask."""
    columns, rows = masks.any(axis=1), masks.any(axis=2)
    starts = [line.argmax(axis=1) for line in (columns, rows)]
    ends = [line.shape[1] - line[:, ::-1].argmax(axis=1) for line in (columns, rows)]
    boxes = np.stack([*starts, *ends], axis=1).astype(np.float32)
    return np.where(columns.any(axis=1, keepdims=True), boxes, np.float32(0))
