"""Which column of a table holds images, and the image in one of its cells."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.datasets.decode import UndecodableImage
from pipeline.datasets.image_names import is_image_name

_MAGIC = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"BM": ".bmp"}
IMAGE_KINDS = ("struct<bytes: ", "binary", "large_binary")  # types of columns


def image_column(schema: Any, stated: Mapping[str, str], origin: str) -> str:
    """The column of images, by what the `datasets` library says of it, else by its type or name.

    Args:
        schema: of pyarrow.
        stated: `data.columns`, which goes first.
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
    """What the `datasets` library writes of each column; empty for tables of others."""
    try:
        return json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}


def kind_of(feature: Any) -> str | None:
    """Image, ClassLabel and so on, as the `datasets` library calls a column; None where it says nothing."""
    return feature.get("_type") if isinstance(feature, dict) else None


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
