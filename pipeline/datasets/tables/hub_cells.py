"""Finds the column of images of a table, and reads the image in a cell."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.image_names import is_image_name

_MAGIC = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp"}
IMAGE_KINDS = ("struct<bytes: ", "binary", "large_binary")  # types of columns


def image_column(schema: Any, stated: Mapping[str, str], origin: str) -> str:
    """The column of images, from the metadata of the `datasets` library, else by its type or name.

    Args:
        schema: of pyarrow.
        stated: `data.columns`, which takes precedence.
        origin: the table, for messages.

    Raises:
        ValueError: there is none, or there are several.
    """
    features = features_of(schema)
    if "image" in stated:
        found = [stated["image"]] if stated["image"] in schema.names else []
    else:
        found = (
            [name for name in schema.names if kind_of(features.get(name)) == "Image"]
            or [field.name for field in schema if str(field.type).startswith("struct<bytes: binary")]
            or [name for name in ("image", "img", "image_bytes", "jpg", "png") if name in schema.names]
        )
    if len(found) != 1:
        raise ValueError(
            f"{origin}: expected one column of images, found {found or schema.names}: state "
            f'data.columns = {{ image = "..." }}'
        )
    kind = str(schema.field(found[0]).type)
    if not kind.startswith(IMAGE_KINDS):
        raise ValueError(f"{origin}: column {found[0]}: expected bytes of images, found {kind}")
    return found[0]


def features_of(schema: Any) -> dict[str, Any]:
    """Metadata of each column, written by the `datasets` library; empty for other tables."""
    try:
        return json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}


def kind_of(feature: Any) -> str | None:
    """The `datasets` library's type of a column, such as Image or ClassLabel; None if not given."""
    return feature.get("_type") if isinstance(feature, dict) else None


def image_bytes(cell: Any, folder: Path, max_bytes: float) -> bytes:
    """The file in a cell or, if the cell has only a path, the file with that path.

    Args:
        cell: bytes, or {"bytes", "path"}.
        folder: to which a relative path refers.
        max_bytes: of the largest image.

    Raises:
        UndecodableImage: not an image, or too large a one.
        OSError: the file at the path cannot be read.
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
    """The suffix of the file in a cell: of its path, else by its first bytes; "" if neither tells."""
    path = cell.get("path") if isinstance(cell, dict) else None
    if path and is_image_name(path):
        return PurePosixPath(path).suffix.lower()
    data = (cell.get("bytes") if isinstance(cell, dict) else cell) or b""
    return next((suffix for magic, suffix in _MAGIC.items() if data.startswith(magic)), "")
