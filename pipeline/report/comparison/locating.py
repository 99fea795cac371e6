"""Finds the results of experiments by their names, presets, files or folders."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config.reading import PRESETS, preset_names, read_toml
from pipeline.report.comparison.finished import TABLE, Finished


def read_all(arguments: Sequence[str], *, results: Path, start: Path) -> list[Finished]:
    """Read several experiments, each with a unique label.

    Args:
        arguments: for each experiment its name, its preset, its file, or its results folder.
        results: the results folder.
        start: the folder that relative paths start from.

    Raises:
        ValueError: fewer than two experiments, one of them twice or without a table, or different levels of
            confidence.
    """
    found, problems = [], []
    for argument in arguments:
        try:
            found.append(_read(argument, results, start))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    if len({each.folder for each in found}) < max(2, len(found)):
        raise ValueError(f"experiments={','.join(arguments)}: expected two or more, none of them twice")
    levels = {each.label: each.confidence for each in found}
    if len(set(levels.values())) > 1:
        told = ", ".join(f"{label} {100 * level:g} %" for label, level in levels.items())
        raise ValueError(f"intervals of different levels: {told}; give them one tables.confidence")
    names = [each.label for each in found]
    folders = [each.folder.resolve() for each in found]
    return [
        replace(each, label=_label(argument, each.folder.resolve(), folders))
        if names.count(each.label) > 1
        else each
        for each, argument in zip(found, arguments, strict=True)
    ]


def _label(argument: str, folder: Path, folders: Sequence[Path]) -> str:
    """The user's argument; of an absolute path, its shortest unique end."""
    if not Path(argument).is_absolute():
        return argument
    others = [other.parts for other in folders if other != folder]
    for length in range(2, len(folder.parts)):
        if all(other[-length:] != folder.parts[-length:] for other in others):
            return "/".join(folder.parts[-length:])
    return argument


def _read(argument: str, results: Path, start: Path) -> Finished:
    folder = _folder(argument, results, start)
    if not (folder / TABLE).is_file():
        raise ValueError(f"{argument}: no {folder / TABLE}; make it: doit run all experiment={argument}")
    return Finished.read(folder)


def _folder(argument: str, results: Path, start: Path) -> Path:
    """The results folder of an experiment, which may not exist."""
    path = start / Path(argument).expanduser()
    if (path / TABLE).is_file():
        return path.resolve()
    preset = PRESETS / f"{argument}.toml"
    file = path if path.is_file() else preset if preset.is_file() else None
    if file is not None:
        name = str(read_toml(file).get("name", file.stem))
        return results / Path(name).name  # an experiment's name has no "/"; one that has leads nowhere
    if not (results / argument).is_dir():
        presets = ", ".join(preset_names())
        raise ValueError(f"{argument}: expected a name in {results}, a preset ({presets}) or a file")
    return results / argument
