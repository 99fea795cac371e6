"""Reads splits and classes from folder names.

A folder that contains everything else is a wrapper and has no meaning. Below wrappers, folders called train,
training, val, valid, validation, test or testing (in any case) are splits; so are folders with such a word in
their name (cars_train, Final_Test), if all their neighbours have one. The first folder below a split, or
below the wrappers without splits, is the class; splits may also be inside the class folders. A folder that is
the only one in its split is a wrapper too, unless another split has it as one class of several or every split
has it and nothing else. An image without a class folder has no label. `data.parts` overrides all of this.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pipeline.datasets.folder_messages import listed, parts_key
from pipeline.datasets.part_names import refuse_parts_as_classes
from pipeline.datasets.sister_folders import refuse_copies, refuse_sisters
from pipeline.datasets.split_words import SPLIT_FOLDERS, Role, role_of, stated_role, whole_role

__all__ = ["SPLIT_FOLDERS", "Layout"]

_SPLITS = ("train", "val", "test")
# Names of a folder of all images; no class has them.
_ALL_IMAGES = (
    "images", "image", "imgs", "img", "jpegimages", "jpegs", "jpg", "png", "photos", "pictures", "data",
)  # fmt: skip
_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Meaning of the folders in the paths of one source."""

    wrappers: _Path = ()  # leading folders without a meaning
    splits: frozenset[str] = frozenset()  # names of the folders that are splits; empty: there are none
    splits_in_classes: bool = False  # class/split/... instead of split/class/...
    class_depths: Mapping[str, int] = field(default_factory=dict)  # split -> wrappers below it
    parts: Mapping[str, Role] = field(default_factory=dict)  # `data.parts`
    are_classes: bool = True  # whether folders name classes at all
    notes: tuple[str, ...] = ()  # remarks for the user on how folders were read

    @classmethod
    def of(
        cls, folders: Iterable[str], parts: Mapping[str, Role] | None = None, *, are_classes: bool = True
    ) -> "Layout":
        """Find the layout from the folders that directly contain images ("" is the source itself).

        Args:
            parts: `data.parts`.
            are_classes: `data.class_folders`.

        Raises:
            ValueError: it is ambiguous which folders are splits or classes.
        """
        parts = parts or {}
        paths = [tuple(folder.split("/")) if folder else () for folder in folders]
        paths = [path for path in paths if not any(stated_role(name, parts) == "unused" for name in path)]
        wrappers = _wrappers(paths, parts)
        below = [path[len(wrappers) :] for path in paths]
        splits, notes = _splits({path[0] for path in below if path}, parts)
        depths, inner = {}, frozenset()
        if splits:
            depths, skipped = _class_depths(below, splits)
            notes = (*notes, *skipped)
        else:
            inner = _splits_in_classes(below, parts)
        found = cls(wrappers, splits or inner, bool(inner), depths, parts, are_classes)
        if not are_classes:
            return found
        places = map(found.split_and_class, map("/".join, paths))
        refuse_parts_as_classes({place[1] for place in places if place and place[1]}, parts)
        if splits:
            for name in sorted(splits):
                depth = 1 + depths.get(name, 0)
                refuse_copies((path[depth:] for path in below if path[:1] == (name,)), parts)
        else:
            below = [path[:1] + path[2:] if inner else path for path in below]
            refuse_copies(below, parts)
            notes = (*notes, *refuse_sisters(below, parts))
        return replace(found, notes=notes)

    def split_and_class(self, folder: str) -> tuple[str | None, str | None] | None:
        """(split, class name) of the images in `folder`; None: they are in no split, or unused."""
        path = tuple(folder.split("/")) if folder else ()
        if any(stated_role(name, self.parts) == "unused" for name in path):
            return None
        below = path[len(self.wrappers) :]
        if not self.splits:
            return None, self._class(below)
        if self.splits_in_classes:
            is_placed = len(below) > 1 and below[1] in self.splits
            return (below[1], self._class(below)) if is_placed else None
        if not below or below[0] not in self.splits:
            return None
        return below[0], self._class(below[1 + self.class_depths.get(below[0], 0) :])

    def _class(self, path: _Path) -> str | None:
        return path[0] if path and self.are_classes else None

    def without_images(self, folders: Iterable[str]) -> tuple[list[str], list[str]]:
        """(training folders, class and other split folders) among folders with no image in or below them."""
        training, others = [], []
        depth = len(self.wrappers)
        for folder in folders:
            path = tuple(folder.split("/")) if folder else ()
            if path[:depth] != self.wrappers or any(stated_role(n, self.parts) == "unused" for n in path):
                continue
            below = path[depth:]
            if len(below) == 1 and (stated_role(below[0], self.parts) or whole_role(below[0])) == "train":
                training.append(folder)
            elif len(below) == (2 if self.splits and below and below[0] in self.splits else 1):
                others.append(folder)
        return training, others


