"""Which experiment's file a folder of results belongs to, since two files may state the same name."""

from pathlib import Path
from typing import Any

from pipeline.config.reading import read_experiment
from pipeline.storage.artifacts import recorded_experiment


def other_owner(results: Path, name: str, argument: str, config: dict[str, Any]) -> str | None:
    """One line about another experiment that has the same folder of results; None if there is none.

    A file that is gone, has another name by now, or states the same experiment is no other one: projects are
    moved, and files copied.

    Args:
        results: the results folder.
        name: the experiment's name.
        argument: a preset, or the absolute path of the experiment's file.
        config: the resolved experiment.
    """
    record = recorded_experiment(results, name)
    owner = record.get("argument")
    if not isinstance(owner, str) or owner == argument or record.get("experiment") == config:
        return None
    try:
        if read_experiment(owner).name != name:
            return None
    except ValueError:
        return None
    return (
        f"{results / name} holds the results of the experiment {owner}, and this one is {argument}: expected "
        f"a name of its own for each, found {name!r} for both. Remedy: a line `name = ...` in one of them"
    )
