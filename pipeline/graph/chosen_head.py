"""The head that a search chose, as an experiment to run."""

import os
from pathlib import Path

from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.storage.toml_values import toml_value

CHOSEN_HEAD = "chosen-head.toml"


def head_section(head: AuxiliaryHeadConfig) -> str:
    """[auxiliary_head] with every value but None, which TOML lacks; those are None in the experiment too."""
    values = {name: value for name, value in head.model_dump().items() if value is not None}
    lines = [f"{name} = {toml_value(value)}" for name, value in values.items()]
    return "\n".join(["[auxiliary_head]", *lines]) + "\n"


def experiment_of_head(section: str, folder: Path, argument: str) -> str:
    """The text of `folder/chosen-head.toml`: the experiment with that section over its own.

    Args:
        section: as `head_section` writes it.
        folder: `results/<experiment>`.
        argument: a preset, or a file, which is named from `folder`: the project may be moved.
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