def _wrappers(paths: list[_Path], parts: Mapping[str, Role]) -> _Path:
    wrappers = _common_start(paths)
    for depth, name in enumerate(wrappers):
        if (stated_role(name, parts) or role_of(name)) in (*_SPLITS, "class"):
            return wrappers[:depth]
    return wrappers


def _splits(names: set[str], parts: Mapping[str, Role]) -> tuple[frozenset[str], tuple[str, ...]]:
    """(names that are splits, notes) of neighbouring folders."""
    stated = {name: role for name in sorted(names) if (role := stated_role(name, parts))}
    open_names = names - set(stated)
    sure = {name: role for name, role in stated.items() if role in _SPLITS}
    sure |= {name: role for name in sorted(open_names) if (role := whole_role(name))}
    likely = {name: role for name in sorted(open_names - set(sure)) if (role := role_of(name))}
    others = open_names - set(sure) - set(likely)
    if sure:
        # Beside train/, a folder test_images/ is the test part, and train-extra/ is unused.
        sure |= {name: role for name, role in likely.items() if role not in sure.values()}
        others |= set(likely) - set(sure)
        if others and len(set(sure.values())) == 1 and not set(sure) <= set(stated):
            raise _undecided(sure, others)
        return frozenset(sure), ()
    roles = set(likely.values())
    if others and len(roles) > 1:
        raise _undecided(likely, others)
    if likely and not others and not stated and (len(roles) > 1 or len(likely) == 1):
        return frozenset(likely), ()
    if not likely:
        return frozenset(), ()
    note = (
        f"caution: the folders {listed(likely)} are taken for classes; for splits state "
        f"{parts_key(likely)}, for no doubt {parts_key(dict.fromkeys(likely, 'class'))}"
    )
    return frozenset(), (note,)


def _splits_in_classes(below: list[_Path], parts: Mapping[str, Role]) -> frozenset[str]:
    """Splits inside every class folder: bottle/train, bottle/test, cable/train, ..."""
    if not below or any(len(path) < 2 for path in below):
        return frozenset()
    names = {path[1] for path in below}
    roles = {name: stated_role(name, parts) or whole_role(name) for name in names}
    is_split = all(role in _SPLITS for role in roles.values()) and len(set(roles.values())) > 1
    return frozenset(names) if is_split else frozenset()


def _class_depths(below: list[_Path], splits: frozenset[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Number of wrappers below each split, and a note on those that could be taken for classes."""
    inside = {split: [path[1:] for path in below if path and path[0] == split] for split in splits}
    lone = {split: _common_start(paths) for split, paths in inside.items()}
    classes = {
        path[len(lone[split])] for split, paths in inside.items() for path in paths
        if len(path) > len(lone[split])
    }  # fmt: skip
    starts = {chain[:1] for chain in lone.values()}
    if not classes and len(starts) == 1 and (start := starts.pop()) and start[0].lower() not in _ALL_IMAGES:
        return {}, ()
    depths = {
        split: next((depth for depth, name in enumerate(chain) if name in classes), len(chain))
        for split, chain in lone.items()
    }
    skipped = sorted("/".join((split, *lone[split][:depth])) for split, depth in depths.items() if depth)
    if not skipped:
        return depths, ()
    return depths, (
        f"no class: {listed(skipped)}, the only folder in its split; images directly in it have no label",
    )


def _undecided(splits: Mapping[str, Role], others: Iterable[str]) -> ValueError:
    as_classes = dict.fromkeys(splits, "class")
    return ValueError(
        f"expected folders that are all splits or all classes, found {listed(splits)} beside "
        f"{listed(others)}: for splits, leaving the others out, state {parts_key(splits)}; for classes "
        f"{parts_key(as_classes)}"
    )


def _common_start(paths: list[_Path]) -> _Path:
    """The folders with which all `paths` begin."""
    if not paths:
        return ()
    first, last = min(paths), max(paths)
    depth = 0
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    return first[:depth]
