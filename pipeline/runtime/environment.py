"""Variables that this process changes for itself, so that it and its children know what they were before.

Jittor has no other interface than the environment, and children inherit it: what a start appended to a
variable must not be appended again by a child's start, nor count as the user's.
"""

import json
import os

_RECORD = "HSSL_ENVIRONMENT_BEFORE"  # JSON: {name: [value before, value set here]}, null for unset


def original(name: str) -> str | None:
    """A variable's value before `change` touched it, here or in a parent; None where it was unset."""
    before, after = _record().get(name, (None, None))
    current = os.environ.get(name)
    return before if name in _record() and current == after else current


def change(values: dict[str, str | None]) -> None:
    """Set variables (None unsets one), remembering their original values."""
    record = _record()
    for name, value in values.items():
        record[name] = (original(name), value)
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    os.environ[_RECORD] = json.dumps(record)


def restore(names: tuple[str, ...]) -> None:
    """Give variables their original values."""
    change({name: original(name) for name in names if os.environ.get(name) != original(name)})


def _record() -> dict[str, tuple[str | None, str | None]]:
    return {name: tuple(pair) for name, pair in json.loads(os.environ.get(_RECORD, "{}")).items()}
