"""What a table of the Hugging Face hub says of its columns, and its image cells."""

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
    class_names: tuple[str, ...] | None  # of labels that are numbers of names; None: labels name themselves


def hub_columns(schema: Any, stated: Mapping[str, str], origin: str) -> HubColumns:
    """The columns of a table, by what the `datasets` library wrote into its schema, else by their names.

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
    """What a column's lists hold, as the `datasets` library has it; of a column without lists, itself."""
    if isinstance(feature, list) and len(feature) == 1:  # its older form of a list
        return feature[0]
    return feature["feature"] if kind_of(feature) in ("Sequence", "List", "LargeList") else feature


def split_of(path: PurePosixPath) -> str | None:
    """The split of a table, by its name without its number, else by its folder; None: there is none."""
    name = _PART.sub("", path.stem)
    named = [word for word in (name, path.parent.name) if role_of(word) in ("train", "val", "test")]
    return named[0] if named else None
