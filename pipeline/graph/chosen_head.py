"""Writes the head that a search chose as an experiment that can be run."""

import os
from pathlib import Path

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.storage.toml_values import toml_value

CHOSEN_HEAD = "chosen-head.toml"


def head_section(head: AuxiliaryHeadConfig) -> str:
    """The TOML section [auxiliary_head]; values of None, which TOML lacks, are None in the experiment too."""
    values = {name: value for name, value in head.model_dump().items() if value is not None}
    lines = [f"{name} = {toml_value(value)}" for name, value in values.items()]
    return "\n".join(["[auxiliary_head]", *lines]) + "\n"


def experiment_of_head(section: str, folder: Path, argument: str) -> str:
    """Content of `folder/chosen-head.toml`: the experiment with the chosen head.

    Args:
        section: text from `head_section`.
        folder: `results/<experiment>`.
        argument: a preset, or a file; its path is written relative to `folder`, so the project can be moved.
    """
    extends = os.path.relpath(argument, folder) if Path(argument).is_file() else argument
    return "\n".join(
        [
            "# The head that `doit run search` chose. To run the whole experiment with it:",
            f"# doit run all experiment=results/{folder.name}/{CHOSEN_HEAD}",
            f"extends = {toml_value(extends)}",
            f"name = {toml_value(folder.name[:52] + '-chosen-head')}",
            "",
            section,
        ]
    )
