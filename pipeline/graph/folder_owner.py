"""Which experiment's file a folder of results belongs to, since two files may state the same name."""

import os
from pathlib import Path
from typing import Any

from pipeline.config.reading import read_experiment
from pipeline.storage.artifacts import recorded_experiment


def recorded_argument(results: Path, argument: str) -> str:
    """The form of `argument` that an experiment's record holds.

    A file of the project is stated from the results folder, so that a copied or moved project finds its own.

    Args:
        results: the results folder.
        argument: a preset, or the absolute path of the experiment's file.
    """
    inside = Path(argument).is_absolute() and Path(argument).is_relative_to(results.parent)
    return os.path.relpath(argument, results) if inside else argument


def other_owner(results: Path, name: str, argument: str, config: dict[str, Any]) -> str | None:
    """One line about another experiment that has the same folder of results; None if there is none.

    A file that is gone, has another name by now, or states the same experiment is no other one: projects are
    moved, and files copied.

    Args:
        results, argument: as for `recorded_argument`.
        name: the experiment's name.
        config: the resolved experiment.
    """
    record = recorded_experiment(results, name)
    owner = record.get("argument")
    if not isinstance(owner, str) or owner == recorded_argument(results, argument):
        return None
    if record.get("experiment") == config:
        return None
    if owner.startswith(os.pardir):
        owner = os.path.normpath(results / owner)
    try:
        if read_experiment(owner).name != name:
            return None
    except ValueError:
        return None
    return (
        f"{results / name} holds the results of the experiment {owner}, and this one is {argument}: expected "
        f"a name of its own for each, found {name!r} for both. Remedy: a line `name = ...` in one of them"
    )
