"""Recognises class folders that are none by the folders inside them: folds, sites, copies of the data set."""

from collections.abc import Iterable, Mapping

from pipeline.datasets.folder_messages import listed, parts_key
from pipeline.datasets.split_words import Role, stated_role

# Views of one thing: each class may have a folder of each.
_VIEWS = frozenset(
    (
        "left", "right", "front", "back", "rear", "top", "bottom", "side", "up", "down", "inside", "outside",
        "rgb", "gray", "grey", "color", "colour", "depth", "ir", "nir", "thermal", "raw", "crop", "crops",
        "cropped", "original", "originals", "augmented", "mask", "masks", "images", "image", "imgs", "img",
        "labels", "annotations", "thumbs", "thumbnails", "small", "large", "day", "night", "indoor",
        "outdoor",
    )
)  # fmt: skip
_Path = tuple[str, ...]


def refuse_sisters(below: Iterable[_Path], parts: Mapping[str, Role]) -> tuple[str, ...]:
    """A note on folders with subfolders of the same names: splits, folds or sites rather than classes.

    Args:
        below: paths from the class folder on.
        parts: `data.parts`.

    Raises:
        ValueError: the names are not those of views, so that they are likelier the classes.
    """
    below = _without_lone_folder([path for path in below if path])
    inside = _inside(below)
    if len(inside) < 2 or any(stated_role(name, parts) for name in inside):
        return ()
    same = set.intersection(*inside.values())
    if len(same) < 2 or 2 * len(same) < max(map(len, inside.values())):
        return ()
    first, *others = sorted(inside)
    as_splits = {first: "train", **dict.fromkeys(others, "test")}
    found = (
        f"folders of the same names, {listed(same)}, in each of {listed(inside)}: for splits state "
        f'{parts_key(as_splits)}, with "unused" for what is neither; for classes '
        f"{parts_key({first: 'class'})}"
    )
    if len(same) >= len(inside) or not all(map(_is_view, same)):
        raise ValueError(f"expected folders that are classes, found {found}")
    return (f"caution: {found}",)


def refuse_copies(below: Iterable[_Path], parts: Mapping[str, Role]) -> None:
    """Refuse a folder in which folders have the names of its neighbours: the data set once more, unpacked.

    Args:
        below: paths from the class folder on.

    Raises:
        ValueError: names it and the key.
    """
    inside = _inside(below)
    for name, names in sorted(inside.items()):
        same = names & (inside.keys() - {name})
        if len(same) >= 2 and 2 * len(same) >= len(names) and not stated_role(name, parts):
            raise ValueError(
                f"expected folders that are classes, found {name}/ with folders of the names of its "
                f"neighbours, {listed(same)}, a copy of the data set: {parts_key({name: 'unused'})} leaves "
                f"it out; for a class {parts_key({name: 'class'})}"
            )


def _inside(below: Iterable[_Path]) -> dict[str, set[str]]:
    """Folder -> names of the folders in it."""
    inside: dict[str, set[str]] = {}
    for path in below:
        if path:
            inside.setdefault(path[0], set()).update(path[1:2])
    return inside


def _without_lone_folder(below: list[_Path]) -> list[_Path]:
    """The paths without a second folder that is the only one in every first folder: amazon/images/mug."""
    while below and len({path[1:2] for path in below}) == 1 and all(len(path) > 2 for path in below):
        below = [path[:1] + path[2:] for path in below]
    return below


def _is_view(name: str) -> bool:
    return name.lower() in _VIEWS or name.rstrip("0123456789").lower() in ("", "s", "session", "cam", "view")
