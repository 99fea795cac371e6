"""Reads the metadata of a Hugging Face table's columns, and of its image cells."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from pipeline.datasets.split_words import role_of
from pipeline.datasets.tables.columns import find_columns
from pipeline.datasets.tables.hub_cells import features_of, image_column, kind_of

_PART = re.compile(r"-\d{1,}(-of-\d+)?$")  # train-00000-of-00002


class HubColumns(NamedTuple):
    """The columns of a table with images."""

    image: str
    label: str | None  # None: the images have no labels
    class_names: tuple[str, ...] | None  # if labels are indices of names; None: labels are the names


def hub_columns(schema: Any, stated: Mapping[str, str], origin: str) -> HubColumns:
    """The columns of a table, from the metadata of the `datasets` library, else by their names.

    Args:
        schema: of pyarrow.
        stated: `data.columns`.
        origin: the table, for messages.

    Raises:
        ValueError: no images, or several columns of images or labels.
    """
    features = features_of(schema)
    image = image_column(schema, stated, origin)
    labels = {name: of for name, f in features.items() if kind_of(of := _item(f)) == "ClassLabel"}
    names = {name: tuple(f["names"]) for name, f in labels.items()}
    if twice := [name for name, found in names.items() if len(set(found)) != len(found)]:
        raise ValueError(
            f"{origin}: column {twice[0]}: expected distinct class names, found {names[twice[0]]}"
        )
    if "label" in stated or not names:
        if "label" not in stated and len(schema.names) == 1:
            return HubColumns(image, None, None)
        label = find_columns(schema.names, {"image": image, **stated}, origin).label
        return HubColumns(image, label, names.get(label))
    if len(names) > 1 and "label" not in names:
        raise ValueError(
            f"{origin}: expected one column of labels, found {', '.join(names)}: state "
            f'data.columns = {{ label = "{next(iter(names))}" }}'
        )
    label = "label" if "label" in names else next(iter(names))
    return HubColumns(image, label, names[label])


def _item(feature: Any) -> Any:
    """The type of a column's list items, as in the `datasets` library; for other columns, their own type."""
    if isinstance(feature, list) and len(feature) == 1:  # the library's older notation of a list
        return feature[0]
    return feature["feature"] if kind_of(feature) in ("Sequence", "List", "LargeList") else feature


def split_of(path: PurePosixPath) -> str | None:
    """The split of a table, from its name without its number, else from its folder; None if neither tells."""
    name = _PART.sub("", path.stem)
    named = [word for word in (name, path.parent.name) if role_of(word) in ("train", "val", "test")]
    return named[0] if named else None
