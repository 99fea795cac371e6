"""Images with a mask for each painted region: put together, a label map."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from pipeline.datasets.annotated_files import AnnotatedFiles
from pipeline.datasets.channels.npy import plain_array
from pipeline.datasets.decode import UndecodableImage, decode_values
from pipeline.datasets.label_maps.coding import one_number
from pipeline.datasets.label_maps.store import LabelMap, PackedLabelMap
from pipeline.datasets.source import BadAnnotation, Entry
from pipeline.datasets.targets import IGNORED

BACKGROUND = "background"  # what nobody painted on
_INSIDE = 127  # a larger value is painted


class BrushImage(NamedTuple):
    """An image and its masks, each with the label of its class."""

    path: str
    split: str | None
    masks: tuple[tuple[int, str], ...]
    problem: str | None = None


@dataclass(frozen=True, eq=False)
class BrushedMap:
    """The painted regions of one image. A pixel painted with two classes is ignored."""

    layers: tuple[tuple[int, np.ndarray], ...]  # (label, (H, W) bool)
    unpainted: int  # label
    is_upright: ClassVar[bool] = False

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) in pixels; None if nothing was painted."""
        return self.layers[0][1].shape[::-1] if self.layers else None

    def packed(self, width: int, height: int) -> PackedLabelMap:
        """The label map.

        Raises:
            BadAnnotation: a mask does not have the image's size.
        """
        values = np.full((height, width), self.unpainted, np.int16)
        is_painted = np.zeros((height, width), bool)
        for label, layer in self.layers:
            if layer.shape != (height, width):
                raise BadAnnotation(
                    f"image of {width} x {height} pixels, mask of {layer.shape[1]} x {layer.shape[0]}"
                )
            values[layer & is_painted & (values != label)] = IGNORED
            values[layer & ~is_painted] = label
            is_painted |= layer
        return LabelMap(values).packed(width, height)


class BrushSource(AnnotatedFiles):
    """Images below `root` and their painted masks."""

    annotation = "label-map"

    def __init__(
        self,
        root: Path,
        images: list[BrushImage],
        class_names: tuple[str, ...],
        max_pixels: int,
        notes: tuple[str, ...] = (),
    ) -> None:
        entries = [Entry(x.path, x.split, problem=x.problem, target=x.masks) for x in images]
        super().__init__(root, entries, class_names, max_pixels, notes)
        self._unpainted = class_names.index(BACKGROUND) if BACKGROUND in class_names else IGNORED

    def __reduce__(self):
        # Worker processes receive the entries one by one, and need no list of them.
        return BrushSource, (self._root, [], self.class_names, self._max_pixels)

    def target(self, entry: Entry) -> BrushedMap:
        """The masks of an entry.

        Raises:
            BadAnnotation: one cannot be read, or is not a mask.
        """
        return BrushedMap(tuple((label, self._mask(path)) for label, path in entry.target), self._unpainted)

    def _mask(self, path: str) -> np.ndarray:
        try:
            content = self._files.read(path, -1, -1)
            if path.endswith(".npy"):
                values = plain_array(content)
            else:
                values = one_number(decode_values(content, max_pixels=self._max_pixels))
        except OSError as error:
            raise BadAnnotation(f"mask {path}: {error.strerror or error}") from error
        except UndecodableImage as error:
            raise BadAnnotation(f"mask {path}: {error}") from error
        if values.ndim != 2 or values.dtype != np.uint8:
            raise BadAnnotation(
                f"mask {path}: expected (H, W) unsigned bytes, found {values.shape} {values.dtype}"
            )
        return values > _INSIDE
