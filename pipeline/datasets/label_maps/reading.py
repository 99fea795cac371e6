"""What one layout of label maps consists of, and reading any of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config.data import DataConfig
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.label_maps.class_file import read_class_file
from pipeline.datasets.label_maps.coding import coding
from pipeline.datasets.label_maps.source import LabelMapSource, Pair
from pipeline.datasets.tree import walk
from pipeline.datasets.wrappers import below, below_wrappers

_SHOWN = 5  # folders that a message lists


@dataclass(frozen=True)
class LabelMapFormat:
    """How one layout is found and read; folders are given without wrappers around them."""

    layout: str  # for messages
    is_present: Callable[[Path], bool]
    pairs: Callable[[Path], list[Pair]]  # relative to the folder
    class_names: Callable[[Path], tuple[str, ...] | None]  # where neither the user nor classes.json name them
    ignored: tuple[int, ...]  # values that count for nothing, unless user or classes.json say otherwise
    first: int = 0  # value of class 0
    two_channels: bool = False  # a pixel's value is R + 256 G


def read_label_maps(layout: LabelMapFormat, config: DataConfig, root: Path) -> LabelMapSource:
    """Open a folder in one layout.

    Raises:
        ValueError: it is in another layout, or class names and label values do not fit together.
    """
    inner = below_wrappers(root)
    if not layout.is_present(inner):
        raise ValueError(f"{root}: expected {layout.layout}")
    known = read_class_file(inner)
    names = config.class_names or known.class_names or layout.class_names(inner)
    if names is None and config.label_values:
        names = tuple(str(number) for number in range(len(config.label_values)))
    prefix = below(root, inner)
    pairs = [
        pair._replace(image=prefix + pair.image, label_map=prefix + pair.label_map)
        for pair in layout.pairs(inner)
    ]
    return LabelMapSource(
        root,
        pairs,
        coding(
            config,
            class_names=names,
            ignored=layout.ignored if known.ignored is None else known.ignored,
            first=layout.first,
            two_channels=layout.two_channels,
        ),
        class_names=names,
        max_pixels=config.max_pixels,
        notes=tuple(_passed_over(root, pairs)),
    )


def _passed_over(root: Path, pairs: list[Pair]) -> list[str]:
    """A line on the image files that are in no pair, by folder; nothing where there are none."""
    paired = {path for pair in pairs for path in (pair.image, pair.label_map)}
    left = Counter()
    for folder, _, files in walk(root):
        start = f"{folder}/" if folder else ""
        names = [start + file.name for file in files if is_image_name(file.name)]
        if num_left := sum(name not in paired for name in names):
            left[folder or "."] = num_left
    if not left:
        return []
    shown = ", ".join(f"{count} in {folder}/" for folder, count in left.most_common(_SHOWN))
    more = f", {sum(left.values())} in all" if len(left) > _SHOWN else ""
    return [f"passed over: image files that are in no pair of image and label map: {shown}{more}"]
