"""Picture files that are embedded in the page."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.report.page.thumbnails import picture_address

_SIDE = 900  # pixels; the full files are in results/<experiment>/pictures


@dataclass(frozen=True)
class Picture:
    """A picture file on the page."""

    title: str
    alt: str
    address: str


def picture_of(path: Path, title: str, alt: str | None = None) -> Picture:
    """A picture file; its title is the default text alternative."""
    return Picture(title, alt or title, picture_address(path, _SIDE))


@dataclass(frozen=True)
class Sheet:
    """Pictures of one kind, arms side by side."""

    title: str
    caption: str  # "" if the title suffices
    pictures: list[Picture]
    is_more: bool  # more of something shown before; folded by default


_DENSE = {
    "labels": (
        "Classes of patches",
        "Each patch of a test image is given a class by its frozen features alone: by a linear classifier, "
        "by its nearest neighbours, and by clusters that are named afterwards.",
    ),
    "pca": (
        "Patches by their features",
        "The first three principal components of the patches of all shown images as red, green and blue: "
        "like colours, like features. On the right only the patches on one side of the first component, "
        "which often parts objects from the ground.",
    ),
    "attention": (
        "What the CLS token attends to",
        "Bright patches are attended to. On the right the patches that hold most of the attention of the "
        "head that fits the object best.",
    ),
    "discovery": (
        "Objects found without any label",
        "Green: the true boxes. Red and cyan: the one box that LOST and TokenCut find from the features.",
    ),
}


def sheet_of(run_title: str, stage: str, name: str, pictures: list[Picture]) -> Sheet:
    """The sheet of a stage's pictures called `name`."""
    if stage == "dense_probe":
        title, caption = _DENSE.get(name, (f"{run_title}: {name}", ""))
        return Sheet(title, caption, pictures, is_more=False)
    return Sheet(f"{run_title}: more test images", "", pictures, is_more=True)
