"""Maps the pixel values of label maps to classes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from pipeline.config.data import DataConfig
from pipeline.datasets.source import BadAnnotation
from pipeline.datasets.targets import IGNORED

MAX_CLASSES = 2**15 - 1  # in memory a label is an int16
_UNKNOWN = -2
_NUM_VALUES = 2**16
_BORDER = (224, 224, 192)  # VOC's colour for 255
_SHOWN = 8  # values that a message lists one by one

# How a pixel's colour encodes a value; in the second, B is the number of the instance.
Packing = Literal["R + 256 G", "R // 10 * 256 + G"]


@dataclass(frozen=True)
class LabelCoding:
    """The meaning of the pixel values in one data set's label maps."""

    values: tuple[int, ...] | None  # of each class; None: a value is the number of its class
    ignored: tuple[int, ...]  # values of ignored pixels
    packing: Packing | None = None  # None: a pixel is one number
    colours: tuple[tuple[int, int, int], ...] | None = None  # of each class, if known

    @cached_property
    def _labels(self) -> np.ndarray:
        """(65536,) int16: the label of every value."""
        labels = np.full(_NUM_VALUES, _UNKNOWN, np.int16)
        if self.values is None:
            labels[:MAX_CLASSES] = np.arange(MAX_CLASSES)
        else:
            labels[list(self.values)] = np.arange(len(self.values))
        labels[list(self.ignored)] = IGNORED
        return labels

    def labels(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels of a label image -> (H, W) int16 labels, IGNORED where they are ignored.

        Args:
            pixels: (H, W) integers; (H, W, 3) uint8 if several channels encode the value, if colours are
                known, or if all three channels are equal.

        Raises:
            BadAnnotation: colours where numbers are expected or vice versa, or a value that is neither a
                class nor ignored.
        """
        if self.colours and pixels.ndim == 3:
            return self._labels_of_colours(pixels)
        values = self._values(pixels)
        if values.dtype.itemsize > 2 and values.size and not 0 <= values.min() <= values.max() < _NUM_VALUES:
            raise self._unexpected(values, (values < 0) | (values >= _NUM_VALUES))
        labels = self._labels[values]
        unknown = labels == _UNKNOWN
        if unknown.any():
            raise self._unexpected(values, unknown)
        return labels

    def _labels_of_colours(self, pixels: np.ndarray) -> np.ndarray:
        packed = _packed(pixels)
        known = _packed(np.array([*self.colours, _BORDER], np.uint8))
        # VOC's border is ignored, unless a class has its colour.
        labels = np.array([*range(len(self.colours)), IGNORED], np.int16)
        order = np.argsort(known, kind="stable")
        places = np.minimum(np.searchsorted(known[order], packed), len(known) - 1)
        unknown = known[order][places] != packed
        if unknown.any():
            colours, counts = np.unique(pixels[unknown], axis=0, return_counts=True)
            worst = counts.argmax()
            raise BadAnnotation(
                f"{counts[worst]} pixels of the colour {tuple(colours[worst].tolist())}, which no class has"
            )
        return labels[order][places]

    def _values(self, pixels: np.ndarray) -> np.ndarray:
        if self.packing is None:
            pixels = one_number(pixels)
        if (self.packing is not None) != (pixels.ndim == 3):
            found = _colours_found(pixels) if pixels.ndim == 3 else "one number"
            expected = self.packing or "a palette index or grey value"
            raise BadAnnotation(f"expected {expected} in each pixel, found {found}")
        if self.packing is None:
            return pixels
        red, green = (pixels[..., channel].astype(np.uint16) for channel in (0, 1))
        if self.packing == "R // 10 * 256 + G":
            return red // 10 * 256 + green
        if pixels[..., 2].any():
            raise BadAnnotation("expected R + 256 G in each pixel and B = 0, found other colours")
        return red + 256 * green

    def _unexpected(self, values: np.ndarray, where: np.ndarray) -> BadAnnotation:
        found, counts = np.unique(values[where], return_counts=True)
        worst = counts.argmax()
        ignored = f" or {_listed(self.ignored)} (ignored)" if self.ignored else ""
        classes = range(MAX_CLASSES) if self.values is None else self.values
        return BadAnnotation(
            f"{counts[worst]} pixels of value {found[worst]}, expected {_listed(classes)}{ignored}"
        )


def coding(
    config: DataConfig,
    *,
    class_names: tuple[str, ...] | None,
    ignored: tuple[int, ...],
    first: int = 0,
    values: tuple[int, ...] = (),
    packing: Packing | None = None,
    colours: tuple[tuple[int, int, int], ...] | None = None,
) -> LabelCoding:
    """The coding set by a data section; what it does not set comes from the format.

    Args:
        class_names: of the data set, if known.
        ignored: the format's ignored values.
        first: the format's value of class 0.
        values: the format's value of each class, if they are not consecutive.
        colours: of each class, if a table beside the data has them.

    Raises:
        ValueError: too many classes, or not as many names as values.
    """
    values = config.label_values or values or None
    if class_names is not None:
        if len(class_names) > MAX_CLASSES:
            raise ValueError(f"expected at most {MAX_CLASSES} classes, found {len(class_names)}")
        values = values or tuple(range(first, first + len(class_names)))
        if len(values) != len(class_names):
            raise ValueError(
                f"data.label_values: expected {len(class_names)} values, one for each class, "
                f"found {len(values)}"
            )
    if config.ignored_labels is not None:
        ignored = config.ignored_labels
    # A class that the user lists takes precedence over an ignored value, e.g. 255 in masks of 0 and 255.
    ignored = tuple(value for value in ignored if value not in (config.label_values or ()))
    return LabelCoding(values, ignored, packing, colours)


def one_number(pixels: np.ndarray) -> np.ndarray:
    """(H, W, 3) with three equal channels, a way to write grey values -> (H, W); else `pixels`."""
    is_grey = pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:]).all()
    return pixels[..., 0] if is_grey else pixels


def _packed(colours: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 -> (...) int64: one number per colour."""
    return colours.astype(np.int64) @ np.array([2**16, 2**8, 1])


def _colours_found(pixels: np.ndarray) -> str:
    first = tuple(pixels.reshape(-1, 3)[pixels.any(axis=2).argmax()].tolist())
    return f"colours such as {first}; class_dict.csv (name,r,g,b) beside the data says what they are"


def _listed(values: tuple[int, ...] | range) -> str:
    """Values for a message; consecutive ones by the first and the last."""
    if len(values) > 2 and list(values) == list(range(values[0], values[0] + len(values))):
        return f"{values[0]} to {values[-1]}"
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    return f"{shown}, ..." if len(values) > _SHOWN else shown
