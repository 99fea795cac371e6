"""ImageNet-S: `<part>/<class>/<name>` and `<part>-segmentation/<class>/<name>.png`; value = R + 256 G.

0 is the background, n the n-th class in the order of the folder names, 1000 is ignored.

Source: Gao et al. 2022, "Large-scale unsupervised semantic segmentation", and the layout of its released
data.
"""

from pathlib import Path

from pipeline.datasets.hidden import is_hidden
from pipeline.datasets.label_maps.pairs import paired_folders
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.source import Pair

_ENDING = "-segmentation"
_SPLITS = ("train", "val", "test")  # prefixes of the names of the parts


def _parts(root: Path) -> list[str]:
    """Names of the folders of images that have labels, e.g. "train-semi"."""
    found = sorted(path.name.removesuffix(_ENDING) for path in root.glob(f"*{_ENDING}") if path.is_dir())
    return [part for part in found if part and (root / part).is_dir()]


def _pairs(root: Path) -> list[Pair]:
    """Pairs of every part. Images of a part without any labels, such as "train", are skipped."""
    return [
        pair
        for part in _parts(root)
        for pair in paired_folders(
            root, part, part + _ENDING, next((split for split in _SPLITS if part.startswith(split)), part)
        )
    ]


def _class_names(root: Path) -> tuple[str, ...] | None:
    folders = {
        path.name
        for part in _parts(root)
        for path in (root / (part + _ENDING)).iterdir()
        if path.is_dir() and not is_hidden(path.name)
    }
    return ("background", *sorted(folders)) if folders else None


IMAGENET_S = LabelMapFormat(
    layout="folders such as train-semi and train-semi-segmentation",
    is_present=lambda root: bool(_parts(root)),
    pairs=_pairs,
    class_names=_class_names,
    ignored=(1000,),
    packing="R + 256 G",
)
