"""Masks beside their images and named after them: `x.jpg` and `x_mask.png` or `x_segmentation.png`."""

from pathlib import Path, PurePosixPath

from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.label_maps.pairs import ENDINGS
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.source import Pair
from pipeline.datasets.layout import Layout
from pipeline.datasets.tree import walk


def _pairs(root: Path) -> list[Pair]:
    """Every image that is not a mask; folders named train, val or test are the splits."""
    images = {folder: _pairs_in(folder, [f.name for f in files]) for folder, _, files in walk(root)}
    layout = Layout.of([folder for folder, pairs in images.items() if pairs], are_classes=False)
    return [
        pair._replace(split=place[0])
        for folder, pairs in images.items()
        if pairs and (place := layout.split_and_class(folder))
        for pair in pairs
    ]


def _pairs_in(folder: str, names: list[str]) -> list[Pair]:
    by_stem = {PurePosixPath(name).stem: name for name in names if is_image_name(name)}
    start = f"{folder}/" if folder else ""
    pairs = []
    for stem, image in by_stem.items():
        if any(stem.endswith(ending) and stem.removesuffix(ending) in by_stem for ending in ENDINGS):
            continue
        mask = next((by_stem[stem + ending] for ending in ENDINGS if stem + ending in by_stem), None)
        problem = None if mask else f"no label map: expected {start}{stem}{ENDINGS[0]}.png"
        pairs.append(Pair(None, start + image, start + mask if mask else "", problem))
    return pairs


def _is_present(root: Path) -> bool:
    return any(pair.problem is None for pair in _pairs(root))


MASKS_BESIDE = LabelMapFormat(
    layout="masks such as x_mask.png or x_segmentation.png beside x.jpg",
    is_present=_is_present,
    pairs=_pairs,
    class_names=lambda root: None,
    ignored=(255,),
    only_stated=True,
)
