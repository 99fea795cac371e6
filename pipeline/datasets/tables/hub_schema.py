"""What a table of the Hugging Face hub says of its columns, and its image cells."""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.image_names import is_image_name
from pipeline.datasets.split_words import role_of
from pipeline.datasets.tables.columns import IMAGES_ALONE, find_columns

_PART = re.compile(r"-\d{1,}(-of-\d+)?$")  # train-00000-of-00002
_MAGIC = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp"}


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
    features = _features(schema)
    image = _image_column(schema, features, stated, origin)
    names = {name: tuple(f["names"]) for name, f in features.items() if _kind(f) == "ClassLabel"}
    if twice := [name for name, found in names.items() if len(set(found)) != len(found)]:
        raise ValueError(
            f"{origin}: column {twice[0]}: expected distinct class names, found {names[twice[0]]}"
        )
    if "label" in stated or not names:
        others = [name for name in schema.names if name != image]
        if not others:
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


def _features(schema: Any) -> dict[str, Any]:
    """What the `datasets` library writes of each column; empty for tables of others."""
    try:
        return json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}


def _kind(feature: Any) -> str | None:
    return feature.get("_type") if isinstance(feature, dict) else None


def _image_column(schema: Any, features: dict[str, Any], stated: Mapping[str, str], origin: str) -> str:
    if "image" in stated:
        found = [stated["image"]] if stated["image"] in schema.names else []
    else:
        found = (
            [name for name in schema.names if _kind(features.get(name)) == "Image"]
            or [field.name for field in schema if str(field.type).startswith("struct<bytes: binary")]
            or [name for name in ("image", "img", "image_bytes", "jpg", "png") if name in schema.names]
        )
    if len(found) != 1:
        raise ValueError(
            f"{origin}: expected one column of images, found {found or schema.names}: state "
            f'data.columns = {{ image = "..." }}'
        )
    kind = str(schema.field(found[0]).type)
    if not kind.startswith(("struct<bytes: ", "binary", "large_binary")):
        raise ValueError(
            f"{origin}: column {found[0]}: expected bytes of images, found {kind}; {IMAGES_ALONE}"
        )
    return found[0]


def split_of(path: PurePosixPath) -> str | None:
    """The split of a table, by its name without its number, else by its folder; None: there is none."""
    name = _PART.sub("", path.stem)
    named = [word for word in (name, path.parent.name) if role_of(word) in ("train", "val", "test")]
    return named[0] if named else None


def image_bytes(cell: Any, folder: Path, max_bytes: float) -> bytes:
    """The file that a cell holds, or, where it holds a path alone, names.

    Args:
        cell: bytes, or {"bytes", "path"}.
        folder: that a relative path counts from.
        max_bytes: of the largest image.

    Raises:
        UndecodableImage: no image, or a larger one.
        OSError: the file that is named cannot be read.
    """
    path = cell.get("path") if isinstance(cell, dict) else None
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if data is None and path:
        file = folder / path
        if not is_image_name(file.name):
            raise UndecodableImage(f"expected an image, found the path {path}")
        data = b"" if file.stat().st_size > max_bytes else file.read_bytes()
        num_bytes = file.stat().st_size
    else:
        num_bytes = len(data or b"")
    if data is None:
        raise UndecodableImage("no image in this row")
    if num_bytes > max_bytes:
        raise UndecodableImage(f"{num_bytes} bytes, more than {max_bytes:.0f}, the largest image")
    return data


def suffix_of(cell: Any) -> str:
    """The suffix of the file in a cell: of its path, else by its first bytes; "" where neither tells."""
    path = cell.get("path") if isinstance(cell, dict) else None
    if path and is_image_name(path):
        return PurePosixPath(path).suffix.lower()
    data = (cell.get("bytes") if isinstance(cell, dict) else cell) or b""
    return next((suffix for magic, suffix in _MAGIC.items() if data.startswith(magic)), "")
