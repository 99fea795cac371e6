"""Whether label maps hold the classes that a layout's original has, or somebody's own in its folders."""

from pathlib import Path

import numpy as np

from pipeline.datasets.decode import UndecodableImage, decode_values
from pipeline.datasets.label_maps.coding import one_number
from pipeline.datasets.label_maps.source import Pair

_LOOKED_AT = 1000  # label maps, evenly over the set
_MANY = 50  # classes; a list of more is rarely complete in a part of its data


def values_found(root: Path, pairs: list[Pair], *, until: int, max_pixels: int) -> set[int]:
    """The values in the label maps, evenly over the set; fewer where the value `until` is found before.

    Maps that cannot be read or hold colours are skipped: they are refused when every image is checked.
    """
    found: set[int] = set()
    for pair in pairs[:: max(1, len(pairs) // _LOOKED_AT)]:
        try:
            values = one_number(decode_values((root / pair.label_map).read_bytes(), max_pixels=max_pixels))
        except (UndecodableImage, OSError):
            continue
        if values.ndim == 2:
            found.update(np.unique(values).tolist())
        if until in found:
            break
    return found


def fits(found: set[int], values: range) -> bool:
    """Whether the values found are those of a published list of classes.

    Its last class has to occur: own classes are counted from the same number but are fewer. Of a long list,
    half of all is enough.
    """
    return values[-1] in found or (len(values) > _MANY and 2 * len(found & set(values)) >= len(values))
