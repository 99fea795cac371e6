"""The settings in which experiments differ."""

from collections.abc import Sequence
from typing import Any

ABSENT = "(no such key)"  # the key is unknown to the version that made the experiment


def differing(settings: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """The keys whose values differ, such as "schedule.epochs" -> each experiment's value as text.

    If only some experiments have a section, the section's own key is listed.
    """
    found: dict[str, list[str]] = {}
    _compare("", [*settings], found)
    return found


def _compare(key: str, values: list[Any], found: dict[str, list[str]]) -> None:
    if all(isinstance(value, dict) for value in values):
        for name in dict.fromkeys(name for value in values for name in value):
            _compare(f"{key}.{name}" if key else name, [value.get(name, ABSENT) for value in values], found)
    elif any(value != values[0] for value in values):
        found[key] = [_text(value) for value in values]


def _text(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "given"
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
