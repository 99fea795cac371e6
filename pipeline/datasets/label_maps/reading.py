"""The description of one layout of label maps, and the function that reads any of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline.config.data import DataConfig
from pipeline.datasets.label_maps.class_file import FILE_NAME as CLASS_FILE
from pipeline.datasets.label_maps.class_file import read_class_file
from pipeline.datasets.label_maps.coding import Packing, coding
from pipeline.datasets.label_maps.names_beside import Colour, NamesBeside, read_names_beside
from pipeline.datasets.label_maps.published import fits, values_found
from pipeline.datasets.label_maps.source import LabelMapSource, Pair
from pipeline.datasets.passed_over import passed_over
from pipeline.datasets.source import AnnotatedSource
from pipeline.datasets.wrappers import below, below_wrappers

_VALUES_SHOWN = 8
_PLAIN_IGNORED = (255,)  # the default


@dataclass(frozen=True)
class LabelMapFormat:
    """How one layout is recognised and read; folders are given without wrappers around them."""

    layout: str  # for messages
    is_present: Callable[[Path], bool]
    pairs: Callable[[Path], list[Pair]]  # relative to the folder
    class_names: Callable[[Path], tuple[str, ...] | None]  # used if nothing else names them
    ignored: tuple[int, ...]  # ignored values, unless the user or classes.json set others
    first: int = 0  # value of class 0
    values: tuple[int, ...] = ()  # of each class of `class_names`, if they are not consecutive
    packing: Packing | None = None  # how several channels of a pixel encode a value
    published: str | None = None  # the data set whose list `class_names` is, if it holds for that one only
    names_file: str | None = None  # a file of that data set, by which it is recognised
    # Colours of so many classes, for maps in colours if no table beside them has any.
    colours: Callable[[int], tuple[Colour, ...]] | None = None
    only_stated: bool = False  # skipped by `format = "auto"`, because its files could be photographs alone
    named_by: str | None = None  # source of the names of the classes with `values`, if not a published list
    # For layouts whose other fields depend on the folder's content; None: `read_label_maps`.
    read: Callable[[DataConfig, Path], AnnotatedSource] | None = None


def read_label_maps(layout: LabelMapFormat, config: DataConfig, root: Path) -> LabelMapSource:
    """Open a folder in one layout.

    Class names come from the first of these: `data.class_names`, classes.json, labelmap.txt, class_names.txt
    or label_colors.txt beside the data, and the layout's own list; that of a published data set only if the
    values fit it. Without names, classes are called by their numbers.

    Raises:
        ValueError: it is in another layout, or class names and label values do not match.
    """
    inner = below_wrappers(root)
    if not layout.is_present(inner):
        raise ValueError(f"{root}: expected {layout.layout}")
    prefix = below(root, inner)
    pairs = [
        pair._replace(image=prefix + pair.image, label_map=prefix + pair.label_map)
        for pair in layout.pairs(inner)
    ]
    named = _named(layout, config, root, inner, pairs)
    paired = {path for pair in pairs for path in (pair.image, pair.label_map)}
    colours = named.colours
    if colours is None and layout.colours and named.names and not config.label_values:
        colours = layout.colours(len(named.names))
    return LabelMapSource(
        root,
        pairs,
        coding(
            config,
            class_names=named.names,
            ignored=named.ignored,
            first=named.first,
            values=layout.values if named.is_layouts_own else (),
            packing=layout.packing,
            colours=colours,
        ),
        class_names=named.names,
        max_pixels=config.max_pixels,
        notes=(
            named.note,
            *passed_over(root, paired, "image files that are in no pair of image and label map"),
        ),
    )


class _Named(NamedTuple):
    """Names and meaning of the values of a data set, and where they come from."""

    names: tuple[str, ...] | None  # None: a value is the number of its class
    ignored: tuple[int, ...]
    first: int
    note: str
    colours: tuple[Colour, ...] | None = None
    is_layouts_own: bool = False  # the layout's own list, with its values


def _named(layout: LabelMapFormat, config: DataConfig, root: Path, inner: Path, pairs: list[Pair]) -> _Named:
    known = read_class_file(inner)
    beside = None if layout.packing else read_names_beside(inner)
    ignored = layout.ignored if known.ignored is None else known.ignored
    some = ""
    if config.label_values and layout.values:
        ignored = (*ignored, *(value for value in layout.values if value not in config.label_values))
        some = "; all other labels are ignored"
    if names := config.class_names or known.class_names:
        colours = beside.colours if beside and len(beside.class_names) == len(names) else None
        named_by = "data.class_names" if config.class_names else CLASS_FILE
        is_own = bool(layout.values) and not config.label_values
        counts_from_0 = not layout.first and not is_own
        num_own = len(layout.class_names(inner) or names)
        if not counts_from_0 and not config.label_values and len(names) != num_own:
            raise ValueError(
                f"{root}: {named_by} names {len(names)} classes of a layout whose values count from "
                f"{layout.first or layout.values[0]}; state data.label_values too, the value of each class"
            )
        if known.ignored is None and not is_own:  # a named class comes before an ignored value
            named = config.label_values or range(layout.first, layout.first + len(names))
            ignored = tuple(value for value in ignored if value not in named)
        note = f"classes: named by {named_by}{some}"
        return _Named(names, ignored, layout.first, note, colours, is_layouts_own=is_own)
    if beside:
        # The writer of such a file counts its classes from 0, whatever the folders are called.
        ignored = _PLAIN_IGNORED if known.ignored is None else known.ignored
        # Maps of numbers may come with a table of colours, too.
        found = values_found(root, pairs, until=-1, max_pixels=config.max_pixels)
        _refuse_one_more(beside, inner, found, ignored)
        return _Named(beside.class_names, ignored, 0, f"classes: named by {beside.file}", beside.colours)
    names = layout.class_names(inner)
    if config.label_values:
        is_published = names is not None and len(names) == len(config.label_values)
        names = names if is_published else tuple(str(number) for number in range(len(config.label_values)))
        named_by = f"{layout.published}'s list" if is_published and layout.published else "their number"
        return _Named(names, ignored, layout.first, f"classes: named by {named_by}{some}")
    if names is None or layout.published is None:
        named_by = "folders" if names else "number"
        return _Named(names, ignored, layout.first, f"classes: named by their {named_by}")
    if layout.names_file and (inner / layout.names_file).is_file():
        return _Named(names, ignored, layout.first, f"classes: named by {layout.names_file}")
    if layout.values:
        named_by = layout.named_by or f"{layout.published}'s list; all other labels are ignored"
        return _Named(names, ignored, layout.first, f"classes: named by {named_by}", is_layouts_own=True)
    values = range(layout.first, layout.first + len(names))
    found = values_found(root, pairs, until=values[-1], max_pixels=config.max_pixels)
    if not found or fits(found, values):
        return _Named(names, ignored, layout.first, f"classes: named by {layout.published}'s list")
    ignored = _PLAIN_IGNORED if known.ignored is None else known.ignored
    own = sorted(found - set(ignored))
    shown = ", ".join(map(str, own[:_VALUES_SHOWN])) + ", ..." * (len(own) > _VALUES_SHOWN)
    return _Named(
        None,
        ignored,
        0,
        f"caution: classes are named by their number: the layout is that of {layout.published}, the values "
        f"({shown}) are not its {values[0]} to {values[-1]}; 0 is a class, {ignored[0]} is "
        "ignored; data.class_names with data.label_values names them, and data.ignored_labels states others",
    )


def _refuse_one_more(beside: NamesBeside, inner: Path, found: set[int], ignored: tuple[int, ...]) -> None:
    """Raise ValueError if there is one value more than names: 0 is then a class without a name.

    datumaro's form of CamVid omits the background, which would shift every name by one.
    """
    own = found - set(ignored)
    if own and max(own) == len(beside.class_names):
        raise ValueError(
            f"{inner / beside.file}: expected a name for each value from 0 to {max(own)}, found "
            f"{len(beside.class_names)} names; where 0 is the background, add its name as the first line"
        )
