"""Paths that Jittor hands to a shell unquoted must be single words to it."""

import re
import sysconfig
from importlib.util import find_spec
from pathlib import Path

_SPLIT_BY_SHELLS = re.compile(r"[^\w@%+=:,./~-]")


def path_problem(path: Path) -> str | None:
    """Why a shell would not take the path as one word; None if it would."""
    if found := _SPLIT_BY_SHELLS.search(str(path)):
        return f"its path holds {found[0]!r}, and Jittor hands it to a shell unquoted; choose a plain path"
    return None


def environment_problem() -> str | None:
    """Why operators cannot be compiled with this Python environment; None if they can.

    Jittor's core compiles there for minutes, and the first operator fails: headers are looked for at the part
    of the path before a space.
    """
    found = find_spec("jittor")
    places = {"Jittor": Path(found.origin).parent if found and found.origin else None}
    places["Python's headers"] = Path(sysconfig.get_path("include"))
    for name, place in places.items():
        if place is not None and (problem := path_problem(place)):
            return f"{name} in {place}: {problem} for the Python environment"
    return None
