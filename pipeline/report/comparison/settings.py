"""Which settings of several experiments differ."""

from collections.abc import Sequence
from typing import Any

ABSENT = "(no such key)"  # in the version that made it


def differing(settings: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """The keys whose values differ, as "schedule.epochs", with each experiment's value in words.

    Where one experiment has a section and another has not, the section's own key says so.
    """
    found: dict[str, list[str]] = {}
    _compare("", [*settings], found)
    return found


def _compare(key: str, values: list[Any], found: dict[str, list[str]]) -> None:
    if all(isinstance(value, dict) for value in values):
        for name in dict.fromkeys(name for value in values for name in value):
            _compare(f"{key}.{name}" if key else name, [value.get(name, ABSENT) for value in values], found)
    elif any(value != values[0] for value in values):
        found[key] = [_words(value) for value in values]


def _words(value: Any) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "given"
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)
