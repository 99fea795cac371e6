"""Images with a mask for each painted region: put together, a label map."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from pipeline.datasets.channels.npy import plain_array
from pipeline.datasets.decode import UndecodableImage, decode_values
from pipeline.datasets.image_folder import ImageFolder
from pipeline.datasets.label_maps.coding import one_number
from pipeline.datasets.label_maps.store import LabelMap, PackedLabelMap
from pipeline.datasets.source import BadAnnotation, Entry, max_file_bytes
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
    """What was painted on one image. A pixel of two classes counts for nothing."""

    layers: tuple[tuple[int, np.ndarray], ...]  # (label, (H, W) bool)
    unpainted: int  # label
    is_upright: ClassVar[bool] = False

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) in pixels; None where nothing was painted."""
        return self.layers[0][1].shape[::-1] if self.layers else None

    def packed(self, width: int, height: int) -> PackedLabelMap:
        """The label map.

        Raises:
            BadAnnotation: a mask is of another size than the image.
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


class BrushSource:
    """Images below `root` and the masks that were painted on them."""

    access = "random"
    annotation = "label-map"
    num_outside = 0
    category_ids = ()

    def __init__(
        self,
        root: Path,
        images: list[BrushImage],
        class_names: tuple[str, ...],
        max_pixels: int,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.class_names = class_names
        self.notes = notes
        self._root = root
        self._images = images
        self._max_pixels = max_pixels
        self._unpainted = class_names.index(BACKGROUND) if BACKGROUND in class_names else IGNORED
        self._files = ImageFolder(root, max_bytes=max_file_bytes(max_pixels))

    def __reduce__(self):
        # Worker processes are handed the entries one by one, and need no list of them.
        return BrushSource, (self._root, [], self.class_names, self._max_pixels)

    def __len__(self) -> int:
        return len(self._images)

    def entries(self) -> Iterator[Entry]:
        """Every image, in the order of the tasks."""
        for image in self._images:
            yield Entry(image.path, image.split, problem=image.problem, target=image.masks)

    def read(self, path: str, start: int, size: int) -> bytes:
        """The bytes of a file below the root; as `ImageFolder.read`."""
        return self._files.read(path, start, size)

    def target(self, entry: Entry) -> BrushedMap:
        """The masks of an entry.

        Raises:
            BadAnnotation: one cannot be read, or is no mask.
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
