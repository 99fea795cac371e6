"""The label in a sample's `.json` field."""

from typing import Any

from pipeline.datasets.tables.columns import find_columns
from pipeline.storage.foreign_json import parse_json


def json_label(content: bytes, stated: dict[str, str], origin: str) -> Any:
    """The class or classes in a `.json` field; None if it has only captions, sizes and the like.

    Args:
        stated: `data.columns`; its `label` is the key.
        origin: the field, for messages.

    Raises:
        ValueError: not JSON, or the key in `stated` is missing.
    """
    try:
        values = parse_json(content)
    except ValueError as error:
        raise ValueError(f"{origin}: expected JSON: {error}") from error
    if not isinstance(values, dict):
        return values
    try:
        column = find_columns([*values, "image"], {"image": "image", **stated}, origin).label
    except ValueError:
        if stated:
            raise
        return None
    return values[column]
