"""Changes environment variables, and keeps their original values for this process and its children.

Jittor can only be set up through the environment, which children inherit: flags that one start appends to a
variable must not be appended again by a child's start, nor be taken for the user's own.
"""

import json
import os
from collections.abc import Mapping

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_RECORD = "HSSL_ENVIRONMENT_BEFORE"  # JSON: {name: [value before, value set here]}, null for unset


def with_threads(variables: Mapping[str, str], threads: int) -> dict[str, str]:
    """An environment in which numerical libraries use `threads` threads."""
    return {**variables, **dict.fromkeys(_THREADS, str(threads))}


def original(name: str) -> str | None:
    """A variable's value before `change` touched it, here or in a parent; None if it was unset."""
    before, after = _record().get(name, (None, None))
    current = os.environ.get(name)
    return before if name in _record() and current == after else current


def changed(variables: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """A child's environment with variables set as by `change`, their original values kept."""
    record = {**_record(), **{name: (original(name), value) for name, value in values.items()}}
    return {**variables, **values, _RECORD: json.dumps(record)}


def change(values: dict[str, str | None]) -> None:
    """Set variables (None unsets one), and record their original values."""
    record = _record()
    for name, value in values.items():
        record[name] = (original(name), value)
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    os.environ[_RECORD] = json.dumps(record)


def restore(names: tuple[str, ...]) -> None:
    """Restore the original values of variables."""
    change({name: original(name) for name in names if os.environ.get(name) != original(name)})


def _record() -> dict[str, tuple[str | None, str | None]]:
    return {name: tuple(pair) for name, pair in json.loads(os.environ.get(_RECORD, "{}")).items()}
