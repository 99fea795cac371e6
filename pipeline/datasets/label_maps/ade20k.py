"""ADE20K as in the scene parsing challenge: values 1 to 150 are the classes, 0 is everything else."""

from pathlib import Path

from pipeline.datasets.label_maps.pairs import paired_folders
from pipeline.datasets.label_maps.reading import LabelMapFormat
from pipeline.datasets.label_maps.source import Pair
from pipeline.datasets.text_files import text_of

NUM_CLASSES = 150
NAMES_FILE = "objectInfo150.txt"
_SPLITS = {"training": "train", "validation": "val"}  # folder -> split


def _is_present(root: Path) -> bool:
    return (root / "images/training").is_dir() and (root / "annotations/training").is_dir()


def _pairs(root: Path) -> list[Pair]:
    return [
        pair
        for folder, split in _SPLITS.items()
        for pair in paired_folders(root, f"images/{folder}", f"annotations/{folder}", split)
    ]


def _class_names(root: Path) -> tuple[str, ...]:
    """First names of the last column of objectInfo150.txt, which comes with the data; else numbers.

    Raises:
        ValueError: the file has another number of classes, or two of one name.
    """
    path = root / NAMES_FILE
    if not path.is_file():
        return tuple(str(number) for number in range(NUM_CLASSES))
    lines = [line for line in text_of(path).splitlines()[1:] if line.strip()]
    names = tuple(line.split("\t")[-1].split(",")[0].strip() for line in lines)
    # A few classes share their first name with another, e.g. "screen"; all synonyms tell them apart.
    full = tuple(line.split("\t")[-1].strip() for line in lines)
    names = tuple(whole if names.count(name) > 1 else name for name, whole in zip(names, full, strict=True))
    if len(names) != NUM_CLASSES or len(set(names)) != NUM_CLASSES:
        raise ValueError(f"{path}: expected {NUM_CLASSES} distinct classes, found {len(set(names))}")
    return names


ADE20K = LabelMapFormat(
    layout="the folders images/training and annotations/training",
    is_present=_is_present,
    pairs=_pairs,
    class_names=_class_names,
    published="ADE20K",
    names_file=NAMES_FILE,
    ignored=(0,),
    first=1,
)
