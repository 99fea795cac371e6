"""The layout of Pascal VOC: JPEGImages/, and lists of names in ImageSets/<task>/."""

from pathlib import Path

from pipeline.datasets.image_names import is_image_name

IMAGES = "JPEGImages"


def images_by_name(root: Path) -> dict[str, str]:
    """{name without suffix: path relative to `root`} of every image in JPEGImages/."""
    names = sorted(path.name for path in (root / IMAGES).iterdir() if is_image_name(path.name))
    return {Path(name).stem: f"{IMAGES}/{name}" for name in names}


def listed_names(root: Path, task: str) -> list[tuple[str, str]] | None:
    """(split, name) of every line of ImageSets/<task>/{train,val,test}.txt; None without such lists.

    trainval.txt counts where there is neither train.txt nor val.txt.

    Raises:
        ValueError: a list is empty, or a name is listed twice.
    """
    folder = root / "ImageSets" / task
    splits = [split for split in ("train", "val", "test") if (folder / f"{split}.txt").is_file()]
    if not {"train", "val"} & set(splits) and (folder / "trainval.txt").is_file():
        splits = ["trainval", *splits]
    if not splits:
        return None
    found: dict[str, str] = {}
    for split in splits:
        lines = (folder / f"{split}.txt").read_text(encoding="utf-8").splitlines()
        # Without it another list would take its place, and be trained on.
        if not any(line.strip() for line in lines):
            raise ValueError(f"{folder / split}.txt: expected a name in each line, found an empty list")
        for line in lines:
            if not line.strip():
                continue
            name = line.split()[0]
            if name in found:
                raise ValueError(f"{folder}: {name} is listed in {found[name]}.txt and in {split}.txt")
            found[name] = split
    return [(split, name) for name, split in found.items()]
