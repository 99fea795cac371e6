"""Formats values in TOML syntax, for experiment files."""

import json
from typing import Any


def toml_value(value: Any) -> str:
    """A string, number, bool or list of these in TOML syntax.

    Raises:
        TypeError: a value of another type.
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    if not isinstance(value, str | int):
        raise TypeError(f"no value of TOML: {value!r}")
    return json.dumps(value, ensure_ascii=False)  # strings and bools of JSON are also those of TOML
