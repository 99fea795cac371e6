"""Tells whether label maps have the classes of a published data set, or others in the same layout."""

from pathlib import Path

import numpy as np

from pipeline.datasets.decode import UndecodableImage, decode_values
from pipeline.datasets.label_maps.coding import one_number
from pipeline.datasets.label_maps.source import Pair

_LOOKED_AT = 1000  # label maps, spaced evenly over the set
_MANY = 50  # classes; of a longer list some are often missing in a part of the data


def values_found(root: Path, pairs: list[Pair], *, until: int, max_pixels: int) -> set[int]:
    """The values in label maps spaced evenly over the set; stops when the value `until` is found.

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

    Its last class must occur: a user's own classes start from the same number but are fewer. Of a long list,
    half of all must occur.
    """
    return values[-1] in found or (len(values) > _MANY and 2 * len(found & set(values)) >= len(values))
